import type { z } from 'zod';
import { SACCT } from '../../domain/sacct-look';
import { SQUEUE } from '../../domain/squeue';
import { renderStamp } from '../../domain/slurm-stamp';
import type {
  ModificationAnswer,
  RefusalReport,
  RefusalTotal,
  SlurmEstimate,
  SlurmPolicy,
  SlurmReceipt,
  SubmissionAnswer,
  Withdrawal,
} from '../../ledger/contract';
import type {
  RefusalReportAnswer,
  SlurmEstimateAnswer,
  SlurmEventsAnswer,
  SlurmModificationAnswer,
  SlurmPolicyAnswer,
  SlurmSubmissionAnswer,
  SlurmWithdrawalAnswer,
} from '../schemas/slurm';
import { amount, amountOr, factorOf } from './money';

export const renderSubmission = (answer: SubmissionAnswer, key: string): z.infer<typeof SlurmSubmissionAnswer> => ({
  accept: answer.accept,
  message: answer.message,
  code: answer.code,
  stamp: renderStamp(key),
  transaction_id: answer.holdId,
  estimated_cost: amount(answer.estimatedCost),
  hold_amount: amount(answer.holdAmount),
  unit: answer.unit,
  mode: answer.mode,
  would_deny: answer.wouldDeny,
  exempt: answer.exempt,
  replayed: answer.replayed,
  spares: answer.spares,
});

export const renderModification = (answer: ModificationAnswer): z.infer<typeof SlurmModificationAnswer> => ({
  accept: answer.accept,
  message: answer.message,
  code: answer.code,
  stamp: answer.stamp && renderStamp(answer.stamp),
  transaction_id: answer.holdId,
  hold_amount: amount(answer.holdAmount),
  unit: answer.unit,
  mode: answer.mode,
  would_deny: answer.wouldDeny,
});

export const renderSlurmEstimate = ({
  message,
  cost,
  unit,
  fits,
}: SlurmEstimate): z.infer<typeof SlurmEstimateAnswer> => ({
  message,
  cost: amount(cost),
  unit,
  fits,
});

export const renderWithdrawals = (
  keys: readonly string[],
  outcomes: readonly Withdrawal[],
): z.infer<typeof SlurmWithdrawalAnswer> => ({
  withdrawn: outcomes.filter((outcome) => outcome === 'withdrawn').length,
  outcomes: keys.map((key, n) => ({ key, outcome: outcomes[n] ?? 'unknown' })),
});

export function renderSlurmReceipts(receipts: readonly SlurmReceipt[]): z.infer<typeof SlurmEventsAnswer> {
  const count = (wanted: SlurmReceipt['status']) => receipts.filter(({ status }) => status === wanted).length;
  return {
    recorded: count('recorded'),
    duplicates: count('duplicate'),
    unmatched: count('unmatched'),
    rejected: count('rejected'),
    receipts: receipts.map(({ status, jobId, holdId, detail }) => ({
      status,
      job_id: jobId,
      transaction_id: holdId,
      detail,
    })),
  };
}

export const renderSlurmPolicy = (policy: SlurmPolicy): z.infer<typeof SlurmPolicyAnswer> => ({
  cluster: policy.cluster,
  time_zone: policy.timeZone,
  unit: policy.unit,
  enforcement: policy.enforcement,
  failure_policy: policy.failurePolicy,
  failure_limit: amountOr(policy.failureLimit, undefined),
  exempt_users: [...policy.exemptUsers],
  exempt_partitions: policy.exemptPartitions,
  without_account: policy.withoutAccount,
  default_partition: policy.defaultPartition,
  partitions: Object.fromEntries(
    Object.entries(policy.partitions).map(([name, partition]) => [
      name,
      {
        failure_policy: partition.failurePolicy,
        failure_limit: amountOr(partition.failureLimit, undefined),
        default_minutes: partition.defaultMinutes,
        max_minutes: partition.maxMinutes,
        weight: factorOf(partition.weight),
        per_hour: Object.fromEntries(Object.entries(partition.perHour).map(([kind, price]) => [kind, amount(price)])),
      },
    ]),
  ),
  squeue: { format: SQUEUE.format, arguments: [...SQUEUE.arguments], environment: SQUEUE.environment },
  sacct: { columns: [...SACCT.columns], arguments: [...SACCT.arguments], environment: SACCT.environment },
  made_at: policy.madeAt,
});

const renderTotals = (totals: readonly RefusalTotal[]) =>
  totals.map(({ name, unit, denied, estimated }) => ({ name, unit, denied, estimated_cost: amount(estimated) }));

export const renderRefusals = (report: RefusalReport): z.infer<typeof RefusalReportAnswer> => ({
  since: report.since,
  until: report.until,
  totals: renderTotals(report.totals),
  by_account: renderTotals(report.byAccount),
  by_user: renderTotals(report.byUser),
  by_code: renderTotals(report.byCode),
  denials: report.denials.map((denial) => ({
    at: denial.at,
    cluster: denial.cluster,
    time_zone: denial.clusterTimeZone,
    account: denial.account,
    user_id: denial.user,
    partition: denial.partition,
    job_name: denial.jobName,
    code: denial.code,
    message: denial.message,
    unit: denial.unit,
    estimated_cost: amount(denial.estimated),
    hold_amount: amount(denial.held),
    job_id: denial.jobId,
    state: denial.state,
    would_have_cost: amountOr(denial.wouldHaveCost, undefined),
  })),
  next_cursor: report.nextCursor,
});

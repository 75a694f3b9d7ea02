import type { z } from 'zod';
import { toJsonNumber, ZERO } from '../../domain/money';
import type { AsbxFigures, AsbxOutcome } from '../../ledger/contract';
import type { AsbxReconcileAnswer, AsbxStatusAnswer } from '../schemas/asbx';
import { amount, amountOr } from './money';

const NOT_MADE = 'Compliance reports and notifications are not in this version of Bursar.';

export function renderAsbx(
  { status, reconciliationId, holdId, assessment, reconciliation, waiting }: AsbxOutcome,
  asked: { jobId: string; teaches: boolean; report: boolean; notify: boolean },
): z.infer<typeof AsbxReconcileAnswer> {
  const { warnings, recommendations, estimated, actual } = assessment;
  return {
    success: true,
    status,
    reconciliation_id: reconciliationId,
    original_transaction: holdId,
    unmatched_id: waiting?.unmatchedNo,
    unit: reconciliation?.unit,
    estimated_cost: amountOr(estimated, 0),
    actual_cost: amount(actual),
    cost_variance: toJsonNumber(assessment.variance),
    cost_variance_pct: Number(assessment.variancePctHundredths) / 100,
    refund_amount: amount(reconciliation?.refundAmount ?? ZERO),
    additional_charge: amount(reconciliation?.additionalCharge ?? ZERO),
    estimation_accuracy: Number(assessment.accuracyThousandths) / 1000,
    model_update_applied: status === 'reconciled' && asked.teaches && estimated !== undefined,
    ...(asked.report && { compliance_report_generated: false }),
    message: messageOf(status, asked.jobId, waiting?.unmatchedNo),
    ...(warnings.length > 0 && { warnings }),
    ...(recommendations.length > 0 && { recommendations }),
    ...((asked.report || asked.notify) && { notes: [NOT_MADE] }),
    replayed: reconciliation?.replayed ?? false,
  };
}

function messageOf(status: AsbxOutcome['status'], jobId: string, unmatchedNo: number | undefined): string {
  switch (status) {
    case 'reconciled':
      return 'ASBX cost reconciliation completed successfully';
    case 'recorded':
      return `The cost of job ${jobId} was written down and nothing was charged, as was asked for`;
    case 'waiting':
      return `No hold is known for job ${jobId} yet; the cost waits as unmatched report ${unmatchedNo} and is charged once there is one`;
  }
}

export const renderAsbxStatus = (figures: AsbxFigures, now: Date): z.infer<typeof AsbxStatusAnswer> => ({
  asbx_version: '0.2.0',
  integration_enabled: true,
  last_data_import: figures.lastReceivedAt ?? null,
  total_jobs_reconciled: figures.reconciled + figures.refused,
  successful_reconciliations: figures.reconciled,
  failed_reconciliations: figures.refused,
  recorded_reports: figures.recorded,
  waiting_reports: figures.waiting,
  average_reconciliation_time: `${Number(figures.averageMs ?? 0) / 1000}s`,
  cost_model_accuracy: figures.accuracy ?? null,
  last_health_check: now.toISOString(),
  health_status: figures.waiting > 0 ? 'degraded' : 'healthy',
});

import type { z } from 'zod';
import type { UnmatchedDetails, UnmatchedReport } from '../../ledger/contract';
import type { UnmatchedAnswer, UnmatchedDetailsAnswer } from '../schemas/unmatched';
import { amount, amountOr } from './money';

export const renderUnmatched = (report: UnmatchedReport): z.infer<typeof UnmatchedAnswer> => ({
  id: report.unmatchedNo,
  source: report.source,
  status: report.status,
  why: report.why,
  cluster: report.cluster,
  time_zone: report.clusterTimeZone,
  job_id: report.jobId,
  account: report.account,
  unit: report.unit,
  user_id: report.user,
  partition: report.partition,
  submitted_at: report.submittedAt,
  cost: amountOr(report.cost, undefined),
  received_at: report.receivedAt,
  received_by: report.receivedBy,
  transaction_id: report.holdId,
  reason: report.reason,
  closed_by: report.closedBy,
  closed_at: report.closedAt,
});

export const renderUnmatchedDetails = (report: UnmatchedDetails): z.infer<typeof UnmatchedDetailsAnswer> => ({
  ...renderUnmatched(report),
  evidence: report.evidence,
  candidates: report.candidates.map(({ holdId, partition, user, held, effectiveAt }) => ({
    transaction_id: holdId,
    partition,
    user_id: user,
    held: amount(held),
    effective_at: effectiveAt,
  })),
});

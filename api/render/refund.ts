import type { z } from 'zod';
import type { Refund } from '../../ledger/contract';
import type { RefundAnswer } from '../schemas/refund';
import { amount } from './money';

export const renderRefund = (refund: Refund): z.infer<typeof RefundAnswer> => ({
  transaction_id: refund.transactionId,
  charge_id: refund.chargeId,
  account: refund.account,
  unit: refund.unit,
  amount: amount(refund.amount),
  charged: amount(refund.charged),
  refunded: amount(refund.refunded),
  reason: refund.reason,
  policy: refund.policy,
  description: refund.description,
  actor: refund.actor,
  cluster: refund.cluster,
  job_id: refund.jobId,
  user_id: refund.user,
  refunded_at: refund.refundedAt,
  evidence: refund.evidence && {
    type: refund.evidence.type,
    at: refund.evidence.at,
    recorded_at: refund.evidence.recordedAt,
    record: refund.evidence.record,
  },
  notice: refund.notice && {
    status: refund.notice.status,
    address: refund.notice.address,
    last_error: refund.notice.lastError,
    closed_at: refund.notice.closedAt,
  },
});

import type { z } from 'zod';
import type { Decision, Reconciliation, Waiting } from '../../ledger/contract';
import type { BudgetDecision, ReconcileAnswer } from '../schemas/budget';
import { amount, amountOr, factorOf } from './money';

export const renderDecision = (decision: Decision): z.infer<typeof BudgetDecision> => ({
  available: decision.available,
  code: decision.code,
  message: decision.message,
  account: decision.account,
  unit: decision.unit,
  cluster: decision.cluster,
  time_zone: decision.clusterTimeZone,
  estimated_cost: amount(decision.estimatedCost),
  hold_amount: amount(decision.holdAmount),
  transaction_id: decision.holdId,
  component_transaction_ids: decision.componentHoldIds,
  budget_remaining: amount(decision.remaining),
  recommendation: decision.estimate.recommendation,
  confidence: decision.estimate.confidence,
  details: {
    account_balance: amount(decision.balance),
    current_hold: amount(decision.held),
    partition_used: amountOr(decision.partitionUsed, undefined),
    partition_limit: amountOr(decision.partitionLimit, undefined),
    hold_percentage: factorOf(decision.holdMultiplier),
    estimator: decision.estimate.method,
    advisor_confidence: decision.estimate.confidence,
    advisor: decision.estimate.advisor,
  },
  estimate: {
    method: decision.estimate.method,
    confidence: decision.estimate.confidence,
    lines: decision.estimate.lines,
    unbilled: decision.estimate.unbilled,
  },
  explanation: decision.explanation,
  at: decision.at,
  note: decision.note,
  replayed: decision.replayed,
});

export const renderReconciliation = (reconciliation: Reconciliation): z.infer<typeof ReconcileAnswer> => ({
  success: true,
  status: 'settled',
  original_hold: amount(reconciliation.originalHold),
  actual_charge: amount(reconciliation.actualCharge),
  refund_amount: amount(reconciliation.refundAmount),
  additional_charge: amount(reconciliation.additionalCharge),
  transaction_id: reconciliation.holdId,
  unit: reconciliation.unit,
  message: reconciliation.message,
  replayed: reconciliation.replayed,
});

/** Nothing has moved yet: the cost is kept until its job has a hold. */
export const renderWaiting = ({ unmatchedNo }: Waiting, jobId: string): z.infer<typeof ReconcileAnswer> => ({
  success: true,
  status: 'waiting',
  original_hold: 0,
  actual_charge: 0,
  refund_amount: 0,
  additional_charge: 0,
  unmatched_id: unmatchedNo,
  message: `No hold is known for job ${jobId} yet; the cost waits as unmatched report ${unmatchedNo} and is charged once there is one`,
  replayed: false,
});

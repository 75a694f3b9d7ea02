import type { z } from 'zod';
import type { Transaction, TransactionKind } from '../../ledger/types';
import type { ASBB_TYPES, TransactionAnswer } from '../schemas/movement';
import { amount } from './money';

/** ASBB's five words for our ten (rulings 26). */
const TYPE_OF: Readonly<Record<TransactionKind, (typeof ASBB_TYPES)[number]>> = {
  deposit: 'allocation',
  withdrawal: 'adjustment',
  transfer: 'adjustment',
  hold: 'hold',
  resize: 'adjustment',
  charge: 'charge',
  release: 'refund',
  refund: 'refund',
  adjustment: 'adjustment',
  expiry: 'adjustment',
};

export const renderTransaction = (transaction: Transaction): z.infer<typeof TransactionAnswer> => ({
  id: transaction.id,
  transaction_id: transaction.transactionId,
  account_id: transaction.accountNo,
  account: transaction.account,
  unit: transaction.unit,
  type: TYPE_OF[transaction.kind],
  kind: transaction.kind,
  direction: transaction.direction,
  amount: amount(transaction.amount),
  description: transaction.description,
  metadata: transaction.metadata === undefined ? undefined : JSON.stringify(transaction.metadata),
  status: transaction.status,
  actor: transaction.actor,
  job_id: transaction.jobId,
  cluster: transaction.cluster,
  partition: transaction.partition,
  user_id: transaction.user,
  parent_transaction_id: transaction.parentId,
  effective_at: transaction.effectiveAt,
  created_at: transaction.recordedAt,
  completed_at: transaction.status === 'completed' ? transaction.recordedAt : undefined,
  entries: transaction.entries?.map((entry) => ({
    account: entry.account,
    fund_id: entry.fundId,
    book: entry.book,
    amount: amount(entry.amount),
  })),
});

import type { z } from 'zod';
import { TRANSACTION_KINDS, type AsbbType, type TransactionKind } from '../../domain/transaction';
import type { Transaction } from '../../ledger/contract';
import type { TransactionAnswer } from '../schemas/movement';
import { amount } from './money';

/** ASBB's five words for our ten (rulings 26; of the resize, the glossary). */
const TYPE_OF: Readonly<Record<TransactionKind, AsbbType>> = {
  deposit: 'allocation',
  withdrawal: 'adjustment',
  transfer: 'adjustment',
  hold: 'hold',
  resize: 'hold',
  charge: 'charge',
  release: 'refund',
  refund: 'refund',
  adjustment: 'adjustment',
  expiry: 'adjustment',
};

/** What a list is asked for by ASBB's word, by ours, or by both; undefined: everything. */
export function kindsOf(asked: {
  type?: AsbbType | undefined;
  kind?: TransactionKind | undefined;
}): TransactionKind[] | undefined {
  if (asked.type === undefined && asked.kind === undefined) return undefined;
  return TRANSACTION_KINDS.filter(
    (kind) =>
      (asked.kind === undefined || kind === asked.kind) && (asked.type === undefined || TYPE_OF[kind] === asked.type),
  );
}

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

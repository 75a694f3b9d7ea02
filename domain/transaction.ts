/** The words for movements of money: ours, and ASBB's five, which its clients know. */
export const TRANSACTION_KINDS = [
  'deposit',
  'withdrawal',
  'transfer',
  'hold',
  'resize',
  'charge',
  'release',
  'refund',
  'adjustment',
  'expiry',
] as const;
export type TransactionKind = (typeof TRANSACTION_KINDS)[number];

export const ASBB_TYPES = ['hold', 'charge', 'refund', 'adjustment', 'allocation'] as const;
export type AsbbType = (typeof ASBB_TYPES)[number];

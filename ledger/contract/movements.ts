/** What moves money otherwise than a job does, and the transactions that every movement leaves. */
import type { FundId, TransactionId } from '../../domain/ids';
import type { Micro } from '../../domain/money';
import type { Instant } from '../../domain/time';
import type { TransactionKind } from '../../domain/transaction';
import type { Caller, Page, Paged } from './asking';

export interface Transaction {
  id: number;
  transactionId: TransactionId;
  kind: TransactionKind;
  /** As seen from `account`: money that becomes available comes in. */
  direction: 'in' | 'out';
  account: string;
  accountNo: number;
  unit: string;
  amount: Micro;
  description: string;
  metadata?: unknown;
  actor: string;
  jobId?: string;
  cluster?: string;
  partition?: string;
  user?: string;
  /** The hold of a charge or release, the charge of a refund or adjustment. */
  parentId?: TransactionId;
  /** ASBB's word: holds past the reconciliation timeout are 'pending', all else is 'completed'. */
  status: 'pending' | 'completed' | 'cancelled';
  effectiveAt: Instant;
  recordedAt: Instant;
  entries?: {
    account: string;
    fundId: FundId;
    book: 'available' | 'held' | 'settled' | 'expired' | 'outside';
    amount: Micro;
  }[];
}

export interface DepositRequest {
  account: string;
  amount: Micro;
  unit?: string;
  /** A window of its own makes a fund of its own; without one the money joins the base fund (the account's window). */
  opensAt?: Instant;
  closesAt?: Instant;
  fundId?: string;
  source?: 'manual' | 'allocation' | 'grant_period' | 'carry_forward';
  label?: string;
  description?: string;
  effectiveAt?: Instant;
}

export interface Movements {
  /** `account_not_found`, `fund_not_found`, `unit_mismatch`, `ceiling_exceeded`, `key_reused`. */
  deposit(request: DepositRequest, caller: Caller): Promise<Transaction>;
  /** Takes free money only, soonest-to-expire last, or from `fundId`. `insufficient_budget`. */
  withdraw(
    request: { account: string; amount: Micro; unit?: string; fundId?: string; description?: string },
    caller: Caller,
  ): Promise<Transaction>;
  /** Free money of one account to another of the same unit; it keeps its window unless one is given. */
  transfer(
    request: {
      from: string;
      to: string;
      amount: Micro;
      unit?: string;
      opensAt?: Instant;
      closesAt?: Instant;
      description?: string;
    },
    caller: Caller,
  ): Promise<Transaction>;
  /** Gives back part of a charge, never more than the charge, however many refunds. `refund_exceeds_charge`. */
  refund(request: { transactionId: string; amount: Micro; description?: string }, caller: Caller): Promise<Transaction>;
  /** Changes a charge by `amount` (signed), visibly. */
  adjust(request: { transactionId: string; amount: Micro; description: string }, caller: Caller): Promise<Transaction>;
  /** Expires the free money of every fund whose window has ended; idempotent; returns how many funds lost money. */
  expireFunds(): Promise<number>;
  /** `account_not_found`. */
  list(
    filter: {
      account?: string;
      jobId?: string;
      cluster?: string;
      /** Of these kinds; none of them where the list is empty. */
      kinds?: readonly TransactionKind[];
      status?: string;
      user?: string;
      holdId?: string;
      from?: Instant;
      to?: Instant;
    },
    page: Page,
  ): Promise<Paged<Transaction>>;
  /** With its entries. `transaction_not_found`. */
  read(transactionId: string): Promise<Transaction>;
}

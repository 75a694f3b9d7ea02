/** What was given back, why, on whose word; and who is to be told. */
import type { TransactionId } from '../../domain/ids';
import type { Micro } from '../../domain/money';
import type { RefundPolicy, RefundReason } from '../../domain/policy';
import type { Instant } from '../../domain/time';
import type { Page, Paged } from './asking';

export interface Refund {
  transactionId: TransactionId;
  chargeId: TransactionId;
  account: string;
  unit: string;
  amount: Micro;
  /** What the charge is with its adjustments, and what of it is back by all refunds. */
  charged: Micro;
  refunded: Micro;
  /** `manual`: a person gave it. */
  reason: RefundReason | 'manual';
  policy?: RefundPolicy;
  description: string;
  actor: string;
  cluster: string;
  jobId: string;
  user?: string;
  refundedAt: Instant;
  /** The scheduler's record that says how the run ended. */
  evidence?: { type: string; at: Instant; recordedAt: Instant; record: unknown };
  notice?: { status: NoticeStatus; address?: string; lastError?: string; closedAt?: Instant };
}

export type NoticeStatus = 'waiting' | 'sent' | 'given_up';

/** A refund that its user has not been told of. */
export interface Notice extends Refund {
  noticeNo: number;
  user: string;
  attempts: number;
  createdAt: Instant;
}

export interface Refunds {
  /** The newest first. `account_not_found`. */
  list(
    filter: {
      account?: string;
      user?: string;
      cluster?: string;
      jobId?: string;
      reason?: Refund['reason'];
      from?: Instant;
      to?: Instant;
    },
    page: Page,
  ): Promise<Paged<Refund>>;
  /** The numbers of those that wait, those tried least and then the oldest first; what has waited for longer than `hours` is given up. */
  waitingNotices(limit: number, hours: number): Promise<number[]>;
  /** Undefined: it does not wait any more. */
  readNotice(noticeNo: number): Promise<Notice | undefined>;
  /** Closes it, or counts an attempt that failed. One that is closed stays as it is. */
  noteNotice(
    noticeNo: number,
    outcome: { status: 'sent'; address: string } | { status: 'given_up' | 'waiting'; address?: string; error: string },
  ): Promise<void>;
}

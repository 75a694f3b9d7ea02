/** Reports that wait for a hold, and what became of them. */
import type { TransactionId } from '../../domain/ids';
import type { Micro } from '../../domain/money';
import type { Instant } from '../../domain/time';
import type { Caller, Page, Paged } from './asking';
import type { ReportSource } from './reports';

/** `applied`: by itself, when the job was bound. `resolved`: by somebody. */
export type UnmatchedStatus = 'waiting' | 'applied' | 'resolved' | 'dismissed';

export interface UnmatchedReport {
  unmatchedNo: number;
  source: ReportSource;
  status: UnmatchedStatus;
  why: 'no_hold' | 'several_holds';
  cluster: string;
  clusterTimeZone: string;
  /** With its task, where it is one. */
  jobId: string;
  account?: string;
  /** Of the account, where that is known. */
  unit?: string;
  user?: string;
  partition?: string;
  submittedAt?: Instant;
  cost?: Micro;
  receivedAt: Instant;
  receivedBy: string;
  holdId?: TransactionId;
  reason?: string;
  closedBy?: string;
  closedAt?: Instant;
}

/** One with everything that helps to decide. */
export interface UnmatchedDetails extends UnmatchedReport {
  evidence: unknown;
  /** While it waits: the open holds that it may be about. */
  candidates: {
    holdId: TransactionId;
    partition: string;
    user?: string;
    held: Micro;
    effectiveAt: Instant;
  }[];
}

export interface UnmatchedFilter {
  status?: UnmatchedStatus;
  source?: ReportSource;
  cluster?: string;
  account?: string;
  jobId?: string;
}

export interface Unmatched {
  /** Newest first. */
  list(filter: UnmatchedFilter, page: Page): Promise<Paged<UnmatchedReport>>;
  /** `unmatched_not_found`. */
  read(unmatchedNo: number): Promise<UnmatchedDetails>;
  /**
   * Gives it to a hold, or charges an account without one (rulings 11). `unmatched_not_found`, `unmatched_closed`,
   * `hold_not_found`, `not_a_hold`, `hold_taken`, `account_not_found`, `already_reconciled`.
   */
  resolve(
    unmatchedNo: number,
    to: { holdId?: string; account?: string; reason?: string },
    caller: Caller,
  ): Promise<UnmatchedDetails>;
  /** `unmatched_not_found`, `unmatched_closed`. */
  dismiss(unmatchedNo: number, reason: string, caller: Caller): Promise<UnmatchedDetails>;
}

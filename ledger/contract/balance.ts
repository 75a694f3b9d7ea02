/** How an account stands: at a moment, and from one moment to another. */
import type { FundId, TransactionId } from '../../domain/ids';
import type { Micro } from '../../domain/money';
import type { Instant } from '../../domain/time';
import type { TransactionKind } from '../../domain/transaction';

/** The identity of rulings 5: available = granted - settled - held. */
export interface Amounts {
  granted: Micro;
  settled: Micro;
  held: Micro;
  available: Micro;
}

export interface Balance extends Amounts {
  account: string;
  unit: string;
  timeZone: string;
  at: Instant;
  /** min(accrued by running jobs, held); committed = held - inFlight. */
  inFlight: Micro;
  committed: Micro;
  /** What running jobs have accrued beyond their holds; changes nothing until it is settled. */
  overHold: Micro;
  overdraftUsed: Micro;
  overdraftLimit: Micro;
  /** Money in funds that have not opened yet; not part of granted. */
  upcoming: Micro;
  /** granted - settled - inFlight - committed - available; zero. */
  difference: Micro;
  nextMoneyAt?: Instant;
  funds: Fund[];
  subtree?: { settled: Micro; held: Micro; limit?: Micro };
  limits: Limit[];
}

export interface Fund extends Amounts {
  fundId: FundId;
  source: string;
  label: string;
  opensAt: Instant;
  closesAt: Instant | null;
  /** `expired`: its window has ended, and its free money is nobody's any more, booked or not yet. */
  status: 'upcoming' | 'open' | 'expired';
}

export interface Limit {
  partition?: string;
  user?: string;
  limit: Micro;
  settled: Micro;
  held: Micro;
  remaining: Micro;
  opensAt?: Instant;
  closesAt?: Instant;
}

/** The lines carry changes: opening + lines = closing. */
export interface Statement {
  account: string;
  unit: string;
  timeZone: string;
  from: Instant;
  to: Instant;
  opening: Amounts;
  lines: StatementLine[];
  closing: Amounts;
}

export interface StatementLine extends Amounts {
  at: Instant;
  transactionId: TransactionId;
  kind: TransactionKind;
  description: string;
  jobId?: string;
  user?: string;
}

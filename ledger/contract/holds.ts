/** Money that is set aside for a job. */
import type { FundId, TransactionId } from '../../domain/ids';
import type { Micro } from '../../domain/money';
import type { Instant } from '../../domain/time';
import type { Caller, Page, Paged } from './asking';

export interface Hold {
  holdId: TransactionId;
  key?: string;
  account: string;
  unit: string;
  cluster: string;
  partition: string;
  user?: string;
  status: 'open' | 'settled' | 'released';
  /** placed + resized = held + chargedFromHold + released, at any time. */
  placed: Micro;
  /** What resizes added, less what they gave back. */
  resized: Micro;
  /** What resizes gave back, counted in `resized`. */
  givenBack: Micro;
  held: Micro;
  /** All of its charges with their corrections: those beyond the hold too. */
  charged: Micro;
  /** What charges took out of the hold. */
  chargedFromHold: Micro;
  /** What was given back when the hold was closed. */
  released: Micro;
  late: boolean;
  overdueAt?: Instant;
  /** Of a spare: until when a job could take it. */
  useBy?: Instant;
  effectiveAt: Instant;
  placedAt: Instant;
  closedAt?: Instant;
  group?: TransactionId;
  /** The scheduler's id of the job, once an event has bound it. */
  jobId?: string;
  parts: { fundId: FundId; source: string; held: Micro }[];
}

export interface Holds {
  /** `hold_not_found`. */
  read(holdId: string): Promise<Hold>;
  /** By the caller's idempotency key. `hold_not_found`. */
  findByKey(principal: string, key: string): Promise<Hold>;
  /** `account_not_found`. */
  list(
    filter: {
      account?: string;
      cluster?: string;
      user?: string;
      status?: Hold['status'];
      overdue?: boolean;
      late?: boolean;
    },
    page: Page,
  ): Promise<Paged<Hold>>;
  /** Sets what is held to `amount`: more passes every limit or fails with its refusal, less gives back. `hold_closed`. */
  resize(holdId: string, amount: Micro, reason: string, caller: Caller): Promise<Hold>;
  /** The same where it holds `expected` still, which `amount` was worked out from. Undefined: it does not, and nothing changed. */
  resizeFrom(expected: Micro, holdId: string, amount: Micro, reason: string, caller: Caller): Promise<Hold | undefined>;
  /** Closes the hold and gives all that is left of it back. A closed hold is answered as it is. */
  release(holdId: string, reason: string, caller: Caller): Promise<Hold>;
}

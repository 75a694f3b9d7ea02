/** Who set what. Money that moves is not here: its transactions say who moved it. */
import type { Instant } from '../../domain/time';
import type { Page, Paged } from './asking';

export type ChangeSubject = 'account' | 'limit' | 'cluster' | 'partition' | 'rate' | 'key' | 'unmatched';

export interface Change {
  changeNo: number;
  at: Instant;
  actor: string;
  /** What was asked: `update_account`, `set_rate`. */
  action: string;
  subject: ChangeSubject;
  /** Of the account, the cluster or the key that it belongs to; of a report, its number. */
  name: string;
  /** Absent: it is new. Amounts are decimal strings. */
  before?: Readonly<Record<string, unknown>>;
  /** Absent: it is gone. */
  after?: Readonly<Record<string, unknown>>;
}

export interface ChangeFilter {
  subject?: ChangeSubject;
  name?: string;
  actor?: string;
  action?: string;
  /** Inclusive. */
  from?: Instant;
  /** Exclusive. */
  to?: Instant;
}

export interface Changes {
  /** Newest first. */
  list(filter: ChangeFilter, page: Page): Promise<Paged<Change>>;
}

/**
 * What the rest of Bursar may ask of the ledger: the words, the shapes, the guarantees. No SQL and no wire format here.
 *
 * Amounts are `Micro` everywhere inside. Times are RFC 3339 strings with microseconds in UTC (`Instant`), never `Date`,
 * which loses microseconds. Every method may throw `Fault('ledger_unavailable')`; the others it throws are named with it.
 */
import type { Accounts } from './accounts';
import type { Admission } from './admission';
import type { Audit } from './audit';
import type { Catalog } from './catalog';
import type { Changes } from './changes';
import type { Figures } from './figures';
import type { Holds } from './holds';
import type { Jobs } from './jobs';
import type { Keys } from './keys';
import type { Movements } from './movements';
import type { Queue } from './queue';
import type { Refunds } from './refunds';
import type { Reports } from './reports';
import type { Slurm } from './slurm';
import type { Outbox, Recovery } from './stories';
import type { Usage } from './usage';
import type { Unmatched } from './unmatched';
import type { Walls } from './wall';

export type * from './accounts';
export type * from './admission';
export type * from './asking';
export type * from './audit';
export type * from './balance';
export type * from './catalog';
export type * from './changes';
export type * from './figures';
export type * from './holds';
export type * from './jobs';
export type * from './keys';
export type * from './movements';
export type * from './queue';
export type * from './refunds';
export type * from './reports';
export type * from './slurm';
export type * from './stories';
export type * from './usage';
export type * from './unmatched';
export type * from './wall';

export interface Ledger {
  admission: Admission;
  holds: Holds;
  movements: Movements;
  accounts: Accounts;
  catalog: Catalog;
  jobs: Jobs;
  slurm: Slurm;
  queue: Queue;
  refunds: Refunds;
  reports: Reports;
  unmatched: Unmatched;
  outbox: Outbox;
  recovery: Recovery;
  audit: Audit;
  changes: Changes;
  keys: Keys;
  usage: Usage;
  walls: Walls;
  figures(): Promise<Figures>;
  /** Is the database there, and does it have our schema, or a newer one? */
  health(): Promise<{ ok: boolean; schemaVersion?: number; detail?: string }>;
}

/** Where the story of a held job stands, and how stories come to be told: by the outbox, or again by recovery. */
import type { JobState, ResizeCause } from '../../domain/job';
import type { RequeuePolicy } from '../../domain/policy';

/** Where a held job's story stands, for its workflow. JSON-safe: amounts are decimal strings, times are epoch ms. */
export interface Chapter {
  holdId: string;
  cluster: string;
  account: string;
  jobId?: string;
  state: JobState;
  /** True once the hold is settled or released: the story is over. */
  closed: boolean;
  /** A sentence for the operator: what is waited for. */
  waitsFor: string;
  /** When to look again although nobody rang. Undefined once closed. */
  deadlineMs?: number;
  held: string;
  charged: string;
  released: string;
  unit: string;
  /** A requeue or a longer limit needed more than there was: the hold keeps what it has, and this is what to do (rulings 11). */
  shortfall?: {
    why: ResizeCause;
    policy: RequeuePolicy;
    /** How much more was asked for. */
    requested: string;
    code: string;
  };
}

export interface OutboxItem {
  outboxNo: bigint;
  kind: 'start' | 'ring';
  generation: number;
  holdId: string;
  cluster: string;
  account: string;
  jobId?: string;
  chapter: Chapter;
}

export interface Outbox {
  /**
   * Leases up to `limit` items for `leaseMs`; several dispatchers never get the same one while the lease lasts. While
   * admission is busy, starts that are younger than `patienceMs` (default 0) are left there.
   */
  claim(limit: number, leaseMs: number, patienceMs?: number): Promise<OutboxItem[]>;
  done(outboxNos: bigint[]): Promise<void>;
  /** Puts an item back before its lease ends. */
  giveBack(outboxNos: bigint[]): Promise<void>;
  depth(): Promise<{ waiting: number; oldestSeconds: number }>;
}

/** A hold with the name of the workflow that should follow it. */
export interface Suspect {
  holdId: string;
  cluster: string;
  generation: number;
  /** When the ledger expects it to look again; null: it waits for news alone, or has not begun. */
  dueMs: number | null;
}

export interface Recovery {
  /** Open holds that may have lost their story: overdue by their own deadline, with nothing in the outbox. Oldest first. */
  strays(limit: number): Promise<Suspect[]>;
  /** Every open hold whose story should be running now, due or not, by age; from the one behind `after` on. */
  open(limit: number, after?: string): Promise<Suspect[]>;
  /** Puts stories back into the outbox, with a generation where the workflow id is used up. */
  restart(items: { holdId: string; generation: number }[]): Promise<void>;
  /** Those of the holds that nothing is left to be told of: closed, or not in the books at all. */
  over(holdIds: string[]): Promise<string[]>;
}

/**
 * A scheduler as Bursar needs it: three questions. Slurm answers them by its commands (slurm-commands.ts) or by its REST
 * daemon (slurm-rest.ts); whoever brings another scheduler implements this, and nothing else has to know it.
 *
 * Each of them rejects when it cannot be answered. An answer that is not whole must say so: what is missing in a queue is
 * given its money back.
 */
import type { QueuedJob } from '../../domain/queue';
import type { Instant } from '../../domain/time';

/** What of an answer could be read, and what could not. */
export interface Reading {
  jobs: QueuedJob[];
  /** For whoever looks after it. Empty: the answer is whole. */
  faults: string[];
}

/** Every job that waits, runs or is suspended; also those that have just ended, where it still knows them. */
export interface Listing extends Reading {
  /** When it was asked, by the clock of this process. */
  takenAt: Instant;
}

export interface Scheduler {
  /** For people: `squeue and sacct in /usr/bin`. */
  name: string;
  queue(): Promise<Listing>;
  /** The runs that have ended within so many seconds until now, with those that were repeated since. */
  history(sinceSeconds: number): Promise<Reading>;
  /**
   * Everything that the accounting knows of these ids, whatever their state and however long ago. It is the last question
   * before money moves, so an answer that is not whole is none.
   */
  find(jobIds: readonly string[]): Promise<QueuedJob[]>;
}

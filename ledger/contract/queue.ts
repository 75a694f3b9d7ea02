/** What schedulers show when they are asked: their queue, and what their accounting knows to have ended. */
import type { QueueDeedWord, QueuedJob } from '../../domain/queue';
import type { Instant } from '../../domain/time';
import type { Caller } from './asking';
import type { JobEvent } from './jobs';

/** All jobs that one scheduler has at one moment. */
export interface QueueListing {
  cluster: string;
  jobs: readonly QueuedJob[];
  /** By the clock of whoever took it. */
  takenAt: Instant;
  /** How long ago that was, by the same clock: clocks may differ by hours, and do. */
  ageSeconds: number;
  /** Nothing of it is missing. What cannot be read of a listing may be the job that is looked for. */
  isWhole: boolean;
}

/** One thing that a look has changed, for people. */
export interface QueueDeed {
  did: QueueDeedWord;
  /** As the scheduler writes it, where one is known. */
  jobId?: string;
  holdId?: string;
  detail?: string;
}

export interface QueueReport {
  cluster: string;
  jobs: number;
  /** Events that nobody had told. */
  recorded: number;
  bound: number;
  /** Live jobs that ran without a hold and have a late one now. */
  adopted: number;
  /** Holds that were given back because no job carries them. */
  givenBack: number;
  /** Holds of arrays that are smaller now, because tasks are gone. */
  reduced: number;
  /** Why nothing can be given back by this look, where it cannot. */
  keeps?: string;
  deeds: QueueDeed[];
}

export interface HistoryReport {
  cluster: string;
  jobs: number;
  recorded: number;
  /** Runs of whose end nobody had told. */
  ended: number;
  adopted: number;
  deeds: QueueDeed[];
}

/** How it stands between Bursar and one scheduler. */
export interface SchedulerLook {
  cluster: string;
  timeZone: string;
  /** Of the last whole listing; undefined: there was none. */
  listedAt?: Instant;
  listedAgeSeconds?: number;
  listedJobs?: number;
  accountedAt?: Instant;
  accountedAgeSeconds?: number;
  failedAt?: Instant;
  failure?: string;
  /** Open holds that no job of the queue carries. */
  unseen: number;
}

/** What a scheduler is to be asked about a hold. */
export interface JobQuestion {
  cluster: string;
  key?: string;
  /** By the clock of the cluster, as far as it is known to be behind. */
  placedAt: Instant;
  /** It was placed after its job had been submitted. */
  late: boolean;
  jobs: { jobId: string; submittedAt?: Instant }[];
}

/** All that the accounting knows of jobs with these ids, whenever they were. Rejects where it cannot be asked. */
export type AskAccounting = (jobIds: readonly string[]) => Promise<QueuedJob[]>;

export interface Queue {
  /**
   * What the queue says: binds live jobs by their stamps, records what nobody told, opens late holds for jobs that run
   * without one, and gives back what no job carries any more. Any number of times, in any order. `cluster_not_found`.
   */
  listed(listing: QueueListing, caller: Caller, askAccounting?: AskAccounting): Promise<QueueReport>;
  /** What the accounting says: the ends of runs that nobody told are recorded, and settled from there. `cluster_not_found`. */
  accounted(cluster: string, jobs: readonly QueuedJob[], caller: Caller): Promise<HistoryReport>;
  /** Everything that has ended until now was in what it said: nothing is given back before. `cluster_not_found`. */
  heard(cluster: string): Promise<void>;
  /**
   * The same in parts: with the last of them it was heard, unless something in any of them could not be read, which `fault`
   * says of a part. `cluster_not_found`.
   */
  heardPart(cluster: string, part: { isLast: boolean; fault?: string }): Promise<void>;
  /** It did not answer: nothing is given back for what it has not said. `cluster_not_found`. */
  unreachable(cluster: string, failure: string, part: 'queue' | 'accounting'): Promise<void>;
  looks(): Promise<SchedulerLook[]>;
  /** `hold_not_found`. */
  question(holdId: string): Promise<JobQuestion>;
  /** What rows of a queue or an accounting say of that hold's jobs, and of no others with the same ids. */
  answer(question: JobQuestion, jobs: readonly QueuedJob[]): JobEvent[];
}

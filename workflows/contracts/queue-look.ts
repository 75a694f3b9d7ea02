/** What the look at a scheduler's queue is called, what it is asked and what it tells. Nothing here does anything. */
import type { QueueDeedWord } from '../../domain/queue';

/** Which schedules are ours. */
export const LOOK_PREFIX = 'queue/';
export const lookSchedule = (cluster: string): string => `${LOOK_PREFIX}${cluster}`;
export const nightlySchedule = (cluster: string): string => `${LOOK_PREFIX}${cluster}/nightly`;
/** The one that somebody asked for; while it goes on, who asks again waits for the same. */
export const askedLook = (cluster: string): string => `${LOOK_PREFIX}${cluster}/asked`;

/** Old runs are replayed with the inputs they were given, so fields are only ever added here, and are optional when they are. */
export interface QueueLook {
  cluster: string;
  /** The accounting of the last days, not only what is new. */
  wide?: boolean;
}

export interface LookReport {
  cluster: string;
  /** `absent`: this cluster has no scheduler that can be asked. */
  result: 'looked' | 'incomplete' | 'unreachable' | 'absent';
  failures: string[];
  /** Rows of the queue, and of the accounting. */
  jobs: number;
  records: number;
  /** Events that nobody had told. */
  recorded: number;
  bound: number;
  adopted: number;
  ended: number;
  givenBack: number;
  reduced: number;
  /** Why nothing could be given back, where that is so. */
  keeps?: string;
  /** What was done, the first hundred. */
  deeds: { did: QueueDeedWord; jobId?: string; holdId?: string; detail?: string }[];
}

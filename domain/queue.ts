/**
 * What the queue says: the jobs that a scheduler has at one moment, and which events they amount to, seen beside what the
 * ledger knows of them already. Pure; the grammars of the schedulers are read elsewhere (squeue.ts, slurm-rest.ts).
 */
import { given } from './given';
import type { EndState, JobEventType, Resources } from './job';
import { compareInstants, epochMicros, instantOfMicros, type Instant } from './time';

/** One row of a listing: a job, a task of an array, or all tasks of an array that have not been split up yet. */
export interface QueuedJob {
  /** The base id of an array; a component of a heterogeneous job has an id of its own. */
  jobId: string;
  /** Array task ('4'); '' for the job itself. */
  task: string;
  /** How many tasks of an array the row stands for. */
  arrayTasks?: number;
  phase: 'pending' | 'running' | 'suspended' | 'ended';
  endState?: EndState;
  /** Who cancelled it, where that was somebody else than its user, and whose it is; uids that the accounting alone says. */
  cancelledBy?: string;
  uid?: number;
  /** The run is over and its job may not be: the accounting writes a run that is repeated down like one that is not. */
  closing?: 'requeued' | 'node_failed' | 'preempted';
  submittedAt: Instant;
  /** Then that is its start: it was submitted before that, and the row does not say when. */
  isSubmissionUnknown?: true;
  /** Of a job that was resized: since when it has had these resources. Such a row may be about a size that it has no more. */
  sizedAt?: Instant;
  /** Undefined where it never got a node. */
  startedAt?: Instant;
  endedAt?: Instant;
  /** How long it has run, without what it was suspended for. */
  activeSeconds?: number;
  account?: string;
  user?: string;
  partition?: string;
  /** The key that it is stamped with. */
  stamp?: string;
  resources?: Resources;
  timeLimitSeconds?: number;
}

/**
 * The accounting has a row for each size that a job has had. Those of later sizes name when the size began in place of when the job
 * was submitted (measured, 22.05).
 */
export function readSize(
  submittedAt: Instant,
  startedAt: Instant | undefined,
  { isResized }: { isResized?: true },
): Pick<QueuedJob, 'submittedAt' | 'isSubmissionUnknown' | 'sizedAt'> {
  if (startedAt === undefined) return { submittedAt };
  if (compareInstants(startedAt, submittedAt) < 0) {
    return { submittedAt: startedAt, isSubmissionUnknown: true, sizedAt: submittedAt };
  }
  return { submittedAt, ...(isResized && { sizedAt: startedAt }) };
}

/** A row of a later size does not say when the job was submitted; that of its first one does, where it is there. */
export const withSubmissions = (rows: readonly QueuedJob[]): QueuedJob[] =>
  rows.map((job) => {
    if (!job.isSubmissionUnknown) return job;
    const first = rows.find(
      (row) =>
        !row.isSubmissionUnknown &&
        row.jobId === job.jobId &&
        row.task === job.task &&
        row.startedAt !== undefined &&
        row.startedAt === job.startedAt,
    );
    if (!first) return job;
    const { isSubmissionUnknown: _, ...known } = job;
    return { ...known, submittedAt: first.submittedAt };
  });

/** What a look may come to, for people. */
export const QUEUE_DEEDS = [
  'bound',
  'adopted',
  'unmatched',
  'suspended',
  'resumed',
  'ended',
  'given_back',
  'reduced',
  'lost',
] as const;
export type QueueDeedWord = (typeof QUEUE_DEEDS)[number];

/** What the ledger knows of a row. */
export interface KnownJob {
  /** It is bound to a hold, and not to be bound to another. */
  isBound: boolean;
  /** The hold that its stamp names. */
  holdId?: string;
  /** Its job has been heard of, under this id and submit time. */
  isKnown: boolean;
  hasStart: boolean;
  hasEnd: boolean;
  /** A task of an array that was changed by itself, and is a job of its own. */
  isSplit: boolean;
  /** A change of it had moved its hold to another account, and it still has the one of before. */
  isUnchanged: boolean;
  /** When the run was suspended and resumed, as far as it was told, in order. */
  pauses: readonly { type: 'suspended' | 'resumed'; at: Instant }[];
}

/** One thing that a row says happened and nobody has told; the ledger's JobEvent but for the cluster. */
export interface QueueEvent {
  type: JobEventType;
  jobId: string;
  task?: string;
  at: Instant;
  submittedAt?: Instant;
  startedAt?: Instant;
  holdId?: string;
  account?: string;
  user?: string;
  partition?: string;
  endState?: EndState;
  cancelledBy?: string;
  uid?: number;
  resources?: Resources;
  timeLimitSeconds?: number;
  suspendedSeconds?: number;
  /** Of an array: what is said is said of the tasks that have not begun. */
  onlyWaiting?: true;
}

const NOTHING_KNOWN: KnownJob = {
  isBound: false,
  isKnown: false,
  hasStart: false,
  hasEnd: false,
  isSplit: false,
  isUnchanged: false,
  pauses: [],
};

/** What a row tells beyond what is known; of a job that nobody knows, all of it. */
export function queueNews(job: QueuedJob, takenAt: Instant, known: KnownJob = NOTHING_KNOWN): QueueEvent[] {
  const events: QueueEvent[] = [];
  const common = {
    jobId: job.jobId,
    ...(job.task === '' ? {} : { task: job.task }),
    ...given({
      submittedAt: job.isSubmissionUnknown ? undefined : job.submittedAt,
      holdId: known.holdId,
      account: job.account,
      user: job.user,
      partition: job.partition,
      timeLimitSeconds: job.timeLimitSeconds,
    }),
  };
  const { startedAt } = job;
  const run = {
    ...common,
    ...given({ startedAt, resources: job.resources }),
  };
  const isNewJob = !known.isKnown || (known.holdId !== undefined && !known.isBound);
  // Of an array it is said once, not of each of its tasks.
  if (isNewJob && !job.isSubmissionUnknown) {
    const { task: _, ...ofTheJob } = common;
    events.push({ ...ofTheJob, type: 'submitted', at: job.submittedAt });
  }
  // It is said once more under which account it is, as of now: whose hold it is follows from that.
  if (known.isUnchanged && !isNewJob) {
    const { task: _, ...ofTheJob } = common;
    events.push({ ...(known.isSplit ? common : ofTheJob), type: 'submitted', at: takenAt });
  }
  if (startedAt !== undefined && !known.hasStart && job.phase !== 'ended') {
    events.push({ ...run, type: 'started', at: startedAt });
  }
  if (startedAt !== undefined && job.sizedAt !== undefined) {
    const { timeLimitSeconds: _, ...size } = run;
    events.push({ ...size, type: 'resized', at: job.sizedAt });
  }
  if (job.phase === 'ended' && job.endedAt !== undefined && !known.hasEnd) {
    events.push({
      ...run,
      type: job.closing ?? (startedAt === undefined ? 'cancelled' : 'ended'),
      at: job.endedAt,
      // The row of an array is what is left of it: the tasks that have begun have rows of their own.
      ...(startedAt === undefined && job.task === '' ? { onlyWaiting: true } : {}),
      ...given({
        endState: job.endState,
        cancelledBy: job.cancelledBy,
        uid: job.uid,
        suspendedSeconds: pausedSeconds(job, job.endedAt),
      }),
    });
  }
  const isOfNow = job.sizedAt === undefined;
  if (isOfNow && startedAt !== undefined && (job.phase === 'running' || job.phase === 'suspended')) {
    const pause = pauseNews(job, startedAt, takenAt, known.pauses);
    if (pause) events.push({ ...common, startedAt, ...pause });
  }
  return events;
}

/**
 * Slurm lists that a job is suspended, not since when. But it counts the time that the job has run, so the moment follows:
 * that long after the start, and as much later as it was suspended before. The same for when it was resumed.
 */
function pauseNews(
  { phase, activeSeconds }: QueuedJob,
  startedAt: Instant,
  takenAt: Instant,
  pauses: KnownJob['pauses'],
): Pick<QueueEvent, 'type' | 'at'> | undefined {
  const last = pauses.at(-1);
  const isSuspended = last?.type === 'suspended';
  if (isSuspended === (phase === 'suspended')) return undefined;
  const start = epochMicros(startedAt);
  const taken = epochMicros(takenAt);
  const active = activeSeconds === undefined ? undefined : BigInt(Math.trunc(activeSeconds)) * 1_000_000n;
  const paused = pausedMicros(pauses);
  if (!isSuspended) {
    const since = active === undefined ? taken : start + active + paused;
    return { type: 'suspended', at: instantOfMicros(atLeast(since, last?.at ?? startedAt)) };
  }
  const since = epochMicros(last.at);
  const again = active === undefined ? taken : taken - (active - (since - start - paused));
  return { type: 'resumed', at: instantOfMicros(atLeast(again, last.at)) };
}

function pausedMicros(pauses: KnownJob['pauses']): bigint {
  let sum = 0n;
  let since: bigint | undefined;
  for (const { type, at } of pauses) {
    if (type === 'suspended') since ??= epochMicros(at);
    else if (since !== undefined) {
      sum += epochMicros(at) - since;
      since = undefined;
    }
  }
  return sum;
}

const atLeast = (micros: bigint, earliest: Instant): bigint => {
  const least = epochMicros(earliest);
  return micros < least ? least : micros;
};

/** Of a run that is over: the part of its time that it did not run. */
function pausedSeconds({ startedAt, activeSeconds }: QueuedJob, endedAt: Instant): number | undefined {
  if (startedAt === undefined || activeSeconds === undefined || compareInstants(endedAt, startedAt) <= 0)
    return undefined;
  const lasted = Number((epochMicros(endedAt) - epochMicros(startedAt)) / 1_000_000n);
  return lasted > activeSeconds ? lasted - activeSeconds : undefined;
}

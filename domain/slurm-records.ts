/**
 * What the hooks of a controller tell of a job after its submission, as events of the ledger. They send records raw; which
 * of them is a run's end, which only its requeue, and which says nothing at all, is read here.
 *
 * A job goes by the id of its array (`123`, task `4`) and, where it is a component of a heterogeneous one, by its own id: each
 * component was submitted with its own key and has its own hold.
 */
import { malformed } from './faults';
import { given } from './given';
import { END_STATES, type EndState, type JobEventType, type Resources } from './job';
import { namesNodes, readState } from './slurm-job';
import { readResources } from './slurm-resources';
import { readStamp } from './slurm-stamp';
import { countOf, numberOf, textOf, type RawFacts } from './slurm-submission';
import { readSeconds } from './slurm-clock';
import type { Instant } from './time';

/** The ledger's JobEvent, but for the cluster. */
export interface SlurmEvent {
  type: JobEventType;
  at: Instant;
  /** It was heard of then, and happened before. */
  atArrival?: true;
  jobId: string;
  task?: string;
  holdKey?: string;
  submittedAt?: Instant;
  startedAt?: Instant;
  account?: string;
  /** Of a prolog or an epilog, which give no job a hold: they only say what Slurm has it under. */
  seenAccount?: string;
  user?: string;
  partition?: string;
  name?: string;
  endState?: EndState;
  exitCode?: number;
  resources?: Resources;
  timeLimitSeconds?: number;
  /** Of an array: what is said is said of the tasks that have not begun. */
  onlyWaiting?: true;
  raw: RawFacts;
}

// Job completion ----------------------------------------------------------------------------------------------------------

/** slurm.h's enum job_states, in its order. */
const STATES = [
  'PENDING',
  'RUNNING',
  'SUSPENDED',
  'COMPLETED',
  'CANCELLED',
  'FAILED',
  'TIMEOUT',
  'NODE_FAIL',
  'PREEMPTED',
  'BOOT_FAIL',
  'DEADLINE',
  'OUT_OF_MEMORY',
] as const;
const STATE_BASE = 0xff;
/** REQUEUE, REQUEUE_HOLD, SPECIAL_EXIT and REQUEUE_FED: the run is over and the job is not. */
const RUNS_AGAIN = 0x400 | 0x800 | 0x1000 | 0x10_0000;
/** A sibling of a federation runs the job. */
const REVOKED = 0x8_0000;

interface CompletedState {
  state: (typeof STATES)[number];
  runsAgain: boolean;
  isRevoked: boolean;
}

function readCompletedState(value: unknown): CompletedState {
  const number = numberOf(value);
  if (number !== undefined) {
    const state = STATES[number & STATE_BASE];
    if (state === undefined) throw malformed(`job_state: ${number} is no state of a Slurm job`);
    return { state, runsAgain: (number & RUNS_AGAIN) !== 0, isRevoked: (number & REVOKED) !== 0 };
  }
  const word = textOf(value);
  if (word === undefined) throw malformed('job_state: is required');
  const { phase, endState } = readState(word);
  const isRevoked = /^(RV|REVOKED)$/i.test(word);
  if (phase === 'ended' && endState !== undefined) return { state: endState, runsAgain: false, isRevoked };
  return { state: phase === 'running' ? 'RUNNING' : 'PENDING', runsAgain: phase === 'requeued', isRevoked: false };
}

/**
 * A record of job completion: a run has ended, for good or to be run again, or a job that never ran is over. A node failure
 * reads the same in both cases (measured, 22.05), so it is never the end of a job by itself: the queue says that.
 */
export function readCompletion(raw: RawFacts): SlurmEvent {
  const { state, runsAgain, isRevoked } = readCompletedState(raw.job_state);
  const endedAt = timeOf(raw.end_time) ?? timeOf(raw.at);
  if (endedAt === undefined) throw malformed('end_time: is required, in seconds since 1970');
  const ran = !isRevoked && gotNodes(raw) && timeOf(raw.start_time) !== undefined;
  const array = arrayOf(raw);
  const endState = (END_STATES as readonly string[]).includes(state) ? (state as EndState) : undefined;
  const limit = numberOf(raw.time_limit);
  return {
    type: typeOf({ state, runsAgain, isRevoked }, ran),
    at: endedAt,
    ...array,
    ...given({
      holdKey: readStamp(textOf(raw.admin_comment) ?? ''),
      submittedAt: timeOf(raw.submit_time),
      startedAt: ran ? timeOf(raw.start_time) : undefined,
      account: textOf(raw.account),
      // Slurm 22.05 gives a number only, which is nobody's name; the hold, the prolog and squeue know the name.
      user: textOf(raw.user_name),
      partition: textOf(raw.partition)?.split(',')[0],
      name: textOf(raw.job_name) ?? textOf(raw.name),
      endState: isRevoked ? ('CANCELLED' as const) : endState,
      exitCode: readExitStatus(raw.exit_code),
      resources: ran ? allocatedOf(raw) : undefined,
      timeLimitSeconds: limit !== undefined && countOf(limit) !== undefined ? limit * 60 : undefined,
    }),
    raw,
  };
}

function typeOf({ state, runsAgain, isRevoked }: CompletedState, ran: boolean): JobEventType {
  if (isRevoked) return 'cancelled';
  if (state === 'NODE_FAIL') return 'node_failed';
  if (runsAgain || state === 'PENDING') return state === 'PREEMPTED' ? 'preempted' : 'requeued';
  if (state === 'RUNNING' || state === 'SUSPENDED') {
    throw malformed(`job_state: a job that is ${state} has not completed`);
  }
  return ran ? 'ended' : 'cancelled';
}

function gotNodes(raw: RawFacts): boolean {
  const nodes = textOf(raw.nodes);
  if (nodes !== undefined) return namesNodes(nodes);
  return (textOf(raw.tres_fmt_alloc_str) ?? textOf(raw.tres_alloc_str)) !== undefined;
}

/** The ids of Slurm's built-in TRES; a site's GRES have ids that only its database can tell apart. */
const TRES_IDS: Readonly<Record<string, string>> = { 1: 'cpu', 2: 'mem', 4: 'node' };

function allocatedOf(raw: RawFacts): Resources | undefined {
  const formatted = textOf(raw.tres_fmt_alloc_str);
  const numbered = textOf(raw.tres_alloc_str);
  if (formatted !== undefined) return readResources({ tres: formatted }).resources;
  if (numbered === undefined) return undefined;
  if (!/^\d+=/.test(numbered)) return readResources({ tres: numbered }).resources;
  const parts = numbered.split(',').map((part) => part.split('='));
  // With GRES nobody could say how many of them are GPUs: what was asked for is the better answer.
  if (parts.some(([id]) => Number(id) > 1000)) return undefined;
  const named = parts.flatMap(([id = '', count = '']) => (TRES_IDS[id] ? [`${TRES_IDS[id]}=${count}`] : []));
  return named.length === 0 ? undefined : readResources({ tres: named.join(',') }).resources;
}

/** A wait status: an exit code in its second byte, or a signal (137 to a shell). `0:9` is the same in two numbers. */
function readExitStatus(value: unknown): number | undefined {
  const pair = /^(\d{1,5}):(\d{1,3})$/.exec(textOf(value) ?? '');
  if (pair) return Number(pair[1]) || (Number(pair[2]) > 0 ? 128 + Number(pair[2]) : 0);
  const status = countOf(value, 'zero');
  if (status === undefined) return undefined;
  return (status >> 8) & 0xff || ((status & 0x7f) === 0 ? 0 : 128 + (status & 0x7f));
}

// Controller scripts ------------------------------------------------------------------------------------------------------

/**
 * A job has started: what PrologSlurmctld is told. It knows neither the stamp nor the hold, and names no account, so that a
 * job which is not known yet waits for somebody who does instead of getting a hold of nothing.
 */
export function readProlog(raw: RawFacts): SlurmEvent {
  const env = envOf(raw);
  return { type: 'started', at: requiredAt(raw), ...scriptJob(env), ...stampOf(raw), raw };
}

/** What EpilogSlurmctld is told: that a run ended, but not whether the job did. */
export interface EpilogRecord {
  jobId: string;
  task: string;
  restartCount: number;
  /** What it means where the run that ended was begun with that restart count; undefined: nobody has told of its start. */
  read(startedWith: number | undefined): SlurmEvent | undefined;
}

/**
 * On a requeue the epilog sees the restart count of the run to come (measured, 22.05): a higher one than the prolog of the
 * run saw. A count of nothing can only be that of a first run that was the last. The script runs after the end, seconds later
 * where the machine is busy: the record of job completion or the accounting, where there is one, says when it was.
 */
export function readEpilog(raw: RawFacts): EpilogRecord {
  const env = envOf(raw);
  const job = scriptJob(env);
  const at = requiredAt(raw);
  const restartCount = restartCountOf(env);
  const exitCode = readExitStatus(env.SLURM_JOB_EXIT_CODE2) ?? readExitStatus(env.SLURM_JOB_EXIT_CODE);
  return {
    jobId: job.jobId,
    task: job.task ?? '',
    restartCount,
    read(startedWith) {
      if (startedWith === undefined && restartCount > 0) return undefined;
      const isRequeued = startedWith !== undefined && restartCount > startedWith;
      if (isRequeued) return { type: 'requeued', at, atArrival: true, ...job, ...stampOf(raw), raw };
      const endState =
        exitCode === undefined ? undefined : exitCode === 0 ? ('COMPLETED' as const) : ('FAILED' as const);
      return { type: 'ended', at, atArrival: true, ...job, ...stampOf(raw), ...given({ exitCode, endState }), raw };
    },
  };
}

/** Of a prolog's or an epilog's record. */
export const restartCountOf = (env: RawFacts): number =>
  countOf(env.SLURM_RESTART_COUNT ?? env.SLURM_JOB_RESTART_COUNT) ?? 0;

export function envOf(raw: RawFacts): RawFacts {
  const { env } = raw;
  if (typeof env === 'object' && env !== null && !Array.isArray(env)) return { ...env };
  throw malformed('env: is required, the environment of the script as an object');
}

function scriptJob(env: RawFacts): Pick<SlurmEvent, 'jobId' | 'task' | 'seenAccount' | 'user' | 'partition' | 'name'> {
  const id = { job_id: env.SLURM_JOB_ID, array_job_id: env.SLURM_ARRAY_JOB_ID, array_task_id: env.SLURM_ARRAY_TASK_ID };
  return {
    ...arrayOf(id),
    ...given({
      seenAccount: textOf(env.SLURM_JOB_ACCOUNT),
      user: textOf(env.SLURM_JOB_USER),
      partition: textOf(env.SLURM_JOB_PARTITION),
      name: textOf(env.SLURM_JOB_NAME),
    }),
  };
}

function stampOf(raw: RawFacts): Pick<SlurmEvent, 'holdKey'> {
  const holdKey = readStamp(textOf(raw.admin_comment) ?? '');
  return holdKey === undefined ? {} : { holdKey };
}

// What they have in common --------------------------------------------------------------------------------------------------

/** `123` and task `4`; or `123` and all the tasks of it that have not begun, where the record stands for these. */
function arrayOf(raw: RawFacts): Pick<SlurmEvent, 'jobId' | 'task' | 'onlyWaiting'> {
  const own = countOf(raw.job_id);
  if (own === undefined) throw malformed('job_id: is required, a whole number');
  const array = countOf(raw.array_job_id);
  const task = countOf(raw.array_task_id, 'zero');
  if (array === undefined) return { jobId: String(own) };
  if (task !== undefined) return { jobId: String(array), task: String(task) };
  return { jobId: String(array), onlyWaiting: true };
}

const timeOf = (value: unknown): Instant | undefined => readSeconds(countOf(value));

export function requiredAt(raw: RawFacts): Instant {
  const at = timeOf(raw.at);
  if (at === undefined) throw malformed('at: is required, in seconds since 1970');
  return at;
}

/** Slurm's job ids, array lists and state words. */
import { malformed, shorten } from './faults';
import { END_STATES, type EndState } from './job';

/** What a state word says of a job, and who cancelled it, where Slurm says that too. */
export interface SlurmState {
  phase: 'pending' | 'running' | 'suspended' | 'requeued' | 'ended';
  endState?: EndState;
  cancelledBy?: string;
  /** The row is about a size that a job had once: it goes on with another. */
  isResized?: true;
}

const PHASES: Readonly<Record<string, SlurmState['phase'] | EndState>> = {
  PENDING: 'pending',
  CONFIGURING: 'pending',
  RESV_DEL_HOLD: 'pending',
  REQUEUE_HOLD: 'pending',
  REQUEUE_FED: 'pending',
  SPECIAL_EXIT: 'pending',
  RUNNING: 'running',
  COMPLETING: 'running',
  RESIZING: 'running',
  SIGNALING: 'running',
  STAGE_OUT: 'running',
  SUSPENDED: 'suspended',
  STOPPED: 'suspended',
  REQUEUED: 'requeued',
  REVOKED: 'CANCELLED',
  LAUNCH_FAILED: 'FAILED',
  RECONFIG_FAIL: 'NODE_FAIL',
  ...Object.fromEntries(END_STATES.map((state) => [state, state])),
};

/** The two letters of squeue. */
const CODES: Readonly<Record<string, string>> = {
  BF: 'BOOT_FAIL',
  CA: 'CANCELLED',
  CD: 'COMPLETED',
  CF: 'CONFIGURING',
  CG: 'COMPLETING',
  DL: 'DEADLINE',
  F: 'FAILED',
  NF: 'NODE_FAIL',
  OOM: 'OUT_OF_MEMORY',
  PD: 'PENDING',
  PR: 'PREEMPTED',
  R: 'RUNNING',
  RD: 'RESV_DEL_HOLD',
  RF: 'REQUEUE_FED',
  RH: 'REQUEUE_HOLD',
  RQ: 'REQUEUED',
  RS: 'RESIZING',
  RV: 'REVOKED',
  SI: 'SIGNALING',
  SE: 'SPECIAL_EXIT',
  SO: 'STAGE_OUT',
  ST: 'STOPPED',
  S: 'SUSPENDED',
  TO: 'TIMEOUT',
};

/**
 * `COMPLETED`, `CANCELLED by 380693`, `CANCELLED+` and `OUT_OF_ME+` (cut off by sacct's column width), `CD`; a bare exit
 * code, which ASBB's sample epilog sends, is COMPLETED (0) or FAILED.
 */
export function readState(text: string): SlurmState {
  const match = /^([A-Za-z_]{1,32})(\+?)(?:\s+by\s+(\S{1,64}))?$/.exec(text.trim());
  if (!match) {
    if (/^-?\d{1,6}$/.test(text.trim())) {
      return { phase: 'ended', endState: Number(text) === 0 ? 'COMPLETED' : 'FAILED' };
    }
    throw malformed(`"${shorten(text)}" is not a state of a Slurm job; write it like COMPLETED, FAILED or TIMEOUT`);
  }
  const [, written = '', cutOff, cancelledBy] = match;
  const word = CODES[written.toUpperCase()] ?? written.toUpperCase();
  // Cut off, a word must still be one state's only.
  const names = cutOff ? Object.keys(PHASES).filter((known) => known.startsWith(word)) : [word];
  const name = names.length === 1 ? names[0] : undefined;
  const found = name !== undefined && Object.hasOwn(PHASES, name) ? PHASES[name] : undefined;
  if (found === undefined) {
    throw malformed(`"${shorten(text)}" is not a state of a Slurm job; write it like COMPLETED, FAILED or TIMEOUT`);
  }
  const state: SlurmState = isEndState(found)
    ? { phase: 'ended', endState: found }
    : { phase: found, ...(name === 'RESIZING' && { isResized: true }) };
  return cancelledBy === undefined ? state : { ...state, cancelledBy };
}

const isEndState = (word: string): word is EndState => (END_STATES as readonly string[]).includes(word);

/** What a run's record says of its job, where that may go on. Whether it does, of the latter two, only the queue can tell. */
export function closingOf({ phase, endState }: SlurmState): 'requeued' | 'node_failed' | 'preempted' | undefined {
  if (phase === 'requeued') return 'requeued';
  if (endState === 'NODE_FAIL') return 'node_failed';
  return endState === 'PREEMPTED' ? 'preempted' : undefined;
}

/** Whether a list of nodes names any. Slurm gives a job that was cancelled while it waited a start as well, but no node. */
export const namesNodes = (list: string): boolean => !/^(none assigned|none|unknown|\(null\)|n\/a|)$/i.test(list);

/** `16(x2),8`: SLURM_JOB_CPUS_PER_NODE, as the job's total. 0 and nothing mean "not said". */
export function readCpusPerNode(text: string): number | undefined {
  let total = 0;
  for (const part of text.trim() === '' ? [] : text.trim().split(',')) {
    const match = /^(\d{1,7})(?:\(x(\d{1,7})\))?$/.exec(part.trim());
    if (!match) throw malformed(`"${shorten(text)}" is no number of CPUs; write it like 32, or 16(x2),8`);
    total += Number(match[1]) * Number(match[2] ?? 1);
  }
  return total === 0 ? undefined : total;
}

// Job ids -----------------------------------------------------------------------------------------------------------------

/** A job id as Slurm writes it: the base, and what of the job is meant. */
export interface SlurmJobId {
  jobId: string;
  /** `4` of `123_4`, `+1` of `123+1`; '' for the job itself. */
  task: string;
  /** Of an array that has not been split up: how many tasks `123_[1-10%2]` stands for. */
  arrayTasks?: number;
  /** `batch`, `extern`, `0`: a step, whose record is not a run's. */
  step?: string;
}

export function readJobId(text: string): SlurmJobId {
  const match = /^(\d{1,20})(?:_(\d{1,20})|_\[([^[\]]{1,4096})\]|\+(\d{1,9}))?(?:\.([A-Za-z0-9_+]{1,32}))?$/.exec(
    text.trim(),
  );
  if (!match) {
    throw malformed(`"${shorten(text)}" is not a Slurm job id; it looks like 123, 123_4, 123_[1-10] or 123+1`);
  }
  const [, jobId = '', task, tasks, component, step] = match;
  return {
    jobId,
    task: task ?? (component === undefined ? '' : `+${component}`),
    ...(tasks === undefined ? {} : { arrayTasks: readArrayTasks(tasks) }),
    ...(step === undefined ? {} : { step }),
  };
}

/** The same of an id that may be another scheduler's: what does not look like a part of a job is the job itself. */
export function splitJobId(text: string): Pick<SlurmJobId, 'jobId' | 'task'> {
  const match = /^(\d+)(?:_(\d+)|(\+\d+))$/.exec(text);
  const [, jobId = text, task, component] = match ?? [];
  return { jobId, task: task ?? component ?? '' };
}

/**
 * Each component of a heterogeneous job has a hold of its own, so it goes by its own id (`124`, sacct's JobIDRaw), the first by the
 * job's. Where nobody says it, it stays `123+1`. A task of an array goes by the array's.
 */
export function byOwnId(
  { jobId, task }: Pick<SlurmJobId, 'jobId' | 'task'>,
  own: string | undefined,
): Pick<SlurmJobId, 'jobId' | 'task'> {
  if (!task.startsWith('+')) return { jobId, task };
  if (own) return { jobId: readJobId(own).jobId, task: '' };
  return Number(task) === 0 ? { jobId, task: '' } : { jobId, task };
}

/** What a component may be known by as well: Slurm numbers those of one job in a row. */
export const componentIdOf = ({ jobId, task }: Pick<SlurmJobId, 'jobId' | 'task'>): string =>
  String(BigInt(jobId) + BigInt(task.slice(1)));

/** The other way round: `123_4`, `123+1`, `123`. */
export const joinJobId = ({ jobId, task }: Pick<SlurmJobId, 'jobId' | 'task'>): string =>
  task === '' || task.startsWith('+') ? jobId + task : `${jobId}_${task}`;

/** Slurm's own ceiling of MaxArraySize. */
const MOST_TASKS = 4_000_001;

/** How many tasks an array has: `0-15`, `1,3,5-7`, `0-15:4`, `1-10%2` (at most two at a time; still ten). */
export function readArrayTasks(text: string): number {
  const ranges = text
    .trim()
    .replace(/%\d{1,9}$/, '')
    .split(',');
  const tasks = new Set<number>();
  let single = 0;
  for (const range of ranges) {
    const match = /^(\d{1,9})(?:-(\d{1,9})(?::(\d{1,9}))?)?$/.exec(range);
    const [from, to, step] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1]), Number(match?.[3] ?? 1)];
    if (!match || to < from || step < 1 || to >= MOST_TASKS) {
      throw malformed(`"${shorten(text)}" is not a list of array tasks; write it like 0-15, 1,3,5-7 or 0-15:4%2`);
    }
    single = Math.floor((to - from) / step) + 1;
    // One range needs no set; in several, the same task may stand twice.
    if (ranges.length > 1) for (let task = from; task <= to; task += step) tasks.add(task);
  }
  return ranges.length > 1 ? tasks.size : single;
}

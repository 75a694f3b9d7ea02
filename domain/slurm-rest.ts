/**
 * What slurmrestd answers, as rows of a queue. It was written against v0.0.38 and reads what later versions made of it: a
 * state may be a list of words, a number an object `{set, infinite, number}`.
 */
import { Fault, malformed } from './faults';
import { given } from './given';
import { readSize, withSubmissions, type QueuedJob } from './queue';
import { closingOf, namesNodes, readArrayTasks, readState, type SlurmState } from './slurm-job';
import { readStamp } from './slurm-stamp';
import { readSeconds } from './slurm-clock';
import { allocated, onePartition } from './squeue';
import type { Instant } from './time';

export interface RestReading {
  jobs: QueuedJob[];
  /** Jobs that could not be read, and what the daemon says went wrong. */
  faults: string[];
}

/** `GET /slurm/…/jobs`. `now` is the time of the answer, in seconds. */
export const readRestQueue = (answer: unknown, now: number): RestReading => readJobs(answer, (job) => queued(job, now));

/** `GET /slurmdb/…/job/{id}`. */
export const readRestJob = (answer: unknown): RestReading => readJobs(answer, accounted);

/** `GET /slurmdb/…/jobs`: what is over, also where that is only a size of a job that goes on. */
export const readRestHistory = (answer: unknown): RestReading =>
  readJobs(answer, (job) => {
    const { phase, isResized } = accountedState(job);
    return phase === 'ended' || phase === 'requeued' || isResized ? accounted(job) : undefined;
  });

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** "There is none" is an answer; it comes as an error. */
const NOTHING_FOUND = new Set([2017, 9003]);

function readJobs(answer: unknown, read: (job: Json) => QueuedJob | undefined): RestReading {
  if (!isObject(answer)) throw malformed('slurmrestd answered no JSON object');
  const errors = Array.isArray(answer.errors) ? answer.errors.filter(isObject) : [];
  const faults = errors
    .filter((error) => !NOTHING_FOUND.has(Number(error.error_number)))
    .map((error) => `${textOf(error.error) ?? 'error'}: ${textOf(error.description) ?? ''}`.trim());
  if (faults.length === 0 && !Array.isArray(answer.jobs)) faults.push('slurmrestd answered no list of jobs');
  const jobs: QueuedJob[] = [];
  for (const job of Array.isArray(answer.jobs) ? answer.jobs : []) {
    try {
      const row = read(isObject(job) ? job : {});
      if (row) jobs.push(row);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      faults.push(error.message);
    }
  }
  return { jobs: withSubmissions(jobs), faults };
}

function queued(job: Json, now: number): QueuedJob {
  const state = stateOf(job.job_state);
  const phase = state.phase === 'requeued' ? 'pending' : state.phase;
  const submittedAt = required(job.submit_time, job);
  const hasRun = phase !== 'pending' && namesNodes(textOf(job.nodes) ?? '');
  const start = numberOf(job.start_time) ?? 0;
  return {
    ...idOf(job, numberOf(job.array_job_id), numberOf(job.array_task_id), numberOf(job.het_job_id)),
    phase,
    submittedAt,
    ...given({
      endState: state.endState,
      startedAt: hasRun ? timeOf(start) : undefined,
      endedAt: phase === 'ended' ? timeOf(job.end_time) : undefined,
      activeSeconds: hasRun ? activeOf(job, phase, start, now) : undefined,
      account: textOf(job.account),
      user: textOf(job.user_name),
      partition: onePartition(textOf(job.partition) ?? ''),
      stamp: readStamp(textOf(job.admin_comment) ?? ''),
      resources: hasRun ? allocated(textOf(job.tres_alloc_str) ?? '') : undefined,
      timeLimitSeconds: secondsOf(job.time_limit),
    }),
  };
}

/** As Slurm counts it: until the last suspension, and from when it was resumed. */
function activeOf(job: Json, phase: QueuedJob['phase'], start: number, now: number): number | undefined {
  const before = numberOf(job.pre_sus_time) ?? 0;
  const since = numberOf(job.suspend_time) ?? 0;
  if (phase === 'suspended') return before;
  const until = phase === 'ended' ? (numberOf(job.end_time) ?? 0) : now;
  const active = since > 0 ? before + until - since : until - start;
  return active < 0 ? undefined : active;
}

const accountedState = (job: Json): SlurmState => stateOf(isObject(job.state) ? job.state.current : undefined);

function accounted(job: Json): QueuedJob | undefined {
  const time = isObject(job.time) ? job.time : {};
  const state = accountedState(job);
  const [array, het] = [isObject(job.array) ? job.array : {}, isObject(job.het) ? job.het : {}];
  // An array that has not been split up is listed with the tasks that it had at first.
  if (textOf(array.task) !== undefined && numberOf(array.task_id) === undefined) return undefined;
  const hasRun = state.phase !== 'pending' && namesNodes(textOf(job.nodes) ?? '');
  const phase = state.phase === 'requeued' ? 'ended' : state.phase;
  const [start, end] = [numberOf(time.start) ?? 0, numberOf(time.end) ?? 0];
  const isOver = phase === 'ended' && end > 0;
  const tres = isObject(job.tres) && Array.isArray(job.tres.allocated) ? job.tres.allocated.filter(isObject) : [];
  const comment = isObject(job.comment) ? textOf(job.comment.administrator) : undefined;
  return {
    ...idOf(job, numberOf(array.job_id), numberOf(array.task_id), numberOf(het.job_id)),
    phase,
    ...readSize(required(time.submission, job), hasRun ? timeOf(start) : undefined, state),
    ...given({
      endState: state.endState,
      // It gives names, of which only root's is a uid that is known.
      cancelledBy: job.kill_request_user === 'root' && job.user !== 'root' ? '0' : undefined,
      closing: closingOf(state),
      startedAt: hasRun ? timeOf(start) : undefined,
      endedAt: isOver ? timeOf(end) : undefined,
      activeSeconds: hasRun && isOver ? (numberOf(time.elapsed) ?? end - start) : undefined,
      account: textOf(job.account),
      user: textOf(job.user),
      partition: onePartition(textOf(job.partition) ?? ''),
      stamp: readStamp(comment ?? ''),
      resources: hasRun ? allocated(tres.flatMap(tresPart).join(',')) : undefined,
      timeLimitSeconds: secondsOf(time.limit),
    }),
  };
}

/** `{type: "gres", name: "gpu:a100", count: 2}`; memory is in MiB. */
function tresPart({ type, name, count }: Json): string[] {
  const [kind, amount] = [textOf(type), numberOf(count)];
  if (kind === undefined || amount === undefined) return [];
  const full = textOf(name) === undefined ? kind : `${kind}/${textOf(name)}`;
  return [`${full}=${amount}${kind === 'mem' ? 'M' : ''}`];
}

function idOf(
  job: Json,
  array: number | undefined,
  task: number | undefined,
  leader: number | undefined,
): Pick<QueuedJob, 'jobId' | 'task' | 'arrayTasks'> {
  const own = numberOf(job.job_id);
  if (own === undefined || own <= 0) throw malformed('slurmrestd answered a job without an id');
  // Each component of a heterogeneous job has a hold of its own, so it goes by its own id.
  if (leader !== undefined && leader > 0) return { jobId: String(own), task: '' };
  if (array === undefined || array === 0) return { jobId: String(own), task: '' };
  if (task !== undefined) return { jobId: String(array), task: String(task) };
  const waiting = textOf(job.array_task_string);
  return {
    jobId: String(array),
    task: '',
    ...given({ arrayTasks: waiting === undefined ? undefined : readArrayTasks(waiting) }),
  };
}

function stateOf(value: unknown): SlurmState {
  // Flags (COMPLETING, REQUEUED) follow the state; one that says that it waits again, or of what time the row is, goes before.
  const words = (Array.isArray(value) ? value : [value]).map(textOf).filter((word) => word !== undefined);
  const [word = ''] = words.includes('RESIZING') ? ['RESIZING'] : words;
  return words.includes('REQUEUED') && words.length > 1 ? { phase: 'pending' } : readState(word);
}

function required(value: unknown, job: Json): Instant {
  const at = timeOf(value);
  if (at === undefined) throw malformed(`slurmrestd does not say when job ${numberOf(job.job_id)} was submitted`);
  return at;
}

const timeOf = (value: unknown): Instant | undefined => readSeconds(numberOf(value));

const secondsOf = (minutes: unknown): number | undefined => {
  const count = numberOf(minutes);
  return count === undefined || count <= 0 || count >= 4_294_967_294 ? undefined : count * 60;
};

function numberOf(value: unknown): number | undefined {
  if (isObject(value)) return value.set === false || value.infinite === true ? undefined : numberOf(value.number);
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/**
 * Records of an accounting log as the jobs that were submitted: rows of one array, of one heterogeneous job, and of one job that
 * was requeued or resized belong together, for one check asked for all of them and one hold paid for them.
 */
import type { Resources } from './job';
import { eventsOfRun, joinSizes, type JoinedRecord } from './resized-jobs';
import type { SacctEvent, SacctRecord } from './sacct';
import { epochMicros } from './time';

export interface LoggedComponent {
  partition: string;
  resources: Resources;
  wallSeconds: number | undefined;
  unlimited: boolean;
}

export interface LoggedJob {
  /** Its place in the log, from 1; part of its idempotency key. */
  number: number;
  cluster: string;
  jobId: string;
  account: string;
  user: string | undefined;
  name: string | undefined;
  submittedAt: string;
  arrayTasks: number;
  /** One, but for heterogeneous jobs. */
  components: LoggedComponent[];
  /** What happened after it was submitted, in order. */
  events: SacctEvent[];
  /** The log says how it ended; a job that was still running when the log was written has no end. */
  isOver: boolean;
}

/** `cluster`: for records that name none. */
export function jobsOf(records: readonly SacctRecord[], cluster: string): LoggedJob[] {
  const sorted = [...records].sort(
    (a, b) => ascending(epochMicros(a.submittedAt), epochMicros(b.submittedAt)) || a.line - b.line,
  );
  return groupByJob(joinSizes(sorted, cluster), cluster).map((rows, index) => jobOf(rows, index + 1, cluster));
}

const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

/** Ends after which Slurm runs a job again under the same id, with the moment of requeueing as its new submit time. */
const runsAgain = (record: SacctRecord): boolean =>
  record.state.phase === 'requeued' || record.state.endState === 'NODE_FAIL' || record.state.endState === 'PREEMPTED';

/** Slurm sets the new submit time a second or so after the end. */
const REQUEUED_WITHIN_MICROS = 5_000_000n;

function groupByJob(records: readonly JoinedRecord[], cluster: string): JoinedRecord[][] {
  const groups = new Map<string, JoinedRecord[]>();
  const latest = new Map<string, JoinedRecord[]>();
  for (const record of records) {
    const id = `${record.cluster ?? cluster}/${record.id.jobId}`;
    const task = `${id}/${record.id.task}`;
    const before = latest.get(task)?.at(-1);
    const known = before && isRequeueOf(before, record) ? latest.get(task) : groups.get(`${id}/${record.submittedAt}`);
    const group = known ?? [];
    group.push(record);
    if (!known) groups.set(`${id}/${record.submittedAt}`, group);
    latest.set(task, group);
  }
  return [...groups.values()];
}

function isRequeueOf(before: SacctRecord, record: SacctRecord): boolean {
  if (!runsAgain(before) || before.endedAt === undefined || before.id.task !== record.id.task) return false;
  const gap = epochMicros(record.submittedAt) - epochMicros(before.endedAt);
  return gap >= -REQUEUED_WITHIN_MICROS && gap <= REQUEUED_WITHIN_MICROS;
}

function jobOf(rows: readonly JoinedRecord[], number: number, cluster: string): LoggedJob {
  const first = rows[0] as JoinedRecord;
  const tasks = new Map<string, JoinedRecord[]>();
  for (const row of rows) tasks.set(row.id.task, [...(tasks.get(row.id.task) ?? []), row]);
  const isHeterogeneous = [...tasks.keys()].some((task) => task.startsWith('+'));
  const named = [...tasks.keys()].filter((task) => task !== '').length;
  const unnamed = rows.reduce((sum, row) => sum + (row.id.arrayTasks ?? 0), 0);
  const events = [...tasks.values()].flatMap((ofTask) => eventsOfTask(ofTask, first.submittedAt));
  events.sort((a, b) => ascending(epochMicros(a.at), epochMicros(b.at)));
  return {
    number,
    cluster: first.cluster ?? cluster,
    jobId: first.id.jobId,
    account: first.account ?? '',
    user: first.user,
    name: first.name,
    submittedAt: first.submittedAt,
    arrayTasks: isHeterogeneous ? 1 : Math.max(1, named + unnamed),
    components: (isHeterogeneous ? [...tasks.values()].map(([row]) => row as SacctRecord) : [first]).map(componentOf),
    events,
    isOver: [...tasks.values()].every((ofTask) => isOver(ofTask.at(-1) as SacctRecord)),
  };
}

const isOver = (record: SacctRecord): boolean => record.state.phase === 'ended' && record.endedAt !== undefined;

/** Of one task: all but its submission, and a requeue where it ran again. */
function eventsOfTask(rows: readonly JoinedRecord[], submittedAt: string): SacctEvent[] {
  return rows.flatMap((row, index) =>
    eventsOfRun(row)
      .filter(({ type }) => type !== 'submitted')
      .map((event) => ({
        ...event,
        submittedAt,
        ...(event.type === 'ended' && index < rows.length - 1 ? { type: 'requeued' as const } : {}),
      })),
  );
}

const componentOf = (row: SacctRecord): LoggedComponent => ({
  partition: row.partition ?? '',
  resources: askedFor(row),
  wallSeconds: row.timeLimit.wallSeconds,
  unlimited: row.timeLimit.unlimited,
});

/**
 * What was asked for. Older Slurms leave GPUs and memory out of ReqTRES although they were asked for; they stand in
 * AllocTRES, and a hold that knew nothing of them would be far too small.
 */
function askedFor({ requested, allocated }: SacctRecord): Resources {
  const gpus = requested.gpus > 0 ? requested : allocated;
  return {
    ...requested,
    gpus: gpus.gpus,
    gpusByModel: gpus.gpusByModel,
    memoryMib: requested.memoryMib > 0 ? requested.memoryMib : allocated.memoryMib,
  };
}

/** Ends of other jobs come before a submission of the same second: their money is free by then. */
const RANK: Readonly<Record<SacctEvent['type'], number>> = {
  ended: 0,
  cancelled: 0,
  requeued: 0,
  submitted: 1,
  started: 2,
  resized: 2,
  suspended: 2,
  resumed: 2,
};
const AFTER_ITS_BEGINNING = 3;

/** The place of an event, or of the submission, among what happens in the same instant; the lower is the earlier. */
export function rankOf(job: LoggedJob, event: SacctEvent | undefined): number {
  if (event === undefined) return RANK.submitted;
  // But not before its own submission, or start: some jobs live for less than a second.
  const began = event.startedAt ?? job.submittedAt;
  const isAtOnce = event.type !== 'started' && epochMicros(event.at) === epochMicros(began);
  return isAtOnce ? AFTER_ITS_BEGINNING : RANK[event.type];
}

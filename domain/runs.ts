/**
 * What recorded events say about a job's runs: when each began and ended, when it was suspended, with what resources.
 *
 * Everything here is a function of the *set* of events. Schedulers repeat themselves, are late, and are read from spools in
 * any order, so the order of arrival decides nothing (it decides only which of two reported costs came first).
 */
import { keptWhileSuspended, type EndState, type EventFacts, type JobEventType, type Resources } from './job';

/** Times are microseconds since 1970. */
export interface RunEvent extends EventFacts {
  eventNo: bigint;
  type: JobEventType;
  jobId: string;
  /** The hold that the event's job is bound to. */
  holdNo: bigint;
  submittedAt?: bigint;
  /** Array task ('4'), heterogeneous component ('+1'), '' for the job itself. */
  task: string;
  at: bigint;
  recordedAt: bigint;
  startedAt?: bigint;
  /** A cost that somebody reconciled by hand: with it the run is over, whatever else is known. */
  final?: boolean;
}

/** One task of a job from submit to end; it runs once, or again after each requeue. */
export interface Task {
  jobId: string;
  /** '' for a job that is no array. */
  task: string;
  runs: Run[];
  /** Ended for good: no run goes on and none will follow. */
  isOver: boolean;
  /** It ran, and waits to run again. */
  waitsAgain: boolean;
  /** A run of it has ended, and the scheduler has been heard to have it again: it waits once more, or the next run goes on. */
  isBack: boolean;
  /** Suspended at this moment. */
  isSuspended: boolean;
  timeLimitSeconds?: number;
  resources?: Resources;
  /** The latest time that its events speak of, and when the latest of them arrived. */
  spokenOfAt?: bigint;
  heardAt?: bigint;
}

export interface Run {
  jobId: string;
  task: string;
  submittedAt?: bigint;
  /** Undefined: it ended, or its cost was reported, and nobody has said when it began. */
  startedAt?: bigint;
  /** Every start that was reported for it: the scheduler's clock and its accounting differ by seconds. */
  starts: bigint[];
  startHeardAt?: bigint;
  endedAt?: bigint;
  endHeardAt?: bigint;
  endState?: EndState;
  /** Ends that were taken for its own until somebody said when it ended, and the event that said so. */
  guessedEnds: bigint[];
  endToldBy?: bigint;
  /** Every record of its end. The first says when that was; any of them may say why. */
  ends: RunEvent[];
  /** Nobody has said when it ended, but a later run of the task began then. */
  supersededAt?: bigint;
  supersededHeardAt?: bigint;
  suspensions: Interval[];
  /** Suspended time known only as a sum. */
  suspendedSeconds: number;
  /** The resources from each moment on; before the first, those that were asked for. */
  resources: { from: bigint; resources: Resources }[];
  /** The accounting's word for a size that it had, and since when: the latest event that says so. */
  sizeToldBy?: bigint;
  /** Costs reported for it, in order of arrival. */
  costs: ReportedCost[];
}

export interface Interval {
  from: bigint;
  /** Undefined: still going on. */
  to?: bigint;
}

export interface ReportedCost {
  eventNo: bigint;
  numeral: string;
  isCorrection: boolean;
  isFinal: boolean;
  at: bigint;
}

/** Two clocks tell of the same moment up to this far apart: a hook's, and that of the scheduler's accounting. */
export const CLOCKS_APART_MICROS = 60_000_000n;

const CLOSING: readonly JobEventType[] = ['ended', 'cancelled', 'requeued', 'preempted', 'node_failed'];
const RUNS_AGAIN: readonly JobEventType[] = ['requeued', 'preempted', 'node_failed'];
const FINAL: readonly JobEventType[] = ['ended', 'cancelled'];
const END_STATES_WITHOUT_A_RUN: readonly (EndState | undefined)[] = ['CANCELLED', 'DEADLINE', 'BOOT_FAIL'];
const STATE_BY_TYPE: Partial<Record<JobEventType, EndState>> = {
  cancelled: 'CANCELLED',
  preempted: 'PREEMPTED',
  node_failed: 'NODE_FAIL',
};

/** Reads one task from its own events and those that concern all tasks of its job. */
export function readTask(jobId: string, task: string, events: readonly RunEvent[]): Task {
  const told = [...events].sort(byTime);
  const runs = runsOf(jobId, task, told);
  const sorted = told.map((event) => endAfterStart(event, runs, told)).sort(byTime);
  closeRuns(runs, sorted);
  const lone = runWithoutStart(jobId, task, sorted, runs);
  if (lone) runs.push(lone);
  for (const run of runs) {
    run.suspensions = suspensionsOf(run, sorted);
    run.suspendedSeconds = unplacedSuspension(run, sorted);
    run.resources = resourcesOf(run, sorted);
    const sizes = sorted.filter((event) => event.type === 'resized' && isOfRun(run, event));
    if (sizes.length > 0) run.sizeToldBy = latest(sizes.map(({ eventNo }) => eventNo));
  }
  assignCosts(runs, sorted, jobId, task);

  const last = runs.at(-1);
  const lastFinal = sorted.findLast((event) => FINAL.includes(event.type) && !isOnlyOfItsRun(event, runs, sorted));
  const isFinal = runs.some(({ costs }) => costs.some(({ isFinal }) => isFinal));
  const goesOnAfter = ({ at, submittedAt }: RunEvent) =>
    runs.some(({ startedAt }) => startedAt !== undefined && startedAt > at) ||
    sorted.some(
      (event) =>
        (event.type === 'requeued' && event.at >= at) ||
        (isSubmission(event) && event.submittedAt !== submittedAt && event.at > at),
    );
  const isOver = isFinal || (lastFinal !== undefined && !goesOnAfter(lastFinal));
  const open = last !== undefined && last.startedAt !== undefined && last.endedAt === undefined;
  const limit = sorted.findLast(({ timeLimitSeconds }) => timeLimitSeconds !== undefined)?.timeLimitSeconds;
  const asked = sorted.findLast(({ type, resources }) => resources && (type === 'resized' || type === 'submitted'));
  const heard = sorted.map(({ recordedAt }) => recordedAt);
  return {
    jobId,
    task,
    runs,
    isOver,
    waitsAgain: !isOver && runs.length > 0 && !open,
    isBack:
      !isOver && (open ? runs.length > 1 : last !== undefined && sorted.some((event) => isAgainAfter(last, event))),
    isSuspended: open && !isOver && (last?.suspensions.at(-1) ?? { to: 0n }).to === undefined,
    ...(limit === undefined ? {} : { timeLimitSeconds: limit }),
    ...(asked?.resources ? { resources: asked.resources } : {}),
    ...(sorted.length > 0 ? { spokenOfAt: latest(sorted.map(({ at }) => at)), heardAt: latest(heard) } : {}),
  };
}

/**
 * An end that was only guessed (by an epilog, which is told of none but its run) is not that of the job where somebody who knows
 * says that the run ended in a way after which it may be run again.
 */
function isOnlyOfItsRun(event: RunEvent, runs: readonly Run[], events: readonly RunEvent[]): boolean {
  if (event.atArrival !== true) return false;
  const toldBy = runOf(runs, event)?.endToldBy;
  const told = events.find(({ eventNo }) => eventNo === toldBy);
  return told !== undefined && RUNS_AGAIN.includes(told.type);
}

/** The scheduler stamps what is requeued with the time of the requeue: it is the submission of the same job once more. */
const isSubmission = ({ type, at, submittedAt }: RunEvent): boolean => type === 'submitted' && submittedAt === at;

const isAgainAfter = ({ endedAt, submittedAt }: Run, event: RunEvent): boolean =>
  endedAt !== undefined && isSubmission(event) && event.submittedAt !== submittedAt && event.at >= endedAt;

/** A time within a run in which nothing changed. Unknown resources stay undefined. */
export interface Slice {
  from: bigint;
  to: bigint;
  resources: Resources | undefined;
  isSuspended: boolean;
}

/** The times within a run, up to `until`, in which it had resources, and which: while it is suspended, those that it keeps. */
export function slicesOf(run: Run, until: bigint, asked: Resources | undefined): Slice[] {
  const { startedAt } = run;
  if (startedAt === undefined || until <= startedAt) return [];
  const edges = new Set<bigint>([startedAt, until]);
  for (const { from } of run.resources) edges.add(from);
  for (const { from, to } of run.suspensions) edges.add(from).add(to ?? until);
  const inside = [...edges].filter((edge) => startedAt <= edge && edge <= until).sort(ascending);
  return inside.slice(1).flatMap((to, index): Slice[] => {
    const from = inside[index] as bigint;
    const resources = run.resources.findLast((change) => change.from <= from)?.resources ?? asked;
    const isSuspended = run.suspensions.some((pause) => pause.from <= from && to <= (pause.to ?? until));
    if (!isSuspended) return [{ from, to, resources, isSuspended }];
    const kept = resources && keptWhileSuspended(resources);
    return kept && (kept.gpus > 0 || kept.memoryMib > 0) ? [{ from, to, resources: kept, isSuspended }] : [];
  });
}

/** Seconds that a run has used up to `until`, suspended time left out. */
export function runSeconds(run: Run, until: bigint): number {
  const micros = slicesOf(run, until, undefined)
    .filter(({ isSuspended }) => !isSuspended)
    .reduce((sum, { from, to }) => sum + to - from, 0n);
  return Math.max(0, Number(micros / 1_000_000n) - run.suspendedSeconds);
}

// Starts ----------------------------------------------------------------------------------------------------------------

interface Start {
  at: bigint;
  heardAt: bigint;
  /** From the record of an end, which is the scheduler's accounting. */
  isAccounted: boolean;
  submittedAt: bigint | undefined;
}

/**
 * Each start is a run. Two reports of a start a few seconds apart are one, unless the accounting knows both, or the task
 * was requeued in between: the prolog's clock, and a start stamped on arrival, lag behind the scheduler's.
 */
function runsOf(jobId: string, task: string, events: readonly RunEvent[]): Run[] {
  const groups: Start[][] = [];
  for (const start of startsOf(events)) {
    const group = groups.at(-1);
    if (group && isSameStart(group, start, events)) group.push(start);
    else groups.push([start]);
  }
  return groups.map((group, index) => {
    const accounted = group.find(({ isAccounted }) => isAccounted) ?? (group[0] as Start);
    const next = groups[index + 1]?.[0];
    const submittedAt = group.find((start) => start.submittedAt !== undefined)?.submittedAt;
    return {
      jobId,
      task,
      ...(submittedAt === undefined ? {} : { submittedAt }),
      startedAt: accounted.at,
      starts: group.map(({ at }) => at),
      ends: [],
      startHeardAt: group.map(({ heardAt }) => heardAt).reduce(lesser),
      guessedEnds: [],
      ...(next ? { supersededAt: next.at, supersededHeardAt: next.heardAt } : {}),
      suspensions: [],
      suspendedSeconds: 0,
      resources: [],
      costs: [],
    };
  });
}

function startsOf(events: readonly RunEvent[]): Start[] {
  const starts = new Map<bigint, Start>();
  for (const { type, at, startedAt, recordedAt, submittedAt } of events) {
    const began = type === 'started' ? (startedAt ?? at) : startedAt;
    if (began === undefined) continue;
    const known = starts.get(began);
    starts.set(began, {
      at: began,
      heardAt: known ? lesser(known.heardAt, recordedAt) : recordedAt,
      isAccounted: (known?.isAccounted ?? false) || CLOSING.includes(type),
      submittedAt: known?.submittedAt ?? submittedAt,
    });
  }
  return [...starts.values()].sort((a, b) => ascending(a.at, b.at));
}

function isSameStart(group: readonly Start[], start: Start, events: readonly RunEvent[]): boolean {
  const first = group[0] as Start;
  if (start.at - first.at > CLOCKS_APART_MICROS) return false;
  if (start.isAccounted && group.some(({ isAccounted }) => isAccounted)) return false;
  const isBetween = (event: RunEvent) =>
    RUNS_AGAIN.includes(event.type) &&
    first.at < event.at &&
    event.at <= start.at &&
    !isOfTheRequeued(group, start, event);
  return !events.some(isBetween);
}

/**
 * Told by the prolog of a run that began a moment before and was requeued in the second in which it was told: what runs again has
 * another submit time.
 */
function isOfTheRequeued(group: readonly Start[], start: Start, requeue: RunEvent): boolean {
  if (requeue.at !== start.at || start.isAccounted || !group.some(({ isAccounted }) => isAccounted)) return false;
  return start.submittedAt !== undefined && start.submittedAt === requeue.submittedAt;
}

// Ends ------------------------------------------------------------------------------------------------------------------

/** No run ends before it starts: an end that was told by a slower clock than its start is moved there. */
function endAfterStart(event: RunEvent, runs: readonly Run[], events: readonly RunEvent[]): RunEvent {
  if (!CLOSING.includes(event.type)) return event;
  const run = event.startedAt === undefined ? runSoonAfter(event, runs, events) : runOf(runs, event);
  return run?.startedAt !== undefined && event.at < run.startedAt ? { ...event, at: run.startedAt } : event;
}

/**
 * The run that began so soon after an end that only their clocks can have it so: no run before it lacks an end or may have
 * had this one told twice, no requeue lies between, and no later end fits it better.
 */
function runSoonAfter(end: RunEvent, runs: readonly Run[], events: readonly RunEvent[]): Run | undefined {
  if (!FINAL.includes(end.type)) return undefined;
  const index = runs.findIndex(({ starts }) => starts.every((start) => start > end.at));
  const run = runs[index];
  const start = run?.starts.reduce(lesser);
  if (!run || start === undefined || start - end.at > CLOCKS_APART_MICROS) return undefined;
  if (events.some(({ type, at }) => RUNS_AGAIN.includes(type) && end.at <= at && at <= start)) return undefined;
  const endsOf = (other: Run) => events.filter((event) => CLOSING.includes(event.type) && runOf(runs, event) === other);
  if (endsOf(run).length > 0) return undefined;
  const before = runs[index - 1];
  return !before || endsOf(before).some(({ at }) => end.at - at > CLOCKS_APART_MICROS) ? run : undefined;
}

function closeRuns(runs: Run[], events: readonly RunEvent[]): void {
  const ends = events.filter(({ type }) => CLOSING.includes(type));
  const isGuess = ({ atArrival }: RunEvent) => atArrival === true;
  for (const event of [...ends.filter((end) => !isGuess(end)), ...ends.filter(isGuess)]) {
    const run = runOf(runs, event);
    if (!run) continue;
    if (isGuess(event)) run.guessedEnds.push(event.at);
    if (run.endedAt === undefined || isSameEnd(run.endedAt, event)) run.ends.push(event);
    // Sorted by time: the first record of an end wins, a finished job that is requeued does not get longer.
    if (run.endedAt !== undefined) continue;
    if (!isGuess(event)) run.endToldBy = event.eventNo;
    const endState = event.endState ?? STATE_BY_TYPE[event.type];
    run.endedAt = event.at < (run.startedAt ?? event.at) ? (run.startedAt ?? event.at) : event.at;
    run.endHeardAt = event.recordedAt;
    if (endState) run.endState = endState;
  }
}

/** A second record of an end: it names the run, or tells of the same moment (a wait that was cancelled then is not the run). */
function isSameEnd(endedAt: bigint, { type, endState = STATE_BY_TYPE[type], at, startedAt }: RunEvent): boolean {
  if (startedAt !== undefined) return true;
  return at - endedAt <= CLOCKS_APART_MICROS && endState !== undefined && endState !== 'CANCELLED';
}

/** The run that an event is about: the one it names, else the latest that had begun by then. */
function runOf(runs: readonly Run[], event: RunEvent): Run | undefined {
  if (event.startedAt !== undefined) return runs.find(({ starts }) => starts.includes(event.startedAt as bigint));
  return runs.findLast(({ starts }) => starts.some((start) => start <= event.at));
}

/** A job that ended although nobody said when it had begun. One that was cancelled then never ran. */
function runWithoutStart(
  jobId: string,
  task: string,
  events: readonly RunEvent[],
  runs: readonly Run[],
): Run | undefined {
  if (runs.length > 0) return undefined;
  const end = events.find(({ type, endState }) => type === 'ended' && !END_STATES_WITHOUT_A_RUN.includes(endState));
  if (!end) return undefined;
  return {
    jobId,
    task,
    ...(end.submittedAt === undefined ? {} : { submittedAt: end.submittedAt }),
    starts: [],
    endedAt: end.at,
    endHeardAt: end.recordedAt,
    guessedEnds: [],
    ...(end.endState ? { endState: end.endState } : {}),
    ends: [end],
    suspensions: [],
    suspendedSeconds: 0,
    resources: [],
    costs: [],
  };
}

// What happened within a run ----------------------------------------------------------------------------------------------

function suspensionsOf(run: Run, events: readonly RunEvent[]): Interval[] {
  const { startedAt } = run;
  if (startedAt === undefined) return [];
  const until = run.endedAt ?? run.supersededAt;
  const intervals: Interval[] = [];
  let since: bigint | undefined;
  for (const { type, at } of events) {
    if (at < startedAt || (until !== undefined && at > until)) continue;
    if (type === 'suspended') since ??= at;
    if (type === 'resumed' && since !== undefined) {
      if (since < at) intervals.push({ from: since, to: at });
      since = undefined;
    }
  }
  if (since !== undefined && since !== until) {
    intervals.push({ from: since, ...(until === undefined ? {} : { to: until }) });
  }
  return intervals;
}

/** What the record of the end counts as suspended beyond the suspensions whose times are known. */
function unplacedSuspension(run: Run, events: readonly RunEvent[]): number {
  const end = events.find((event) => event.suspendedSeconds !== undefined && isAbout(run, event));
  const placed = run.suspensions.reduce((sum, { from, to }) => sum + ((to ?? from) - from), 0n);
  return Math.max(0, (end?.suspendedSeconds ?? 0) - Number(placed / 1_000_000n));
}

const isAbout = (run: Run, event: RunEvent): boolean =>
  event.startedAt === undefined ? event.at === run.endedAt : run.starts.includes(event.startedAt);

const isOfRun = ({ starts }: Run, { startedAt }: RunEvent): boolean =>
  startedAt !== undefined && starts.includes(startedAt);

/** From the start with what it started with (or, where only its end tells, with what it ended with); then as resized. */
function resourcesOf(run: Run, events: readonly RunEvent[]): Run['resources'] {
  const { startedAt } = run;
  if (startedAt === undefined) return [];
  const until = run.endedAt ?? run.supersededAt;
  const changes: Run['resources'] = [];
  const start = events.find(({ type, resources, ...event }) => {
    return type === 'started' && resources !== undefined && run.starts.includes(event.startedAt ?? event.at);
  });
  for (const { type, at, resources, startedAt: ofRun } of events) {
    if (type !== 'resized' || !resources || (until !== undefined && at >= until)) continue;
    // The accounting says of which run it is.
    if (ofRun !== undefined && !run.starts.includes(ofRun)) continue;
    if (at <= startedAt) changes.splice(0, changes.length, { from: startedAt, resources });
    else changes.push({ from: at, resources });
  }
  if (start?.resources) changes.unshift({ from: startedAt, resources: start.resources });
  const isResized = changes.some(({ from }) => from > startedAt);
  const end = events.find((event) => CLOSING.includes(event.type) && event.resources && isAbout(run, event));
  if (end?.resources && !isResized) return [{ from: startedAt, resources: end.resources }];
  return changes;
}

// Costs -----------------------------------------------------------------------------------------------------------------

/** Gives each reported cost to the run that it is for. A job of which nothing else is known gets a run for it. */
function assignCosts(runs: Run[], events: readonly RunEvent[], jobId: string, task: string): void {
  // Also the record of an end may say what the run cost.
  const reports = events.filter((event) => event.cost !== undefined);
  for (const event of reports.sort((a, b) => ascending(a.eventNo, b.eventNo))) {
    let run = runOf(runs, event) ?? runs[0];
    if (!run) {
      run = {
        jobId,
        task,
        starts: [],
        ends: [],
        guessedEnds: [],
        suspensions: [],
        suspendedSeconds: 0,
        resources: [],
        costs: [],
      };
      if (event.submittedAt !== undefined) run.submittedAt = event.submittedAt;
      runs.push(run);
    }
    run.costs.push({
      eventNo: event.eventNo,
      numeral: event.cost as string,
      isCorrection: event.correction ?? false,
      isFinal: event.final ?? false,
      at: event.at,
    });
  }
}

// Order -----------------------------------------------------------------------------------------------------------------

const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
const lesser = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const latest = (times: readonly bigint[]): bigint => times.reduce((a, b) => (a > b ? a : b));

/** By time, then by what the events say, so that their order of arrival changes nothing. */
function byTime(a: RunEvent, b: RunEvent): number {
  return ascending(a.at, b.at) || compareText(contentOf(a), contentOf(b));
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const contentOf = ({ eventNo: _no, recordedAt: _at, ...content }: RunEvent): string =>
  JSON.stringify(Object.entries(content).sort(), (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );

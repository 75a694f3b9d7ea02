/**
 * Which events are whose: the tasks of each hold of a story. An ordinary hold has one job, or an array of tasks, or several
 * jobs that were given the same key; the holds of a heterogeneous job follow their leader's events and their own.
 */
import type { Resources } from './job';
import type { CostSource } from './policy';
import { readTask, type ReportedCost, type RunEvent, type Task } from './runs';

export interface StoryHold {
  holdNo: bigint;
  holdId: string;
  status: 'open' | 'settled' | 'released';
  late: boolean;
  /** Closed by somebody else than its story. */
  closedByHand: boolean;
  overdueAt?: bigint;
  effectiveAt: bigint;
  placedAt: bigint;
  costSource: CostSource;
  /** What was asked for; unknown where the job had no check. */
  resources?: Resources;
  wallSeconds?: number;
  arrayTasks: number;
}

/** One hold of a story, and what the events say of its tasks. */
export interface Strand {
  hold: StoryHold;
  tasks: Task[];
  events: readonly RunEvent[];
  /** Costs for all of its tasks together. */
  wholeCosts: ReportedCost[];
  /** How many tasks its array has: as many as were asked for, unless some of them are gone. */
  arrayTasks: number;
  isOver: boolean;
  /** Runs that the hold has still to pay for. */
  unfinished: number;
  /** The latest time that is spoken of, and when the latest news arrived; at first those of the hold. */
  spokenOfAt: bigint;
  heardAt: bigint;
}

export function readStrand(holds: readonly StoryHold[], told: readonly RunEvent[], index: number): Strand {
  const hold = holds[index] as StoryHold;
  const leader = holds[0] as StoryHold;
  const events = told.filter((event) => !isAskedForAnew(holds, event));
  const own = events.filter(({ holdNo }) => holdNo === hold.holdNo);
  if (holds.length === 1) return ordinaryStrand(hold, own);

  // A component is heard of under an id of its own, or as +n of the leader's job; what the leader does, all do.
  const isOwnJob = index > 0 && own.length > 0;
  const source = isOwnJob ? own : events.filter(({ holdNo }) => holdNo === leader.holdNo);
  const label = isOwnJob || index === 0 ? '' : `+${index}`;
  const mine = source.filter(({ task, type }) =>
    task === '' ? isOwnJob || type !== 'cost' : task === `+${index}` || isOwnJob,
  );
  const resized = mine.map((event) =>
    // Neither the resources nor the cost of the whole job are those of one component.
    event.task === '' && !isOwnJob ? ofTheWhole(event) : event,
  );
  const jobId = source[0]?.jobId;
  const tasks = jobId === undefined ? [] : [readTask(jobId, label, resized)];
  const wholeCosts = index === 0 ? costsOf(own.filter(({ task }) => task === '')) : [];
  const isOver = tasks.length > 0 && tasks.every((task) => task.isOver);
  const { arrayTasks } = hold;
  const unfinished = isOver ? 0 : 1;
  return { hold, tasks, events: mine, wholeCosts, arrayTasks, isOver, unfinished, ...latestNews(hold, tasks) };
}

/** A change from before its hold was placed: whoever asked for the hold asked for the job as it was by then. */
function isAskedForAnew(holds: readonly StoryHold[], { type, holdNo, recordedAt, arrayTasks }: RunEvent): boolean {
  if (type !== 'resized' || arrayTasks !== undefined) return false;
  const hold = holds.find((each) => each.holdNo === holdNo);
  return hold !== undefined && !hold.late && recordedAt < hold.placedAt;
}

function ordinaryStrand(hold: StoryHold, events: readonly RunEvent[]): Strand {
  const tasks: Task[] = [];
  const wholeCosts: ReportedCost[] = [];
  let endsAsAWhole = false;
  for (const [jobId, ofJob] of groupBy(events, ({ jobId }) => jobId)) {
    const byTask = groupBy(ofJob, ({ task }) => task);
    const common = byTask.get('') ?? [];
    byTask.delete('');
    if (byTask.size === 0) {
      tasks.push(readTask(jobId, '', common));
      endsAsAWhole = true;
      continue;
    }
    // What is said of the array is said of each task, but for its cost, and for a start (an array has none).
    const shared = withoutCosts(common).filter(({ type }) => type !== 'started');
    for (const [task, ofTask] of byTask) {
      const hasBegun = ofTask.some(({ type, startedAt }) => type === 'started' || startedAt !== undefined);
      tasks.push(readTask(jobId, task, [...ofTask, ...shared.filter(({ onlyWaiting }) => !(onlyWaiting && hasBegun))]));
    }
    if (common.some(({ type }) => type === 'started')) tasks.push(readTask(jobId, '', withoutCosts(common)));
    wholeCosts.push(...costsOf(common));
    endsAsAWhole ||= shared.some(({ type }) => type === 'ended' || type === 'cancelled');
  }
  const overCount = tasks.filter((task) => task.isOver).length;
  const isReconciled = wholeCosts.some(({ isFinal }) => isFinal);
  const arrayTasks = tasksOf(hold, events);
  const expected = endsAsAWhole ? tasks.length : Math.max(arrayTasks, tasks.length);
  const isOver = isReconciled || (tasks.length > 0 && overCount >= expected);
  // Of an array none of whose tasks has been heard of by itself, all are still to come.
  const left = tasks.some(({ task }) => task !== '') ? expected : Math.max(arrayTasks, tasks.length);
  return {
    hold,
    tasks,
    events,
    wholeCosts,
    arrayTasks,
    isOver,
    unfinished: isOver ? 0 : Math.max(1, left - overCount),
    ...latestNews(hold, tasks),
  };
}

/** A task that was cancelled while it waited leaves no record of itself: the array becomes smaller, and never larger again. */
const tasksOf = ({ arrayTasks }: StoryHold, events: readonly RunEvent[]): number =>
  events.reduce((fewest, event) => Math.min(fewest, event.arrayTasks ?? fewest), arrayTasks);

function latestNews(hold: StoryHold, tasks: readonly Task[]): Pick<Strand, 'spokenOfAt' | 'heardAt'> {
  let { effectiveAt: spokenOfAt, placedAt: heardAt } = hold;
  for (const task of tasks) {
    if (task.spokenOfAt !== undefined && task.spokenOfAt > spokenOfAt) spokenOfAt = task.spokenOfAt;
    if (task.heardAt !== undefined && task.heardAt > heardAt) heardAt = task.heardAt;
  }
  return { spokenOfAt, heardAt };
}

function costsOf(events: readonly RunEvent[]): ReportedCost[] {
  return events
    .filter(({ cost }) => cost !== undefined)
    .map(({ eventNo, cost, correction, final, at }) => ({
      eventNo,
      numeral: cost as string,
      isCorrection: correction ?? false,
      isFinal: final ?? false,
      at,
    }))
    .sort((a, b) => (a.eventNo < b.eventNo ? -1 : 1));
}

const withoutCosts = (events: readonly RunEvent[]): RunEvent[] =>
  events.filter(({ type }) => type !== 'cost').map(({ cost: _, ...event }) => event);

const ofTheWhole = ({ resources: _, cost: __, ...event }: RunEvent): RunEvent => event;

function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

/**
 * What a job's recorded events, its hold and the clock say: where its story stands, what is due now, and if nothing is,
 * what it waits for and until when. The ledger does what is due (ledger/advance.ts); the workflow waits. Nobody else decides.
 *
 * A story covers one hold, with one job, an array of tasks or (rarely) several jobs; or the holds of a heterogeneous group,
 * which their leader covers. Pure: the same facts tell the same story, in whatever order they arrived.
 */
import type { ChargeSource, JobState, ResizeCause, Resources, SchedulerAnswer } from './job';
import { meterRun, type MeteredSlice } from './metered';
import { divideHalfEven } from './money';
import { refundOf, type RefundTerms, type RunRefund } from './refund';
import { pairWithCharges, runOfWholeJob, type StoryCharge, type StoryRun } from './run-charges';
import type { Interval, ReportedCost, Run, RunEvent, Task } from './runs';
import { joinJobId } from './slurm-job';
import { readStrand, type Strand, type StoryHold } from './tasks';
import { instantOfMicros } from './time';

/** Times are microseconds since 1970. */
export interface StoryFacts {
  now: bigint;
  cluster: {
    name: string;
    endGraceSeconds: number;
    reconciliationTimeoutSeconds: number;
    /** What runs get back that their users have not ended. */
    refunds: RefundTerms;
  };
  /** The leader first. */
  holds: readonly StoryHold[];
  events: readonly RunEvent[];
  charges: readonly StoryCharge[];
  /** Events up to here have had their resize or correction. */
  handledThrough: bigint;
}

export interface StoryOptions {
  scheduler: SchedulerAnswer;
  /** Keys of runs that have no price at present. */
  unpriced: ReadonlySet<string>;
  /** Keys of runs that another hold's story has charged: a run is paid for once. */
  chargedElsewhere: ReadonlySet<string>;
}

export type Due =
  | { act: 'charge'; by: Exclude<ChargeSource, 'reported'>; run: StoryRun; endedAt: bigint; corrects?: true }
  | { act: 'charge'; by: 'reported'; run: StoryRun; cost: ReportedCost }
  /** One cost for the whole of an array or a heterogeneous job: divided over its runs. */
  | { act: 'spread'; runs: StoryRun[]; cost: ReportedCost }
  /** Charged before its end was known; now its hours are. With `toldEnd` they take the place of those of a guessed end. */
  | { act: 'meter'; run: StoryRun; slices: MeteredSlice[]; toldEnd?: bigint }
  | ResizeDue
  | ({ act: 'refund'; run: StoryRun } & RunRefund)
  | { act: 'close'; hold: StoryHold; reason: string; at: bigint }
  | { act: 'overdue'; hold: StoryHold; isOverdue: boolean };

export interface ResizeDue {
  act: 'resize';
  hold: StoryHold;
  /** How many runs the hold has still to pay for. */
  runs: number;
  why: ResizeCause;
  /** Undefined: as it was asked for at first. */
  timeLimitSeconds?: number;
  resources?: Resources;
  /** It had been closed. */
  reopens?: true;
}

export interface Story {
  /** The scheduler's id, once an event has said it. */
  jobId?: string;
  state: JobState;
  /** The holds are closed and nothing remains to be charged. */
  isOver: boolean;
  /** In the order in which it is to be done. */
  due: Due[];
  waitsFor: string;
  deadline?: bigint;
  runs: StoryRun[];
  /** One of them ended, its hold is given up, and nobody has said when it began or what it cost: it is no free run. */
  hasRunOfUnknownLength: boolean;
  /** All events that this was told from. */
  handledThrough: bigint;
}

/** One thing that is waited for, and the state of the job as far as it goes. */
interface Wait {
  state: JobState;
  for: string;
  until: bigint;
  /** Nobody can say what became of it, and the time to wait for somebody has passed. */
  isGivenUp?: boolean;
}

const SECOND = 1_000_000n;

export function tellStory(facts: StoryFacts, options: StoryOptions): Story {
  const told = new Telling(facts, options);
  return told.tell();
}

class Telling {
  private readonly graceMicros: bigint;
  private readonly timeoutMicros: bigint;
  /** How soon to look again where only asking again can help. */
  private readonly recheckMicros: bigint;

  constructor(
    private readonly facts: StoryFacts,
    private readonly options: StoryOptions,
  ) {
    this.graceMicros = BigInt(facts.cluster.endGraceSeconds) * SECOND;
    this.timeoutMicros = BigInt(facts.cluster.reconciliationTimeoutSeconds) * SECOND;
    this.recheckMicros = later(SECOND, sooner(3_600n * SECOND, this.timeoutMicros / 24n));
  }

  tell(): Story {
    const { facts } = this;
    const strands = facts.holds.map((_, index) => readStrand(facts.holds, facts.events, index));
    const runs = pairWithCharges(strands, facts);
    const due: Due[] = [];
    const waits: Wait[] = [];
    const wholeCost = this.spreadCosts(strands, runs, due);
    const spread = new Set(due.flatMap((each) => (each.act === 'spread' ? each.runs : [])));

    for (const strand of strands) {
      const own = runs.filter((run) => run.hold === strand.hold && !spread.has(run));
      const runWaits = own.flatMap((run) => this.charge(run, due, wholeCost === 'waits') ?? []);
      if (strand.hold.status === 'open') this.followHold(strand, runWaits, wholeCost === 'waits', due, waits);
      else {
        waits.push(...runWaits);
        due.push(...(this.holdAgain(strand) ?? []));
      }
    }

    due.push(...runs.flatMap((run) => this.refund(run, due) ?? []));

    const isOver = facts.holds.every(({ status }) => status !== 'open') && waits.length === 0 && due.length === 0;
    const jobId = facts.events[0]?.jobId;
    return {
      ...(jobId === undefined ? {} : { jobId }),
      ...this.standing(strands, waits, due, isOver),
      isOver,
      due,
      runs,
      hasRunOfUnknownLength: runs.some((run) => this.isGivenUp(run, due)),
      handledThrough: facts.events.reduce((no, { eventNo }) => later(no, eventNo), facts.handledThrough),
    };
  }

  // Charges ------------------------------------------------------------------------------------------------------------

  /** A cost for the whole job is divided over its runs once all of them have ended. */
  private spreadCosts(strands: readonly Strand[], runs: StoryRun[], due: Due[]): 'none' | 'waits' | 'done' {
    const costs = strands.flatMap(({ wholeCosts }) => wholeCosts);
    const cost = effectiveCost(costs);
    const leader = strands[0];
    if (!cost || !leader) return 'none';
    const isComplete = costs.some(({ isFinal }) => isFinal) || strands.every(({ isOver }) => isOver);
    if (!isComplete) return 'waits';
    if (runs.length === 0) runs.push(runOfWholeJob(leader, this.facts));
    const isCorrected = cost.isCorrection && cost.eventNo > this.facts.handledThrough;
    const open = isCorrected ? runs : runs.filter(({ charge }) => !charge?.isReported);
    if (open.length > 0) due.push({ act: 'spread', runs: open, cost });
    return 'done';
  }

  /** Adds the charge that is due for a run, or says what it waits for. Runs that go on are followHold's. */
  private charge(storyRun: StoryRun, due: Due[], wholeCostIsComing: boolean): Wait | undefined {
    const { now } = this.facts;
    const { run, charge, runKey, hold } = storyRun;
    if (this.options.chargedElsewhere.has(runKey)) return undefined;
    const cost = effectiveCost(run.costs);
    if (charge) {
      const isNews = charge.isReported ? cost?.isCorrection && cost.eventNo > this.facts.handledThrough : cost;
      if (isNews && cost) due.push({ act: 'charge', by: 'reported', run: storyRun, cost });
      const toldEnd = this.newsOfTheEnd(storyRun) ?? this.newsOfTheSize(storyRun);
      if (toldEnd !== undefined && !charge.isReported && !isNews && !this.options.unpriced.has(runKey)) {
        due.push({ act: 'charge', by: 'usage', run: storyRun, endedAt: toldEnd, corrects: true });
        return undefined;
      }
      const slices = toldEnd === undefined ? unmeteredSlices(storyRun) : meterRun(run, toldEnd, storyRun.asked);
      if (slices?.length) due.push({ act: 'meter', run: storyRun, slices, ...(toldEnd !== undefined && { toldEnd }) });
      return undefined;
    }
    if (cost) {
      due.push({ act: 'charge', by: 'reported', run: storyRun, cost });
      return undefined;
    }
    if (run.startedAt === undefined) return undefined;
    const endedAt = run.endedAt ?? run.supersededAt;
    const heardAt = run.endHeardAt ?? run.supersededHeardAt;
    if (endedAt === undefined || heardAt === undefined) return undefined;

    const name = nameOf(run);
    const isReportedCost = hold.costSource === 'reported' || wholeCostIsComing;
    const until = isReportedCost
      ? later(endedAt + this.timeoutMicros, heardAt + this.graceMicros)
      : run.endedAt === undefined
        ? heardAt + this.graceMicros
        : now;
    if (now < until) {
      const what = isReportedCost ? `the cost of ${name} to be reported` : `the record of the end of ${name}`;
      return { state: 'awaiting_cost', for: what, until };
    }
    if (this.options.unpriced.has(runKey)) {
      return { state: 'quarantined', for: `a price for ${name}`, until: now + this.recheckMicros };
    }
    due.push({ act: 'charge', by: isReportedCost ? 'provisional' : 'usage', run: storyRun, endedAt });
    return undefined;
  }

  /** When it ended, if it was charged to a guess and somebody who knows has spoken since. */
  private newsOfTheEnd({ run, charge }: StoryRun): bigint | undefined {
    if (charge?.endedAt === undefined || run.endToldBy === undefined) return undefined;
    if (run.endedAt === charge.endedAt) return undefined; // It was guessed right.
    const isNews = run.endToldBy > this.facts.handledThrough && run.guessedEnds.includes(charge.endedAt);
    return isNews ? run.endedAt : undefined;
  }

  /** When it ended, if it was charged before the accounting said what sizes it had. */
  private newsOfTheSize({ run, charge }: StoryRun): bigint | undefined {
    const isNews = run.sizeToldBy !== undefined && run.sizeToldBy > this.facts.handledThrough;
    return isNews ? charge?.endedAt : undefined;
  }

  /** What a charged run gets back for how it ended, as far as it has not yet; in one transaction with a charge that is due. */
  private refund(storyRun: StoryRun, due: readonly Due[]): Due | undefined {
    const { run, charge, runKey } = storyRun;
    if (this.options.chargedElsewhere.has(runKey)) return undefined;
    const refund = refundOf(run, this.facts.cluster.refunds);
    if (!refund) return undefined;
    const isCharged = due.some(
      (each) =>
        (each.act === 'charge' && each.run === storyRun) || (each.act === 'spread' && each.runs.includes(storyRun)),
    );
    const { numerator, denominator } = refund.share;
    const isOwed = charge && divideHalfEven(charge.amount * numerator, denominator) > charge.refunded;
    return isCharged || isOwed ? { act: 'refund', run: storyRun, ...refund } : undefined;
  }

  // Holds --------------------------------------------------------------------------------------------------------------

  private followHold(strand: Strand, runWaits: Wait[], awaitsWholeCost: boolean, due: Due[], waits: Wait[]): void {
    const { hold } = strand;
    if (hold.late && strand.events.length === 0 && this.facts.holds.length === 1) {
      due.push({ act: 'close', hold, reason: 'The job was bound to a hold of its own', at: this.facts.now });
      return;
    }
    const lifeWaits = this.lifeOf(strand);
    const all = [...runWaits, ...lifeWaits];
    if (strand.isOver && all.length === 0 && !awaitsWholeCost) {
      due.push({ act: 'close', hold, reason: reasonOf(strand), at: strand.spokenOfAt });
      return;
    }
    if (lifeWaits.length > 0 && all.every(({ isGivenUp }) => isGivenUp)) {
      due.push({ act: 'close', hold, reason: this.reasonToGiveUp(strand), at: this.facts.now });
      waits.push(...all);
      return;
    }
    waits.push(...all);
    const isOverdue = all.some(({ state }) => state === 'overdue');
    if (isOverdue !== (hold.overdueAt !== undefined)) due.push({ act: 'overdue', hold, isOverdue });
    const resize = this.resizeOf(strand);
    if (resize) due.push(resize);
  }

  /** What is known is said: that a run ended is on record, also where nobody knows its length. */
  private reasonToGiveUp(strand: Strand): string {
    const [run, ...others] = strand.tasks.filter(isOfUnknownLength).flatMap(({ runs }) => runs.filter(isWithoutLength));
    if (run?.endedAt === undefined) return `Nobody could say what became of ${this.nameOf(strand)}`;
    const more = others.length === 0 ? '' : ` (nor when ${others.length} more of its tasks that ended did)`;
    const name = nameOf(run);
    return `J${name.slice(1)} ended at ${instantOfMicros(run.endedAt)}, but nobody has said when it began${more}`;
  }

  private isGivenUp({ run, charge, hold }: StoryRun, due: readonly Due[]): boolean {
    if (charge || run.endedAt === undefined || !isWithoutLength(run)) return false;
    return hold.status !== 'open' || due.some((each) => each.act === 'close' && each.hold === hold);
  }

  /** What the tasks wait for that are not over, or of which nobody knows how long they ran. */
  private lifeOf(strand: Strand): Wait[] {
    const { hold, tasks } = strand;
    const waits = tasks
      .filter((task) => (!task.isOver && !strand.isOver) || isOfUnknownLength(task))
      .map((task) => this.lifeOfTask(strand, task));
    if (strand.isOver) return waits;
    const unseen = Math.max(strand.arrayTasks, 1) - tasks.length;
    if (tasks.length === 0) waits.push(this.pending(strand, `${this.nameOf(strand)} to start`));
    else if (hold.arrayTasks > 1 && unseen > 0 && !tasks.some(({ task }) => task === '')) {
      const rest = unseen === 1 ? 'one more task' : `${unseen} more tasks`;
      waits.push(this.pending(strand, `${rest} of ${this.nameOf(strand)} to start`));
    }
    return waits;
  }

  private lifeOfTask(strand: Strand, task: Task): Wait {
    const name = nameOf(task);
    const run = task.runs.at(-1);
    if (!run) return this.pending(strand, `${name} to start`);
    if (run.startedAt === undefined) {
      if (run.costs.length > 0) return this.pending(strand, `the record of the end of ${name}`);
      return this.orAsk(strand, {
        state: 'awaiting_cost',
        for: `somebody to say when ${name} started, or what it cost`,
        until: this.afterTimeout(strand),
      });
    }
    if (task.waitsAgain) return this.pending(strand, `${name} to run again`);
    if (task.isSuspended) {
      return this.orAsk(strand, {
        state: 'suspended',
        for: `${name} to be resumed`,
        until: this.afterTimeout(strand),
      });
    }
    const limitSeconds = task.timeLimitSeconds ?? strand.hold.wallSeconds;
    const limit = limitSeconds === undefined ? this.timeoutMicros : BigInt(limitSeconds) * SECOND;
    const paused = run.suspensions.reduce((sum, pause) => sum + lengthOf(pause, this.facts.now), 0n);
    const until = later(
      run.startedAt + limit + paused + this.graceMicros,
      (run.startHeardAt ?? run.startedAt) + this.graceMicros,
    );
    return this.orAsk(strand, { state: 'running', for: `${name} to end`, until });
  }

  private pending(strand: Strand, what: string): Wait {
    return this.orAsk(strand, { state: 'pending', for: what, until: this.afterTimeout(strand) });
  }

  /** The later of the timeout by the clock of the events and a grace by ours: what is told late is not late (rulings 18). */
  private afterTimeout({ spokenOfAt, heardAt }: Strand): bigint {
    return later(spokenOfAt + this.timeoutMicros, heardAt + this.graceMicros);
  }

  /** The wait itself while it lasts; after it, what the scheduler could say decides (rulings 16). */
  private orAsk(strand: Strand, wait: Wait): Wait {
    const { now } = this.facts;
    if (now < wait.until) return wait;
    const name = this.nameOf(strand);
    switch (this.options.scheduler) {
      case 'asked':
        // It has been asked, and all it knows is among the events: a job that it knows and that has not ended goes on.
        return strand.events.length === 0
          ? { ...wait, state: 'overdue', isGivenUp: true }
          : { ...wait, until: now + this.recheckMicros };
      case 'unreachable':
        return {
          state: 'overdue',
          for: `the scheduler to say what became of ${name}`,
          until: now + this.recheckMicros,
        };
      case 'absent': {
        const until = later(strand.heardAt + 2n * this.timeoutMicros, wait.until + this.timeoutMicros);
        return { state: 'overdue', for: `anybody to say what became of ${name}`, until, isGivenUp: now >= until };
      }
    }
  }

  private nameOf({ tasks }: Strand): string {
    const jobId = tasks[0]?.jobId;
    return jobId === undefined ? 'the job' : `job ${jobId}`;
  }

  // Resizes ------------------------------------------------------------------------------------------------------------

  /** A hold pays for every run that is still to come or to end: after a requeue again in full, after a longer limit more. */
  private resizeOf(strand: Strand): ResizeDue | undefined {
    const { hold, tasks, events } = strand;
    const news = events.filter(({ eventNo }) => eventNo > this.facts.handledThrough);
    if (hold.late || news.length === 0) return undefined;
    const going = tasks.filter(({ isOver }) => !isOver);
    const runsAgain = going.some(({ runs, waitsAgain }) => waitsAgain || runs.length > 1);
    const why = news.some(isResized)
      ? 'walltime'
      : runsAgain && news.some(({ type }) => type !== 'cost' && type !== 'ended')
        ? 'requeue'
        : hold.arrayTasks > 1 &&
            news.some(({ type, arrayTasks }) => type === 'ended' || type === 'cancelled' || arrayTasks !== undefined)
          ? 'tasks'
          : undefined;
    return why && this.resizeTo(strand, why);
  }

  private resizeTo({ hold, tasks, events, unfinished }: Strand, why: ResizeCause): ResizeDue {
    const going = tasks.filter(({ isOver }) => !isOver);
    const last = events.some(isResized) ? going.at(-1) : undefined;
    return {
      act: 'resize',
      hold,
      runs: unfinished,
      why,
      ...(last?.timeLimitSeconds === undefined ? {} : { timeLimitSeconds: last.timeLimitSeconds }),
      ...(last?.resources ? { resources: last.resources } : {}),
    };
  }

  /**
   * A hold that its story closed, for the job seemed to be over, and whose job the scheduler has again: in whatever order its
   * records came, it does not wait and run without money. What a person gave back stays given back.
   */
  private holdAgain(strand: Strand): ResizeDue[] | undefined {
    const { hold, tasks, events, isOver } = strand;
    if (hold.closedByHand || hold.late || isOver || !tasks.some(({ isBack }) => isBack)) return undefined;
    const isNews = ({ eventNo, type }: RunEvent) =>
      eventNo > this.facts.handledThrough && type !== 'cost' && type !== 'resized';
    return events.some(isNews) ? [{ ...this.resizeTo(strand, 'requeue'), reopens: true }] : undefined;
  }

  // Where it stands ----------------------------------------------------------------------------------------------------

  private standing(
    strands: readonly Strand[],
    waits: readonly Wait[],
    due: readonly Due[],
    isOver: boolean,
  ): Pick<Story, 'state' | 'waitsFor' | 'deadline'> {
    if (isOver) {
      const wasCharged = this.facts.charges.length > 0;
      return { state: wasCharged ? 'settled' : 'released', waitsFor: 'nothing: the story is over' };
    }
    const state = STATES_BY_WEIGHT.find((each) => waits.some((wait) => wait.state === each));
    const first = waits.reduce<Wait | undefined>(
      (known, wait) => (known && known.until <= wait.until ? known : wait),
      undefined,
    );
    if (due.length > 0 || !first) {
      const waitsFor = first?.for ?? `the ledger to settle ${this.nameOf(strands[0] as Strand)}`;
      return { state: state ?? 'awaiting_cost', waitsFor, deadline: this.facts.now };
    }
    return { state: state ?? first.state, waitsFor: first.for, deadline: first.until };
  }
}

/** Where the parts of a job are in several states, the first of these is the job's. */
const STATES_BY_WEIGHT: readonly JobState[] = [
  'quarantined',
  'overdue',
  'running',
  'suspended',
  'pending',
  'awaiting_cost',
];

/** What a charged run used, if that is known by now and nobody has written it down. */
const unmeteredSlices = ({ run, charge, asked }: StoryRun): MeteredSlice[] =>
  charge?.isMetered === false && run.endedAt !== undefined ? (meterRun(run, run.endedAt, asked) ?? []) : [];

const isResized = ({ type, timeLimitSeconds, resources }: RunEvent): boolean =>
  type === 'resized' && (timeLimitSeconds !== undefined || resources !== undefined);

/** The cost that counts where the cost of an event was reported too: for the same run, or for the whole job. */
export function standingCost(facts: Pick<StoryFacts, 'holds' | 'events'>, eventNo: bigint): ReportedCost | undefined {
  const reports = facts.holds
    .map((_, index) => readStrand(facts.holds, facts.events, index))
    .flatMap(({ tasks, wholeCosts }) => [wholeCosts, ...tasks.flatMap(({ runs }) => runs.map(({ costs }) => costs))])
    .find((costs) => costs.some((cost) => cost.eventNo === eventNo));
  return reports && effectiveCost(reports);
}

/** The latest correction, else the first cost that was reported. */
function effectiveCost(costs: readonly ReportedCost[]): ReportedCost | undefined {
  return costs.findLast(({ isCorrection }) => isCorrection) ?? costs[0];
}

function reasonOf({ tasks }: Strand): string {
  const runs = tasks.flatMap((task) => task.runs);
  const jobId = tasks[0]?.jobId;
  if (runs.length === 0) return `Job ${jobId} was cancelled before it started`;
  const end = runs.at(-1)?.endState;
  return `Job ${jobId} ended${end && tasks.length === 1 ? ` (${end})` : ''}`;
}

const nameOf = (part: { jobId: string; task: string }): string => `job ${joinJobId(part)}`;

/** It ended, nobody has said when it had begun, nor what it cost. */
const isWithoutLength = ({ startedAt, costs }: Run): boolean => startedAt === undefined && costs.length === 0;
const isOfUnknownLength = ({ runs }: Task): boolean => runs.some(isWithoutLength);

const lengthOf = ({ from, to }: Interval, now: bigint): bigint => (to ?? later(from, now)) - from;

const later = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const sooner = (a: bigint, b: bigint): bigint => (a < b ? a : b);

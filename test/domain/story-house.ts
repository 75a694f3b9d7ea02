/** A tiny language for stories: events at minutes after the hold was placed, and what is due as one line each. */
import { given } from '../../domain/given';
import { meterRun } from '../../domain/metered';
import type { Resources } from '../../domain/job';
import { divideHalfEven } from '../../domain/money';
import type { RefundTerms } from '../../domain/refund';
import { slicesOf, type RunEvent } from '../../domain/runs';
import type { StoryCharge } from '../../domain/run-charges';
import { tellStory, type Due, type Story, type StoryFacts, type StoryOptions } from '../../domain/story';
import type { StoryHold } from '../../domain/tasks';

export const MINUTE = 60_000_000n;

/** When the holds of these tests were placed. */
export const PLACED = 1_772_452_800_000_000n;
export const minute = (minutes: number): bigint => PLACED + BigInt(Math.round(minutes * 60)) * 1_000_000n;
export const minutesOf = (at: bigint | undefined): number | undefined =>
  at === undefined ? undefined : Number(at - PLACED) / Number(MINUTE);

export const ONE_NODE: Resources = { nodes: 1, cpus: 8, gpus: 0, gpusByModel: {}, memoryMib: 0 };
export const nodes = (count: number): Resources => ({ ...ONE_NODE, nodes: count });

export interface Said extends Omit<Partial<RunEvent>, 'at' | 'startedAt' | 'recordedAt'> {
  type: RunEvent['type'];
  /** Minutes. */
  at: number;
  startedAt?: number;
  /** Default: the moment it happened. */
  recordedAt?: number;
}

/** An event of job 1, `at` minutes after the hold. */
export const said = (type: RunEvent['type'], at: number, more: Partial<Said> = {}): Said => ({ type, at, ...more });

export const eventsOf = (list: readonly Said[]): RunEvent[] =>
  list.map(({ at, startedAt, recordedAt, ...event }, index) => ({
    jobId: '1',
    holdNo: 1n,
    task: '',
    eventNo: BigInt(index + 1),
    ...event,
    at: minute(at),
    recordedAt: minute(recordedAt ?? at),
    ...(startedAt === undefined ? {} : { startedAt: minute(startedAt) }),
  }));

export const holdOf = (changes: Partial<StoryHold> = {}): StoryHold => ({
  holdNo: 1n,
  holdId: 'txn_1',
  status: 'open',
  late: false,
  closedByHand: false,
  effectiveAt: PLACED,
  placedAt: PLACED,
  costSource: 'usage',
  resources: ONE_NODE,
  wallSeconds: 4 * 3600,
  arrayTasks: 1,
  ...changes,
});

/** All of it where a node failed, the last half hour where somebody else took the nodes, nothing else. */
const REFUNDS: RefundTerms = {
  node_fail: 'whole',
  boot_fail: 'none',
  preempted: 'lost_time',
  admin_cancel: 'whole',
  lostTimeSeconds: 1800,
};

/** Grace: 5 minutes. Reconciliation timeout: 24 hours. Time limit: 4 hours. */
export const factsOf = (
  now: number,
  list: readonly Said[],
  changes: Partial<StoryFacts> & { hold?: Partial<StoryHold> } = {},
): StoryFacts => {
  const { hold, ...rest } = changes;
  return {
    now: minute(now),
    cluster: { name: 'hpc', endGraceSeconds: 300, reconciliationTimeoutSeconds: 86_400, refunds: REFUNDS },
    holds: [holdOf(hold)],
    events: eventsOf(list),
    charges: [],
    handledThrough: 0n,
    ...rest,
  };
};

export const tell = (facts: StoryFacts, options: Partial<StoryOptions> = {}): Story =>
  tellStory(facts, { scheduler: 'absent', unpriced: new Set(), chargedElsewhere: new Set(), ...options });

/** `usage 10..70`, `reported 12.5`, `close`, `resize requeue x1`, `overdue`. Minutes; tasks and holds where there are several. */
export function lineOf(due: Due): string {
  switch (due.act) {
    case 'charge': {
      const task = due.run.run.task === '' ? '' : `${due.run.run.task}: `;
      if (due.by === 'reported') return `${task}reported ${due.cost.numeral}`;
      const slices = slicesOf(due.run.run, due.endedAt, due.run.asked);
      const times = slices.map(({ from, to }) => `${minutesOf(from)}..${minutesOf(to)}`).join('+');
      return `${task}${due.corrects ? 'corrected ' : ''}${due.by} ${times === '' ? 'nothing' : times}`;
    }
    case 'spread':
      return `spread ${due.cost.numeral} over ${due.runs.length}`;
    case 'meter':
      return `meter ${due.slices.map(({ from, to }) => `${minutesOf(from)}..${minutesOf(to)}`).join('+')}`;
    case 'refund':
      return `refund ${due.reason} ${(due.share.numerator * 100n) / due.share.denominator} %`;
    case 'resize':
      return `${due.reopens ? 'reopen' : 'resize'} ${due.why} x${due.runs}`;
    case 'close':
      return due.hold.holdNo === 1n ? 'close' : `close ${due.hold.holdNo}`;
    case 'overdue':
      return due.isOverdue ? 'overdue' : 'heard of again';
  }
}

export const linesOf = (story: Story): string[] => story.due.map(lineOf);

/** What the ledger does with what is due, as far as the next telling of the story depends on it. */
export function carryOut(facts: StoryFacts, story: Story): StoryFacts {
  const charges = new Map(facts.charges.map((charge) => [charge.runKey, charge]));
  const holds = new Map(facts.holds.map((hold) => [hold.holdNo, hold]));
  const change = (hold: StoryHold, changes: Partial<StoryHold>) =>
    holds.set(hold.holdNo, { ...(holds.get(hold.holdNo) as StoryHold), ...changes });
  const charge = (run: Story['runs'][number], isReported: boolean) => {
    const { startedAt, endedAt } = run.run;
    const made: StoryCharge = {
      runKey: run.runKey,
      holdNo: run.hold.holdNo,
      isReported,
      amount: 100n,
      refunded: 0n,
      ...(run.charge ?? given({ startedAt, endedAt })),
    };
    const until = run.run.endedAt ?? run.run.supersededAt;
    const isMetered = run.charge?.isMetered ?? (until !== undefined && !!meterRun(run.run, until, run.asked)?.length);
    charges.set(run.runKey, { ...made, isReported, isMetered });
  };
  for (const due of story.due) {
    if (due.act === 'charge') charge(due.run, due.by === 'reported');
    if (due.act === 'spread') for (const run of due.runs) charge(run, true);
    const metered = due.act === 'meter' && charges.get(due.run.runKey);
    if (metered) charges.set(metered.runKey, { ...metered, isMetered: true });
    const refunded = due.act === 'refund' && charges.get(due.run.runKey);
    if (refunded) {
      const { numerator, denominator } = due.share;
      charges.set(refunded.runKey, { ...refunded, refunded: divideHalfEven(refunded.amount * numerator, denominator) });
    }
    if (due.act === 'resize' && due.reopens) change(due.hold, { status: 'open' });
    if (due.act === 'overdue') {
      const { overdueAt: _, ...hold } = holds.get(due.hold.holdNo) as StoryHold;
      holds.set(hold.holdNo, due.isOverdue ? { ...hold, overdueAt: facts.now } : hold);
    }
    if (due.act === 'close') {
      const wasCharged = [...charges.values()].some(({ holdNo }) => holdNo === due.hold.holdNo);
      change(due.hold, { status: wasCharged ? 'settled' : 'released' });
    }
  }
  return {
    ...facts,
    charges: [...charges.values()],
    holds: [...holds.values()],
    handledThrough: story.handledThrough,
  };
}

/** Carries out what is due until nothing is. */
export function settle(facts: StoryFacts, options: Partial<StoryOptions> = {}): { facts: StoryFacts; story: Story } {
  let current = facts;
  for (let round = 0; round < 10; round += 1) {
    const story = tell(current, options);
    if (story.due.length === 0) return { facts: current, story };
    current = carryOut(current, story);
  }
  throw new Error(`never at rest: ${linesOf(tell(current, options)).join(', ')}`);
}

/**
 * What a story found due, with its price: the acts that ledger.act_on_story performs. A run that cannot be priced is named
 * instead of guessed (rulings 23); resizes are priced like the check that placed the hold.
 */
import type { ChargeSource, ResizeCause } from '../domain/job';
import { meterRun } from '../domain/metered';
import { addMicro, divideUp, parseReportedCost, renderAmount, toMicro, ZERO, type Micro } from '../domain/money';
import type { RefundPolicy, RefundReason, RequeuePolicy } from '../domain/policy';
import { estimate } from '../domain/price';
import { describeRefund } from '../domain/refund';
import { cutDays, cutUsage, spread, type ChargePiece, type CutUsage } from '../domain/usage';
import { runSeconds, slicesOf, type ReportedCost } from '../domain/runs';
import type { StoryRun } from '../domain/run-charges';
import { joinJobId } from '../domain/slurm-job';
import type { Due, ResizeDue } from '../domain/story';
import { instantOfMicros } from '../domain/time';
import { renderSlices, requestOf } from './charges';
import type { Cluster, PriceBook } from './contract';
import type { LedgerFacts, LedgerHold } from './story-facts';

/** One element of act_on_story's p_acts. */
export type Act =
  | { act: 'charge'; request: ReturnType<typeof requestOf> }
  | { act: 'close'; hold_id: string; reason: string; effective_at: string; actor: string }
  | { act: 'meter'; run_key: string; slices: ReturnType<typeof renderSlices>; told_end: string | null }
  | {
      act: 'resize';
      hold_id: string;
      amount_micro: string;
      direction: 'up' | 'down' | 'any';
      why: ResizeCause;
      policy: RequeuePolicy;
      reason: string;
      at: string;
      actor: string;
      reopens: boolean;
    }
  | { act: 'refund'; request: RefundRequest }
  | { act: 'overdue'; hold_id: string; is_overdue: boolean };

/** What ledger.refund_run takes. */
interface RefundRequest {
  run_key: string;
  hold_id: string;
  reason: RefundReason;
  policy: RefundPolicy;
  numerator: string;
  denominator: string;
  event_no: string;
  description: string;
  actor: string;
}

/** Who acts where nobody asked for it by name. */
const ACTOR = 'story';

export interface Priced {
  acts: Act[];
  /** Keys of runs without a price, and why. */
  unpriced: Map<string, string>;
}

/** Prices what is due. Where anything has no price, nothing else of it is left out: the caller tells the story again. */
export function priceDue(due: readonly Due[], facts: LedgerFacts, book: PriceBook, actor = ACTOR): Priced {
  const unpriced = new Map<string, string>();
  const acts = due.flatMap((each): Act[] => {
    switch (each.act) {
      case 'charge':
        return charge(each, facts, book, actor, unpriced);
      case 'spread':
        return spreadOver(each.runs, each.cost, facts, book, actor);
      case 'meter':
        return [meterAct(each)];
      case 'refund':
        return [refundAct(each, actor)];
      case 'resize':
        return resize(each, facts, book, actor);
      case 'close':
        return [
          {
            act: 'close',
            hold_id: each.hold.holdId,
            reason: each.reason,
            effective_at: instantOfMicros(each.at),
            actor,
          },
        ];
      case 'overdue':
        return [{ act: 'overdue', hold_id: each.hold.holdId, is_overdue: each.isOverdue }];
    }
  });
  return { acts, unpriced };
}

/** What a run has cost by its usage until `until`. */
export function priceRun(storyRun: StoryRun, until: bigint, facts: LedgerFacts, book: PriceBook): CutUsage {
  const cluster = clusterOf(facts, book);
  const slices = [];
  for (const { from, to, resources, isSuspended } of slicesOf(storyRun.run, until, storyRun.asked)) {
    if (!resources) return { quarantined: 'nobody has said what resources it had' };
    slices.push({ startsAt: instantOfMicros(from), endsAt: instantOfMicros(to), resources, isSuspended });
  }
  const partition = ranIn(storyRun, facts);
  const { suspendedSeconds } = storyRun.run;
  const usage = { partition, slices, ...(suspendedSeconds > 0 ? { suspendedSeconds } : {}) };
  return cutUsage(usage, cluster, book.rates, facts.account.unit, cluster.timeZone);
}

/** Slurm starts a job in one of the partitions that it named; the hold is for the dearest of them, the run for its own. */
function ranIn(storyRun: StoryRun, facts: LedgerFacts): string {
  const { partition, holdNo } = holdOf(storyRun, facts);
  const jobs = facts.jobs.filter((job) => job.holdNo === holdNo && job.jobId === storyRun.run.jobId);
  const told = jobs.findLast((job) => job.partition !== undefined)?.partition;
  return told === undefined || told.includes(',') ? partition : told;
}

function charge(
  due: Extract<Due, { act: 'charge' }>,
  facts: LedgerFacts,
  book: PriceBook,
  actor: string,
  unpriced: Map<string, string>,
): Act[] {
  if (due.by === 'reported') {
    return [
      chargeAct(due.run, piecesOfReport(due.run, parseReportedCost(due.cost.numeral), due.cost, facts, book), {
        source: 'reported',
        reportedNumeral: due.cost.numeral,
        correction: due.cost.isCorrection,
        facts,
        actor,
      }),
    ];
  }
  const priced = priceRun(due.run, due.endedAt, facts, book);
  if ('quarantined' in priced && holdOf(due.run, facts).uncharged !== undefined) {
    return [chargeAct(due.run, [], { source: due.by, facts, actor, endedAt: due.endedAt })];
  }
  if ('quarantined' in priced) {
    unpriced.set(due.run.runKey, priced.quarantined);
    return [];
  }
  const correction = due.corrects ?? false;
  return [chargeAct(due.run, priced.pieces, { source: due.by, correction, facts, actor, endedAt: due.endedAt })];
}

interface ChargeNote {
  source: ChargeSource;
  reportedNumeral?: string;
  correction?: boolean;
  endedAt?: bigint;
  facts: LedgerFacts;
  actor: string;
}

function chargeAct(storyRun: StoryRun, pieces: ChargePiece[], note: ChargeNote): Act {
  const { run, runKey } = storyRun;
  const { facts, actor } = note;
  const hold = holdOf(storyRun, facts);
  const free = hold.uncharged !== undefined;
  const endedAt = run.endedAt ?? note.endedAt;
  const usedUntil = endedAt ?? run.supersededAt;
  const slices = usedUntil === undefined ? undefined : meterRun(run, usedUntil, storyRun.asked);
  const request = requestOf({
    runKey,
    holdId: hold.holdId,
    jobId: run.jobId,
    partition: hold.partition,
    ...(hold.user === undefined ? {} : { user: hold.user }),
    source: note.source,
    pieces: free ? [] : pieces,
    ...(note.reportedNumeral === undefined ? {} : { reportedNumeral: note.reportedNumeral }),
    ...(run.startedAt === undefined ? {} : { startedAt: instantOfMicros(run.startedAt) }),
    ...(endedAt === undefined ? {} : { endedAt: instantOfMicros(endedAt) }),
    ...(run.startedAt === undefined || endedAt === undefined
      ? {}
      : {
          usage: {
            runSeconds: runSeconds(run, endedAt),
            ...(run.endState ? { endState: run.endState } : {}),
            ...(free ? { uncharged: hold.uncharged, wouldHaveCost: renderAmount(addMicro(...amountsIn(pieces))) } : {}),
          },
        }),
    ...(slices ? { slices } : {}),
    correction: note.correction ?? false,
    actor,
  });
  return { act: 'charge', request };
}

const amountsIn = (pieces: readonly ChargePiece[]) => pieces.map(({ amount }) => amount);

const meterAct = ({ run, slices, toldEnd }: Extract<Due, { act: 'meter' }>): Act => ({
  act: 'meter',
  run_key: run.runKey,
  slices: renderSlices(slices),
  told_end: toldEnd === undefined ? null : instantOfMicros(toldEnd),
});

function refundAct(
  { run: storyRun, reason, policy, share, eventNo }: Extract<Due, { act: 'refund' }>,
  actor: string,
): Act {
  return {
    act: 'refund',
    request: {
      run_key: storyRun.runKey,
      hold_id: storyRun.hold.holdId,
      reason,
      policy,
      numerator: share.numerator.toString(),
      denominator: share.denominator.toString(),
      event_no: eventNo.toString(),
      description: describeRefund(joinJobId(storyRun.run), { reason, policy }),
      actor,
    },
  };
}

/** A reported cost belongs to the days of its run, in proportion to what the rates say; else to when the money was held. */
function piecesOfReport(
  storyRun: StoryRun,
  cost: Micro,
  report: ReportedCost,
  facts: LedgerFacts,
  book: PriceBook,
): ChargePiece[] {
  const { run } = storyRun;
  const endedAt = run.endedAt ?? run.supersededAt ?? report.at;
  if (run.startedAt !== undefined && run.startedAt < endedAt) {
    const priced = priceRun(storyRun, endedAt, facts, book);
    if (!('quarantined' in priced) && priced.pieces.length > 0) return spread(cost, priced.pieces);
    const startsAt = instantOfMicros(run.startedAt);
    const days = cutDays({ startsAt, endsAt: instantOfMicros(endedAt) }, facts.timeZone);
    if (days.length > 0) return spread(cost, days);
  }
  const at = instantOfMicros(run.startedAt ?? run.endedAt ?? holdOf(storyRun, facts).effectiveAt);
  return [{ startsAt: at, endsAt: at, amount: cost }];
}

/** One cost over several runs, by what each would have cost by usage (evenly where that says nothing); sums to the cost. */
function spreadOver(runs: StoryRun[], cost: ReportedCost, facts: LedgerFacts, book: PriceBook, actor: string): Act[] {
  const settled = facts.charges
    .filter(({ isReported, runKey }) => isReported && !runs.some((run) => run.runKey === runKey))
    .reduce((sum, { amount }) => sum + amount, 0n);
  const total = parseReportedCost(cost.numeral) - settled;
  const at = instantOfMicros(cost.at);
  const weights = runs.map((storyRun): ChargePiece => {
    const { endedAt, startedAt } = storyRun.run;
    const priced = startedAt === undefined ? undefined : priceRun(storyRun, endedAt ?? cost.at, facts, book);
    const amount = priced && !('quarantined' in priced) ? priced.total : ZERO;
    return { startsAt: at, endsAt: at, amount };
  });
  const hasWeights = weights.some(({ amount }) => amount > 0n);
  const even = weights.map((weight) => (hasWeights ? weight : { ...weight, amount: toMicro(1n) }));
  const shares = spread(toMicro(total > 0n ? total : 0n), even);
  return runs.map((run, index) => {
    const amount = shares[index]?.amount ?? ZERO;
    const numeral = runs.length === 1 ? cost.numeral : renderAmount(amount);
    return chargeAct(run, piecesOfReport(run, amount, cost, facts, book), {
      source: 'reported',
      reportedNumeral: numeral,
      correction: cost.isCorrection,
      facts,
      actor,
    });
  });
}

const DIRECTIONS = { requeue: 'up', walltime: 'any', tasks: 'down' } as const;

const RESIZE_REASONS = {
  requeue: 'Requeued: held again for a full run',
  walltime: 'The job was changed: held for what it may cost now',
  tasks: 'Tasks have ended: held for the rest',
} as const;

function resize(due: ResizeDue, facts: LedgerFacts, book: PriceBook, actor: string): Act[] {
  const hold = facts.holds.find(({ holdNo }) => holdNo === due.hold.holdNo);
  const amount = hold && amountToHold(hold, due, facts, book);
  if (!hold || amount === undefined) return [];
  return [
    {
      act: 'resize',
      hold_id: hold.holdId,
      amount_micro: amount.toString(),
      direction: DIRECTIONS[due.why],
      why: due.why,
      policy: facts.account.onRequeueShortfall,
      reason: RESIZE_REASONS[due.why],
      at: lastWord(facts),
      actor,
      reopens: due.reopens ?? false,
    },
  ];
}

/** What the runs to come may cost: their share of what was placed, or a new estimate where what was asked for has changed. */
function amountToHold(hold: LedgerHold, due: ResizeDue, facts: LedgerFacts, book: PriceBook): Micro | undefined {
  if (due.timeLimitSeconds === undefined && due.resources === undefined) {
    return toMicro(divideUp(hold.placed * BigInt(due.runs), BigInt(hold.arrayTasks)));
  }
  if (!hold.request) return undefined;
  const wallSeconds = due.timeLimitSeconds ?? hold.wallSeconds;
  const request = {
    ...hold.request,
    wallSeconds,
    unlimited: wallSeconds === undefined && hold.request.unlimited,
    arrayTasks: due.runs,
    // Resources that an event states are the job's totals.
    ...(due.resources ? { resources: due.resources, fromTres: true } : {}),
  };
  const { holdMultiplier, unit } = facts.account;
  const priced = estimate(request, clusterOf(facts, book), book.rates, unit, lastWord(facts), {
    ...(holdMultiplier === undefined ? {} : { holdMultiplier }),
  });
  return priced.refusal ? undefined : priced.hold;
}

/** When the latest event happened: money moves for the time that the job is at, also when it is told of late. */
function lastWord({ events, holds }: LedgerFacts): string {
  const placed = holds[0]?.effectiveAt ?? 0n;
  return instantOfMicros(events.reduce((at, event) => (event.at > at ? event.at : at), placed));
}

function holdOf({ hold }: StoryRun, facts: LedgerFacts): LedgerHold {
  const found = facts.holds.find(({ holdNo }) => holdNo === hold.holdNo);
  if (!found) throw new Error(`hold ${hold.holdId} is not part of its own story`);
  return found;
}

function clusterOf(facts: LedgerFacts, book: PriceBook): Cluster {
  const cluster = book.clusters.get(facts.cluster.name);
  if (!cluster) throw new Error(`cluster ${facts.cluster.name} has holds but is not in the price book`);
  return cluster;
}

/**
 * What a job will cost and what a run has cost. Exact fractions until the one rounding (rulings 4): up for a hold, half
 * to even for a charge. A rate that changes during the run, or is going to, counts from the moment it changes.
 */
import type { JobRequest, Resources } from './job';
import { divideHalfEven, leastMicro, renderAmount, toMicro, ZERO, type Micro } from './money';
import {
  NOTHING,
  fraction,
  fractionOfCount,
  fractionOfDecimal,
  isLess,
  plus,
  roundHalfEven,
  roundUp,
  times,
  type Fraction,
} from './rational';
import { ASBB_MINIMUM, tariffFor, type DatedRate, type Tariff, type Terms } from './tariff';
import {
  MICROS_PER_HOUR,
  MICROS_PER_SECOND,
  epochMicros,
  instantOfMicros,
  midnightsBetween,
  type Instant,
} from './time';

export type { DatedRate } from './tariff';

/** What a cluster says about its prices; the catalog's Cluster is one. */
export interface ClusterTerms {
  name: string;
  unpriced: 'deny' | 'allow';
  pricePreset: 'asbb-compat' | 'none';
  /** Decimal, e.g. '1.2'. */
  holdMultiplier: string;
  /** No hold is larger, however large the job. */
  holdCap?: Micro;
  /** What a run costs at least if it costs anything. */
  minimumCharge: Micro;
  partitions: readonly PartitionTerms[];
}

export interface PartitionTerms {
  name: string;
  maxTimeSeconds?: number;
  defaultTimeSeconds?: number;
  /** Decimal; multiplies the cost. */
  queueWeight: string;
}

export interface Estimate {
  /** Exact, in millionths, of all array tasks together; without the multiplier. */
  cost: Fraction;
  /** The cost as a charge would round it. */
  estimated: Micro;
  /** What to hold: cost x multiplier, rounded up once, at most the cap. */
  hold: Micro;
  /** The multiplier used: the account's or the cluster's. */
  holdMultiplier: string;
  /** The time limit that was priced, per task; 0 where there is none. */
  wallSeconds: number;
  method: 'rates' | 'asbb-compat' | 'unpriced';
  /** 0 to 1: how much of the answer is known rather than guessed. */
  confidence: number;
  recommendation?: string;
  /** How it was made, line by line. */
  lines: string[];
  /** Resource kinds that cost nothing because the cluster has not begun to rate them. */
  unbilled: string[];
  /** Why the job cannot be held for, if it cannot. */
  refusal?: { code: 'time_limit_missing' | 'unpriced'; detail: string };
}

/**
 * Prices a request as if it started at `at` and ran to its time limit.
 *
 * Throws only `malformed_request`, where the cost would be more than any amount can be.
 */
export function estimate(
  request: JobRequest,
  cluster: ClusterTerms,
  rates: readonly DatedRate[],
  unit: string,
  at: Instant,
  options: { holdMultiplier?: string } = {},
): Estimate {
  const holdMultiplier = options.holdMultiplier ?? cluster.holdMultiplier;
  const terms = partitionTerms(cluster, request.partition);
  const wallSeconds = wallOf(request, terms);
  if (wallSeconds === undefined) return withoutTimeLimit(request, cluster, holdMultiplier);

  const from = epochMicros(at);
  const span: Span = { from, to: from + BigInt(wallSeconds) * MICROS_PER_SECOND, resources: request.resources };
  const tariff = tariffFor(rates, { ...cluster, cluster: cluster.name, partition: request.partition, unit });
  const literalFormula = !request.fromTres;
  const meter = openMeter(tariff, terms, cluster.minimumCharge, literalFormula);
  for (const piece of cutSpan(span, tariff.changes)) meter.add(piece);

  const perTask = meter.cost();
  const cost = times(perTask, fraction(BigInt(request.arrayTasks)));
  const uncapped = roundUp(times(cost, fractionOfDecimal(holdMultiplier)));
  const hold = cluster.holdCap === undefined ? uncapped : leastMicro(uncapped, cluster.holdCap);
  const missing = [...meter.missing];
  const method = missing.length > 0 ? 'unpriced' : meter.usedPreset ? 'asbb-compat' : 'rates';
  return {
    cost,
    estimated: roundHalfEven(cost),
    hold,
    holdMultiplier,
    wallSeconds,
    method,
    confidence: CONFIDENCE[method],
    ...(method === 'asbb-compat' ? { recommendation: 'Fallback cost estimate - advisor service unavailable' } : {}),
    lines: describe(meter, request, cluster, unit, wallSeconds, cost, terms.queueWeight),
    unbilled: [...meter.unbilled],
    ...(missing.length > 0 && cluster.unpriced === 'deny'
      ? { refusal: { code: 'unpriced' as const, detail: `${missing.join('; ')}.` } }
      : {}),
  };
}

/** The preset's is ASBB's own; rates are certain, but a job may end early. */
const CONFIDENCE = { rates: 0.9, 'asbb-compat': 0.6, unpriced: 0 } as const;

// Usage -----------------------------------------------------------------------------------------------------------------

/** A time during which a run had these resources. A resize begins a new slice; a suspension is a gap between two. */
export interface UsageSlice {
  startsAt: Instant;
  endsAt: Instant;
  resources: Resources;
}

export interface RunUsage {
  partition: string;
  /** In order, not overlapping. */
  slices: readonly UsageSlice[];
  /** Time within the slices that is not charged, where nobody knows when it was; taken off evenly. */
  suspendedSeconds?: number;
}

/** A part of a run within one day, at one rate. */
export interface ChargePiece {
  startsAt: Instant;
  endsAt: Instant;
  amount: Micro;
}

export type CutUsage =
  | { pieces: ChargePiece[]; total: Micro; method: 'rates' | 'asbb-compat'; unbilled: string[] }
  /** Cannot be priced: a sentence that says what is missing. Never guessed as zero (rulings 23). */
  | { quarantined: string };

/** A run longer than this has a wrong start time; cutting it at days would go on for ever. */
const LONGEST_RUN_DAYS = 3_660n;

/**
 * Prices a run and cuts it at the days of `timeZone`, at rate changes, at resizes, and at `cutsAt` (the edges of funds).
 * The pieces are differences of the cumulative cost rounded half to even, so they sum to the cost of the whole.
 */
export function cutUsage(
  usage: RunUsage,
  cluster: ClusterTerms,
  rates: readonly DatedRate[],
  unit: string,
  timeZone: string,
  options: { cutsAt?: readonly Instant[] } = {},
): CutUsage {
  const spans = spansOf(usage.slices);
  const first = spans[0];
  const last = spans.at(-1);
  if (!first || !last) return { pieces: [], total: ZERO, method: 'rates', unbilled: [] };
  if (last.to - first.from > LONGEST_RUN_DAYS * 24n * MICROS_PER_HOUR) {
    return { quarantined: `the run would have lasted more than ${LONGEST_RUN_DAYS} days; check when it started` };
  }

  const tariff = tariffFor(rates, { ...cluster, cluster: cluster.name, partition: usage.partition, unit });
  const meter = openMeter(tariff, partitionTerms(cluster, usage.partition), cluster.minimumCharge, false);
  const share = activeShare(spans, usage.suspendedSeconds ?? 0);
  const cuts = [
    ...tariff.changes,
    ...midnightsBetween(first.from, last.to, timeZone),
    ...(options.cutsAt ?? []).map(epochMicros),
  ];
  const pieces: ChargePiece[] = [];
  let booked = 0n;
  for (const span of spans) {
    for (const piece of cutSpan(span, cuts)) {
      meter.add(piece, share);
      const cumulative = roundHalfEven(meter.cost());
      pieces.push(pieceOf(piece, toMicro(cumulative - booked)));
      booked = cumulative;
    }
  }
  if (meter.missing.size > 0) return { quarantined: `${[...meter.missing].join('; ')}.` };
  return {
    pieces,
    total: toMicro(booked),
    method: meter.usedPreset ? 'asbb-compat' : 'rates',
    unbilled: [...meter.unbilled],
  };
}

/** A run cut at days (and `cutsAt`) with nothing on the pieces yet: for `spread`, where only a reported cost is known. */
export function cutDays(
  run: { startsAt: Instant; endsAt: Instant },
  timeZone: string,
  options: { cutsAt?: readonly Instant[] } = {},
): ChargePiece[] {
  const span = { from: epochMicros(run.startsAt), to: epochMicros(run.endsAt) };
  if (span.to <= span.from) return [];
  const isPlausible = span.to - span.from <= LONGEST_RUN_DAYS * 24n * MICROS_PER_HOUR;
  const days = isPlausible ? midnightsBetween(span.from, span.to, timeZone) : [];
  return cutSpan(span, [...days, ...(options.cutsAt ?? []).map(epochMicros)]).map((piece) => pieceOf(piece, ZERO));
}

/**
 * Distributes a reported cost over pieces: by what the rates say each of them cost, or by time where they say nothing.
 * The parts sum to `total`. Without pieces there is nothing to distribute over, and nothing comes back.
 */
export function spread(total: Micro, pieces: readonly ChargePiece[]): ChargePiece[] {
  const priced = pieces.reduce((sum, { amount }) => sum + amount, 0n);
  const weights = pieces.map(({ amount, startsAt, endsAt }) =>
    priced > 0n ? amount : epochMicros(endsAt) - epochMicros(startsAt),
  );
  const whole = weights.reduce((sum: bigint, weight) => sum + weight, 0n);
  if (whole === 0n) return pieces.map((piece, index) => ({ ...piece, amount: index === 0 ? total : ZERO }));
  let weighed = 0n;
  let booked = 0n;
  return pieces.map(({ startsAt, endsAt }, index) => {
    weighed += weights[index] ?? 0n;
    const cumulative = divideHalfEven(total * weighed, whole);
    const amount = toMicro(cumulative - booked);
    booked = cumulative;
    return { startsAt, endsAt, amount };
  });
}

// The meter -------------------------------------------------------------------------------------------------------------

interface Span {
  from: bigint;
  to: bigint;
  resources: Resources;
}

/** Adds up the exact cost of one run, span by span, and remembers what it met. */
interface Meter {
  add(span: Span, share?: Fraction): void;
  /** So far, with the minimum charge. */
  cost(): Fraction;
  readonly billed: { hours: Fraction; terms: Terms }[];
  readonly unbilled: Set<string>;
  readonly missing: Set<string>;
  readonly usedPreset: boolean;
}

function openMeter(tariff: Tariff, partition: PartitionTerms, minimumCharge: Micro, literalFormula: boolean): Meter {
  const weight = fractionOfDecimal(partition.queueWeight);
  const billed: { hours: Fraction; terms: Terms }[] = [];
  const unbilled = new Set<string>();
  const missing = new Set<string>();
  let sum = NOTHING;
  let usedPreset = false;
  return {
    billed,
    unbilled,
    missing,
    get usedPreset() {
      return usedPreset;
    },
    add({ from, to, resources }, share) {
      const terms = tariff.termsAt(from, resources, literalFormula);
      if (terms.method === 'asbb-compat') usedPreset = true;
      for (const kind of terms.unbilled) unbilled.add(kind);
      for (const sentence of terms.missing) missing.add(sentence);
      const time = fraction(to - from, MICROS_PER_HOUR);
      const hours = share ? times(time, share) : time;
      billed.push({ hours, terms });
      sum = plus(sum, times(times(terms.perHour, hours), weight));
    },
    cost() {
      if (sum.numerator === 0n) return sum; // What is free stays free: a minimum is for what costs something.
      const least = fraction(usedPreset && minimumCharge < ASBB_MINIMUM ? ASBB_MINIMUM : minimumCharge);
      return isLess(sum, least) ? least : sum;
    },
  };
}

/** A span in parts within which nothing changes. Cuts need no order; those outside are ignored. */
function cutSpan<T extends { from: bigint; to: bigint }>(span: T, cuts: readonly bigint[]): T[] {
  const inside = cuts.filter((cut) => span.from < cut && cut < span.to);
  if (inside.length === 0) return [span];
  const edges = [span.from, ...[...new Set(inside)].sort((a, b) => (a < b ? -1 : 1)), span.to];
  return edges.slice(1).map((to, index) => ({ ...span, from: edges[index] as bigint, to }));
}

function spansOf(slices: readonly UsageSlice[]): Span[] {
  const spans: Span[] = [];
  for (const { startsAt, endsAt, resources } of slices) {
    const span = { from: epochMicros(startsAt), to: epochMicros(endsAt), resources };
    if (span.to <= span.from) continue;
    if (span.from < (spans.at(-1)?.to ?? span.from))
      throw new RangeError('slices of a run overlap or are out of order');
    spans.push(span);
  }
  return spans;
}

/** The part of the slices' time that is charged. */
function activeShare(spans: readonly Span[], suspendedSeconds: number): Fraction | undefined {
  if (suspendedSeconds <= 0) return undefined;
  const whole = spans.reduce((sum, { from, to }) => sum + to - from, 0n);
  const suspended = times(fractionOfCount(suspendedSeconds), fraction(MICROS_PER_SECOND));
  const active = plus(fraction(whole), times(suspended, fraction(-1n)));
  return active.numerator <= 0n ? NOTHING : times(active, fraction(1n, whole));
}

const pieceOf = ({ from, to }: { from: bigint; to: bigint }, amount: Micro): ChargePiece => ({
  startsAt: instantOfMicros(from),
  endsAt: instantOfMicros(to),
  amount,
});

// What a cluster says ---------------------------------------------------------------------------------------------------

/** A partition that the cluster does not know is legal: weight 1, no limit of its own. */
const partitionTerms = (cluster: ClusterTerms, name: string): PartitionTerms =>
  cluster.partitions.find((partition) => partition.name === name) ?? { name, queueWeight: '1' };

function wallOf(request: JobRequest, partition: PartitionTerms): number | undefined {
  if (request.wallSeconds !== undefined) return request.wallSeconds;
  return request.unlimited ? partition.maxTimeSeconds : (partition.defaultTimeSeconds ?? partition.maxTimeSeconds);
}

function withoutTimeLimit(request: JobRequest, cluster: ClusterTerms, holdMultiplier: string): Estimate {
  const asked = request.unlimited ? 'asks for unlimited time' : 'has no time limit';
  const detail =
    `the job ${asked}, and partition ${request.partition} of ${cluster.name} has no longest time to price it by; ` +
    'ask for a finite time, like --time=04:00:00';
  return {
    cost: NOTHING,
    estimated: ZERO,
    hold: ZERO,
    holdMultiplier,
    wallSeconds: 0,
    method: 'unpriced',
    confidence: 0,
    lines: [],
    unbilled: [],
    refusal: { code: 'time_limit_missing', detail },
  };
}

// Words -----------------------------------------------------------------------------------------------------------------

function describe(
  meter: Meter,
  request: JobRequest,
  cluster: ClusterTerms,
  unit: string,
  wallSeconds: number,
  cost: Fraction,
  queueWeight: string,
): string[] {
  const lines = meter.billed.flatMap(({ hours, terms }) => [
    ...terms.billed.map(
      ({ quantity, resource, rate }) =>
        `${showNumber(quantity)} ${resource} x ${showNumber(hours)} h x ${renderAmount(rate)} ${unit}`,
    ),
  ]);
  if (meter.usedPreset) lines.push(`x what the preset asbb-compat reads from the name ${request.partition}`);
  if (queueWeight !== '1') lines.push(`x ${queueWeight}, the queue weight of ${request.partition}`);
  if (request.arrayTasks > 1) lines.push(`x ${request.arrayTasks} array tasks`);
  lines.push(`= ${renderAmount(roundHalfEven(cost))} ${unit} for ${wallSeconds} s on ${cluster.name}`);
  for (const kind of meter.unbilled) lines.push(`${kind} costs nothing: ${cluster.name} has no rate for it`);
  for (const sentence of meter.missing) lines.push(sentence);
  return lines;
}

/** A fraction for a person to read, at most six decimals. */
const showNumber = (value: Fraction): string =>
  renderAmount(divideHalfEven(value.numerator * 1_000_000n, value.denominator));

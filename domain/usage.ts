/**
 * What a run has cost, cut where a statement, a rate or a fund may end (rulings 4): the pieces are differences of the
 * cumulative cost, rounded half to even, so they sum to the cost of the whole.
 */
import { keptWhileSuspended, type Resources } from './job';
import { cutSpan, openMeter, partitionTerms, tariffOf, type ClusterTerms, type ExactCost, type Span } from './meter';
import { CEILING, divideHalfEven, toMicro, ZERO, type Micro } from './money';
import { NOTHING, ONE, fraction, fractionOfCount, isLess, plus, roundHalfEven, times, type Fraction } from './rational';
import { tariffFor, type DatedRate, type PricingMethod } from './tariff';
import {
  MICROS_PER_HOUR,
  MICROS_PER_SECOND,
  epochMicros,
  instantOfMicros,
  midnightsBetween,
  type Instant,
} from './time';

/** A time during which a run had these resources. A resize begins a new slice, and so does a suspension: with what the run keeps. */
export interface UsageSlice {
  startsAt: Instant;
  endsAt: Instant;
  resources: Resources;
  isSuspended?: boolean;
}

export interface RunUsage {
  partition: string;
  /** In order, not overlapping. */
  slices: readonly UsageSlice[];
  /** Suspended time within the slices of which nobody knows when it was; taken off evenly from all but what the run keeps. */
  suspendedSeconds?: number;
}

/** A part of a run within one day, at one rate. */
export interface ChargePiece {
  startsAt: Instant;
  endsAt: Instant;
  amount: Micro;
}

export interface PricedUsage {
  pieces: ChargePiece[];
  total: Micro;
  exact: ExactCost;
  method: PricingMethod;
  unbilled: string[];
}

export type CutUsage =
  | PricedUsage
  /** Cannot be priced: a sentence that says what is missing. Never guessed as zero (rulings 23). */
  | { quarantined: string };

/** A run longer than this has a wrong start time; cutting it at days would go on for ever. */
const LONGEST_RUN_DAYS = 3_660n;

/**
 * Prices a run and cuts it at the days of `timeZone`, at rate changes, at resizes, and at `cutsAt` (the edges of funds).
 * The pieces are differences of the cumulative cost rounded half to even, so they sum to the cost of the whole. Where the slices are a
 * part of a run, `rest` is what is charged of it already, and the pieces are what they add to that.
 */
export function cutUsage(
  usage: RunUsage,
  cluster: ClusterTerms,
  rates: readonly DatedRate[],
  unit: string,
  timeZone: string,
  options: { cutsAt?: readonly Instant[]; rest?: ExactCost } = {},
): CutUsage {
  const spans = spansOf(usage.slices);
  const first = spans[0];
  const last = spans.at(-1);
  if (!first || !last) {
    return { pieces: [], total: ZERO, exact: { cost: NOTHING, usedPreset: false }, method: 'rates', unbilled: [] };
  }
  if (last.to - first.from > LONGEST_RUN_DAYS * 24n * MICROS_PER_HOUR) {
    return { quarantined: `the run would have lasted more than ${LONGEST_RUN_DAYS} days; check when it started` };
  }

  const tariff = tariffFor(rates, tariffOf(cluster, usage.partition, unit));
  const meter = openMeter(tariff, partitionTerms(cluster, usage.partition), cluster.minimumCharge, false, options.rest);
  const share = activeShare(spans, usage.suspendedSeconds ?? 0);
  const cuts = [
    ...tariff.changes,
    ...midnightsBetween(first.from, last.to, timeZone),
    ...(options.cutsAt ?? []).map(epochMicros),
  ];
  const pieces: ChargePiece[] = [];
  const before = roundHalfEven(meter.cost());
  let booked: bigint = before;
  for (const span of spans) {
    for (const piece of cutSpan(span, cuts)) {
      if (!share || piece.isSuspended) meter.add(piece);
      else {
        meter.add(piece, share);
        meter.add({ ...piece, resources: keptWhileSuspended(piece.resources) }, plus(ONE, times(share, fraction(-1n))));
      }
      const cost = meter.cost();
      if (!isLess(cost, fraction(CEILING - 1n))) {
        return { quarantined: `the run would have cost 2^33 ${unit} or more; check its resources and its times` };
      }
      const cumulative = roundHalfEven(cost);
      pieces.push(pieceOf(piece, toMicro(cumulative - booked)));
      booked = cumulative;
    }
  }
  if (meter.missing.size > 0) return { quarantined: `${[...meter.missing].join('; ')}.` };
  return {
    pieces,
    total: toMicro(booked - before),
    exact: meter.added(),
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

interface UsageSpan extends Span {
  isSuspended: boolean;
}

function spansOf(slices: readonly UsageSlice[]): UsageSpan[] {
  const spans: UsageSpan[] = [];
  for (const { startsAt, endsAt, resources, isSuspended = false } of slices) {
    const span = { from: epochMicros(startsAt), to: epochMicros(endsAt), resources, isSuspended };
    if (span.to <= span.from) continue;
    if (span.from < (spans.at(-1)?.to ?? span.from))
      throw new RangeError('slices of a run overlap or are out of order');
    spans.push(span);
  }
  return spans;
}

/** The part of the time in which the run was not known to be suspended that it was not suspended in. */
function activeShare(spans: readonly UsageSpan[], suspendedSeconds: number): Fraction | undefined {
  if (suspendedSeconds <= 0) return undefined;
  const whole = spans.reduce((sum, { from, to, isSuspended }) => sum + (isSuspended ? 0n : to - from), 0n);
  const suspended = times(fractionOfCount(suspendedSeconds), fraction(MICROS_PER_SECOND));
  const active = plus(fraction(whole), times(suspended, fraction(-1n)));
  return active.numerator <= 0n ? NOTHING : times(active, fraction(1n, whole));
}

const pieceOf = ({ from, to }: { from: bigint; to: bigint }, amount: Micro): ChargePiece => ({
  startsAt: instantOfMicros(from),
  endsAt: instantOfMicros(to),
  amount,
});

/**
 * What a job will cost, before it starts. An exact fraction until the one rounding (rulings 4): up, for a hold. A rate that
 * is going to change during the run counts from the moment it changes. What a run *has* cost is domain/usage.ts.
 */
import { Fault } from './faults';
import type { JobRequest } from './job';
import {
  cutSpan,
  openMeter,
  partitionTerms,
  tariffOf,
  type ClusterTerms,
  type Meter,
  type PartitionTerms,
  type Span,
} from './meter';
import { CEILING, divideHalfEven, leastMicro, renderAmount, ZERO, type Micro } from './money';
import {
  NOTHING,
  ONE,
  fraction,
  fractionOfDecimal,
  isLess,
  isSame,
  roundHalfEven,
  roundUp,
  times,
  type Fraction,
} from './rational';
import { renderDuration } from './slurm-time';
import { asbbMultiplier, tariffFor, type DatedRate } from './tariff';
import { MICROS_PER_SECOND, epochMicros, type Instant } from './time';

/** Who made the estimate: the cluster's rates or its preset, the advisor or what stands in for it (advice.ts), or nobody. */
export const ESTIMATE_METHODS = ['rates', 'asbb-compat', 'advisor', 'simple', 'static', 'unpriced'] as const;
export type EstimateMethod = (typeof ESTIMATE_METHODS)[number];

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
  method: EstimateMethod;
  /** 0 to 1: how much of the answer is known rather than guessed. */
  confidence: number;
  recommendation?: string;
  /** How it was made, line by line. */
  lines: string[];
  /** What costs nothing: kinds that the cluster has not begun to rate, and TRES that no rate can be for. */
  unbilled: string[];
  /** Why the job cannot be held for, if it cannot. */
  refusal?: { code: 'time_limit_missing' | 'unpriced' | 'advisor_unavailable'; detail: string };
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
  const tariff = tariffFor(rates, tariffOf(cluster, request.partition, unit));
  const literalFormula = !request.fromTres;
  const meter = openMeter(tariff, terms, cluster.minimumCharge, literalFormula);
  for (const piece of cutSpan(span, tariff.changes)) meter.add(piece);

  const perTask = meter.cost();
  const cost = times(perTask, fraction(BigInt(request.arrayTasks)));
  const amounts = amountsOf(cost, holdMultiplier, cluster);
  if (amounts === undefined) throw tooDear(wallSeconds, unit);
  const missing = [...meter.missing];
  const method = missing.length > 0 ? 'unpriced' : meter.usedPreset ? 'asbb-compat' : 'rates';
  return {
    ...amounts,
    holdMultiplier,
    wallSeconds,
    method,
    confidence: CONFIDENCE[method],
    ...(method === 'asbb-compat' ? { recommendation: 'Fallback cost estimate - advisor service unavailable' } : {}),
    lines: describe(meter, request, cluster, unit, wallSeconds, cost, terms.queueWeight),
    unbilled: [...meter.unbilled, ...(request.unbilledTres ?? [])],
    ...(missing.length > 0 && cluster.unpriced === 'deny'
      ? { refusal: { code: 'unpriced' as const, detail: `${missing.join('; ')}.` } }
      : {}),
  };
}

/** What a cost is as money and as a hold; undefined where it is more than any amount can be. */
export function amountsOf(
  cost: Fraction,
  holdMultiplier: string,
  { holdCap }: Pick<ClusterTerms, 'holdCap'>,
): Pick<Estimate, 'cost' | 'estimated' | 'hold'> | undefined {
  const held = times(cost, fractionOfDecimal(holdMultiplier));
  const most = fraction(CEILING - 1n);
  if (isLess(most, held) || isLess(most, cost)) return undefined;
  const uncapped = roundUp(held);
  return {
    cost,
    estimated: roundHalfEven(cost),
    hold: holdCap === undefined ? uncapped : leastMicro(uncapped, holdCap),
  };
}

/** The preset's is ASBB's own; rates are certain, but a job may end early. */
const CONFIDENCE = { rates: 0.9, 'asbb-compat': 0.6, unpriced: 0 } as const;

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

/** Where the lines of an estimate come to; the time as Slurm writes it. */
export const sumLine = (cost: Micro, unit: string, wallSeconds: number, { name }: { name: string }): string =>
  `= ${renderAmount(cost)} ${unit} for ${renderDuration(wallSeconds)} on ${name}`;

function describe(
  meter: Meter,
  request: JobRequest,
  cluster: ClusterTerms,
  unit: string,
  wallSeconds: number,
  cost: Fraction,
  queueWeight: string,
): string[] {
  const lines = meter.billed.flatMap(({ hours, terms }) =>
    terms.billed.map(
      ({ quantity, resource, rate }) =>
        `${showNumber(quantity)} ${resource} x ${showNumber(hours)} h x ${renderAmount(rate)} ${unit}`,
    ),
  );
  if (lines.length > LINES_SHOWN) lines.splice(LINES_SHOWN, Infinity, `… ${lines.length - LINES_SHOWN} more rates`);
  const byName = asbbMultiplier(request.partition);
  if (meter.usedPreset && !isSame(byName, ONE)) {
    lines.push(`x ${showNumber(byName)}, which asbb-compat reads from the name ${request.partition}`);
  }
  if (queueWeight !== '1') lines.push(`x ${queueWeight}, the queue weight of ${request.partition}`);
  if (request.arrayTasks > 1) lines.push(`x ${request.arrayTasks} array tasks`);
  lines.push(sumLine(roundHalfEven(cost), unit, wallSeconds, cluster));
  for (const kind of meter.unbilled) lines.push(`${kind} costs nothing: ${cluster.name} has no rate for it`);
  for (const kind of request.unbilledTres ?? []) {
    lines.push(`${kind} costs nothing: rates are for nodes, CPUs, memory and GPUs`);
  }
  for (const sentence of meter.missing) lines.push(sentence);
  return lines;
}

/** Prices that change every day of a long job would make a page; the first of them show how it is done. */
const LINES_SHOWN = 24;

const tooDear = (wallSeconds: number, unit: string): Fault =>
  new Fault(
    'malformed_request',
    `a job of this size for ${wallSeconds} s would cost more ${unit} than any account can hold (2^33); ask for less`,
  );

/** A fraction for a person to read, at most six decimals. */
const showNumber = (value: Fraction): string =>
  renderAmount(divideHalfEven(value.numerator * 1_000_000n, value.denominator));

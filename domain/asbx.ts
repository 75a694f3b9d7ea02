/**
 * What a reported cost says of the estimate before it, and ASBX's other figures of the job: variance, accuracy, warnings and
 * recommendations, by the rules of ASBB's integration service. What was not reported gives rise to nothing.
 */
import { malformed, shorten } from './faults';
import type { EndState } from './job';
import { divideHalfEven, MICRO_PER_UNIT, parseAmount, type Micro } from './money';

export const BURST_DECISIONS = ['LOCAL', 'AWS', 'HYBRID'] as const;
export type BurstDecision = (typeof BURST_DECISIONS)[number];

/** How well the job used what it had, as fractions of 1. */
export interface Performance {
  endState?: EndState;
  cpuEfficiency?: number;
  memoryEfficiency?: number;
  gpuEfficiency?: number;
  burstDecision?: BurstDecision;
  profile?: string;
}

/** From where on somebody should look at his estimates; millionths. */
export interface Thresholds {
  /** Of 1. */
  accuracy: Micro;
  /** In per cent. */
  variance: Micro;
}

export const DEFAULT_THRESHOLDS: Thresholds = { accuracy: parseAmount('0.8'), variance: parseAmount('20') };

/** A fraction of 1, such as 0.8. */
export function readAccuracy(text: string): Micro {
  const value = parseAmount(text);
  if (value < 0n || value > MICRO_PER_UNIT) throw malformed(`"${shorten(text)}" is not between 0 and 1`);
  return value;
}

export interface Assessment {
  /** Undefined: nobody had estimated it. */
  estimated?: Micro;
  actual: Micro;
  /** actual - estimated. */
  variance: bigint;
  /** Hundredths of a per cent of the estimate, half to even; 0 where the estimate is 0. */
  variancePctHundredths: bigint;
  /** Thousandths of 1, half to even. */
  accuracyThousandths: bigint;
  warnings: string[];
  recommendations: string[];
}

/** An estimate of nothing counts as a hundredth of the unit. */
const LEAST_ESTIMATE = 10_000n;

/** A job that cost half as much again, or half as little, is not what was thought. */
const ALARMING_PCT = 50n;
const CPU_EFFICIENCY = 0.7;
const MEMORY_EFFICIENCY = 0.8;

export function assess(
  { estimated, actual }: { estimated?: Micro; actual: Micro },
  performance: Performance,
  thresholds: Thresholds = DEFAULT_THRESHOLDS,
): Assessment {
  const estimate = estimated ?? 0n;
  const variance = actual - estimate;
  const off = variance < 0n ? -variance : variance;
  const least = estimate > LEAST_ESTIMATE ? estimate : LEAST_ESTIMATE;
  // Compared by cross-multiplication: what is exactly on a threshold is not beyond it.
  const isBeyondPct = (pctMicro: bigint) => estimate > 0n && off * 100n * MICRO_PER_UNIT > pctMicro * estimate;
  const isInaccurate = estimated !== undefined && (least - off) * MICRO_PER_UNIT < thresholds.accuracy * least;

  const { endState, cpuEfficiency, memoryEfficiency, burstDecision } = performance;
  const warnings = [
    ...(isBeyondPct(ALARMING_PCT * MICRO_PER_UNIT)
      ? [`The cost is ${variance < 0n ? 'below' : 'above'} the estimate by more than ${ALARMING_PCT} %.`]
      : []),
    ...(endState === 'FAILED' || endState === 'CANCELLED' ? [`The job ended as ${endState}.`] : []),
  ];
  const recommendations = [
    ...(isBeyondPct(thresholds.variance) ? ['Review the estimates of jobs like this one.'] : []),
    ...(cpuEfficiency !== undefined && cpuEfficiency < CPU_EFFICIENCY
      ? ['Ask for fewer CPUs, or let the program use those it has.']
      : []),
    ...(memoryEfficiency !== undefined && memoryEfficiency < MEMORY_EFFICIENCY ? ['Ask for less memory.'] : []),
    ...(isInaccurate ? ['Bring the prices up to date: the estimate was far from the cost.'] : []),
    ...(burstDecision === 'AWS' && estimated !== undefined && 2n * actual > 3n * estimate
      ? ['Compare with the cost on local nodes before the next burst.']
      : []),
  ];
  return {
    ...(estimated === undefined ? {} : { estimated }),
    actual,
    variance,
    variancePctHundredths: estimate > 0n ? divideHalfEven(variance * 10_000n, estimate) : 0n,
    accuracyThousandths: off >= least ? 0n : divideHalfEven((least - off) * 1_000n, least),
    warnings,
    recommendations,
  };
}

/** ASBX's record of what a job has to teach. A share of at least this makes a job that kind of job. */
const INTENSIVE = 0.8;

export function feedbackOf(
  { jobId, account }: { jobId: string; account?: string },
  { actual, estimated, recommendations }: Assessment,
  performance: Performance,
) {
  const { cpuEfficiency, memoryEfficiency, gpuEfficiency, profile } = performance;
  const estimate = estimated !== undefined && estimated > LEAST_ESTIMATE ? estimated : LEAST_ESTIMATE;
  const ratio = divideHalfEven(actual * 1_000n, estimate);
  return {
    job_id: jobId,
    account,
    cpu_efficiency: cpuEfficiency,
    memory_efficiency: memoryEfficiency,
    gpu_efficiency: gpuEfficiency,
    compute_intensive: (cpuEfficiency ?? 0) >= INTENSIVE,
    memory_intensive: (memoryEfficiency ?? 0) >= INTENSIVE,
    ...(estimated !== undefined && { actual_vs_estimated_ratio: Number(ratio) / 1_000 }),
    performance_profile: profile,
    optimization_opportunities: recommendations,
  };
}

/** ASBB's two formulas for when its advisor is away (contract 10.3, B and C), exactly, for one task. */
import type { JobRequest } from './job';
import { renderAmount, type Micro } from './money';
import { fraction, fractionOfCount, isLess, plus, times, type Fraction } from './rational';

const MINUTE = 60;
/** 0.01, of the cost and of a GB-hour. */
const CENT = 10_000n;
const GPU_AS_CPUS = 10n;

/** By exact name; everything else counts once. */
const MULTIPLIERS: ReadonlyMap<string, Fraction> = new Map([
  ['gpu', fraction(2n)],
  ['gpu-aws', fraction(2n)],
  ['high-mem', fraction(3n, 2n)],
  ['himem', fraction(3n, 2n)],
  ['debug', fraction(1n, 2n)],
  ['test', fraction(1n, 2n)],
]);

export interface FallbackCost {
  cost: Fraction;
  /** How it was made. */
  words: string[];
}

/**
 * SIMPLE counts CPUs, GPUs and memory, at least for a minute and at least a cent; nodes are not looked at. STATIC is nodes
 * times CPUs, literally, and nothing else.
 */
export function fallbackCost(
  formula: 'SIMPLE' | 'STATIC',
  { partition, resources: { nodes, cpus, gpus, memoryMib } }: JobRequest,
  wallSeconds: number,
  rate: Micro,
  unit: string,
): FallbackCost {
  if (formula === 'STATIC') {
    const perHour = times(times(fractionOfCount(nodes), fractionOfCount(cpus)), fraction(rate));
    const words = [`${nodes} nodes x ${cpus} cpus x ${renderAmount(rate)} ${unit} an hour`];
    return { cost: times(perHour, hoursOf(wallSeconds)), words };
  }
  const memory = times(fractionOfCount(memoryMib), fraction(CENT, 1024n));
  const perHour = [
    times(fractionOfCount(cpus), fraction(rate)),
    times(fractionOfCount(gpus), fraction(rate * GPU_AS_CPUS)),
    memory,
  ].reduce(plus);
  const multiplier = MULTIPLIERS.get(partition) ?? fraction(1n);
  const cost = times(times(perHour, hoursOf(Math.max(wallSeconds, MINUTE))), multiplier);
  const words = [
    `${cpus} cpus x ${renderAmount(rate)} ${unit} an hour`,
    ...(gpus > 0 ? [`${gpus} gpus x ${renderAmount(rate * GPU_AS_CPUS)} ${unit} an hour`] : []),
    ...(memoryMib > 0 ? [`${memoryMib} MiB x ${renderAmount(CENT)} ${unit} for a GiB and hour`] : []),
    ...(MULTIPLIERS.has(partition) ? [`x ${multiplierWord(multiplier)} for the partition ${partition}`] : []),
  ];
  const least = fraction(CENT);
  return { cost: isLess(cost, least) ? least : cost, words };
}

const hoursOf = (seconds: number): Fraction => fraction(BigInt(seconds), 3600n);

const multiplierWord = ({ numerator, denominator }: Fraction): string =>
  renderAmount((numerator * 1_000_000n) / denominator);

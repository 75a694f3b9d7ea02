/** Adds up what a price list says of a time and its resources, exactly: the one way to a cost, for holds and for charges. */
import type { Resources } from './job';
import type { Micro } from './money';
import type { PricePreset, UnpricedPolicy } from './policy';
import { NOTHING, fraction, fractionOfDecimal, isLess, plus, times, type Fraction } from './rational';
import { ASBB_MINIMUM, type Tariff, type TariffOf, type Terms } from './tariff';
import { MICROS_PER_HOUR } from './time';

/** What a cluster says about its prices; the catalog's Cluster is one. */
export interface ClusterTerms {
  name: string;
  unpriced: UnpricedPolicy;
  pricePreset: PricePreset;
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

/** A partition that the cluster does not know is legal: weight 1, no limit of its own. */
export const partitionTerms = (cluster: ClusterTerms, name: string): PartitionTerms =>
  cluster.partitions.find((partition) => partition.name === name) ?? { name, queueWeight: '1' };

/** Which price list counts there. */
export const tariffOf = ({ name, pricePreset }: ClusterTerms, partition: string, unit: string): TariffOf => ({
  cluster: name,
  partition,
  unit,
  pricePreset,
});

/** A time and what was in use during it, in epoch microseconds. */
export interface Span {
  from: bigint;
  to: bigint;
  resources: Resources;
}

/** What a part of a run costs, exactly, and without the minimum charge, which is once a run. */
export interface ExactCost {
  cost: Fraction;
  usedPreset: boolean;
}

/** Adds up the exact cost of one run, span by span, and remembers what it met. */
export interface Meter {
  add(span: Span, share?: Fraction): void;
  /** So far, with the minimum charge. */
  cost(): Fraction;
  /** Of the spans alone. */
  added(): ExactCost;
  readonly billed: { hours: Fraction; terms: Terms }[];
  readonly unbilled: Set<string>;
  readonly missing: Set<string>;
  readonly usedPreset: boolean;
}

export function openMeter(
  tariff: Tariff,
  partition: PartitionTerms,
  minimumCharge: Micro,
  literalFormula: boolean,
  /** Of the same run, what the meter does not see. */
  rest?: ExactCost,
): Meter {
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
    added: () => ({ cost: sum, usedPreset }),
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
      const whole = rest ? plus(rest.cost, sum) : sum;
      if (whole.numerator === 0n) return whole; // What is free stays free: a minimum is for what costs something.
      const isPreset = usedPreset || rest?.usedPreset === true;
      const least = fraction(isPreset && minimumCharge < ASBB_MINIMUM ? ASBB_MINIMUM : minimumCharge);
      return isLess(whole, least) ? least : whole;
    },
  };
}

/** A span in parts within which nothing changes. Cuts need no order; those outside are ignored. */
export function cutSpan<T extends { from: bigint; to: bigint }>(span: T, cuts: readonly bigint[]): T[] {
  const inside = cuts.filter((cut) => span.from < cut && cut < span.to);
  if (inside.length === 0) return [span];
  const edges = [span.from, ...[...new Set(inside)].sort((a, b) => (a < b ? -1 : 1)), span.to];
  return edges.slice(1).map((to, index) => ({ ...span, from: edges[index] as bigint, to }));
}

/**
 * Which rate applies to what, and when.
 *
 * A partition's own rates stand before its cluster's; within each, a GPU's model before the generic `gpu`. Rulings 23
 * decides what has no price: a kind (cpu, node, memory) that the cluster has not begun to rate is unbilled; everything
 * else without a rate is missing, and a charge for it waits. Until the first rate of a unit begins on a cluster, the
 * preset `asbb-compat` is its price list.
 */
import type { Resources } from './job';
import type { Micro } from './money';
import type { PricePreset } from './policy';
import { NOTHING, fraction, fractionOfCount, plus, times, type Fraction } from './rational';
import { epochMicros, type Instant } from './time';

/** One line of a price list. `partition` undefined: every partition that has no rate of its own. */
export interface DatedRate {
  cluster: string;
  partition?: string;
  /** 'node' | 'cpu' | 'mem' (per GiB) | 'gpu' | 'gpu:<model>' */
  resource: string;
  unit: string;
  /** Per resource-hour. */
  rate: Micro;
  startsAt: Instant;
  /** Exclusive; null: open. */
  endsAt: Instant | null;
}

/** By the rates that a site has entered, or by the preset until there are some. */
export type PricingMethod = 'rates' | 'asbb-compat';

/** What a price list says about some resources during a time in which no rate changes. */
export interface Terms {
  method: PricingMethod;
  /** Millionths of the unit per hour, before the queue weight. */
  perHour: Fraction;
  /** What is billed, for the person who asks: quantity, resource, price. */
  billed: { quantity: Fraction; resource: string; rate: Micro }[];
  /** Kinds that cost nothing because the cluster has not begun to rate them. */
  unbilled: string[];
  /** Sentences: what has no price though it should have one. */
  missing: string[];
}

/** The price list of one partition of one cluster in one unit. */
export interface Tariff {
  /** When a rate that matters here begins or ends, ascending, in epoch microseconds. */
  readonly changes: readonly bigint[];
  termsAt(micros: bigint, resources: Resources, literalFormula: boolean): Terms;
}

interface Indexed {
  resource: string;
  rate: Micro;
  from: bigint;
  to: bigint | undefined;
}

/** The rates of one cluster in one unit, by partition ('' for the cluster's own). */
interface RateIndex {
  byPartition: Map<string, Indexed[]>;
  /** When each kind was first rated, anywhere on the cluster. */
  firstByKind: Map<string, bigint>;
  first: bigint | undefined;
  tariffs: Map<string, Tariff>;
}

export interface TariffOf {
  cluster: string;
  partition: string;
  unit: string;
  pricePreset: PricePreset;
}

/** Indexes are kept as long as the list of rates they were made from: pricing a job must cost microseconds. */
const indexes = new WeakMap<readonly DatedRate[], Map<string, RateIndex>>();

/** Partition names come from callers, so what is remembered is bounded. */
const TARIFFS_KEPT = 1_000;

/** The price list of a partition. `rates` is never changed once it was passed here; a new list is a new array. */
export function tariffFor(rates: readonly DatedRate[], { cluster, partition, unit, pricePreset }: TariffOf): Tariff {
  const index = indexOf(rates, cluster, unit);
  const key = `${pricePreset}\0${partition}`;
  const known = index.tariffs.get(key);
  if (known) return known;
  const tariff = makeTariff(index, cluster, partition, unit, pricePreset === 'asbb-compat');
  if (index.tariffs.size < TARIFFS_KEPT) index.tariffs.set(key, tariff);
  return tariff;
}

function indexOf(rates: readonly DatedRate[], cluster: string, unit: string): RateIndex {
  let byCluster = indexes.get(rates);
  if (!byCluster) indexes.set(rates, (byCluster = new Map()));
  const key = `${cluster}\0${unit}`;
  let index = byCluster.get(key);
  if (!index) byCluster.set(key, (index = makeIndex(rates, cluster, unit)));
  return index;
}

function makeIndex(rates: readonly DatedRate[], cluster: string, unit: string): RateIndex {
  const index: RateIndex = { byPartition: new Map(), firstByKind: new Map(), first: undefined, tariffs: new Map() };
  for (const rate of rates) {
    if (rate.cluster !== cluster || rate.unit !== unit) continue;
    const from = epochMicros(rate.startsAt);
    const indexed = {
      resource: rate.resource,
      rate: rate.rate,
      from,
      to: rate.endsAt === null ? undefined : epochMicros(rate.endsAt),
    };
    const partition = rate.partition ?? '';
    const list = index.byPartition.get(partition);
    if (list) list.push(indexed);
    else index.byPartition.set(partition, [indexed]);
    const kind = kindOf(rate.resource);
    index.firstByKind.set(kind, earliest(index.firstByKind.get(kind), from));
    index.first = earliest(index.first, from);
  }
  return index;
}

function makeTariff(index: RateIndex, cluster: string, partition: string, unit: string, preset: boolean): Tariff {
  const own = index.byPartition.get(partition) ?? [];
  const wide = partition === '' ? [] : (index.byPartition.get('') ?? []);
  const isRated = own.length + wide.length > 0;

  const rateAt = (micros: bigint, wanted: readonly string[]): Indexed | undefined => {
    for (const rates of [own, wide]) {
      for (const resource of wanted) {
        const found = rates.find((rate) => rate.resource === resource && isInForce(rate, micros));
        if (found) return found;
      }
    }
    return undefined;
  };

  const presetApplies = (micros: bigint) => preset && (index.first === undefined || micros < index.first);

  const place = partition === '' ? `on ${cluster}` : `in partition ${partition} of ${cluster}`;

  /** Why there is no rate, in words that say what to enter. */
  const explain = (what: string, wanted: readonly string[]): string => {
    const known = [...own, ...wide].some(({ resource }) => wanted.includes(resource));
    return known
      ? `${what} has no rate in ${unit} at that time ${place}: its rates have a gap; enter one that covers it`
      : `${what} has no rate in ${unit} ${place}; enter one (0 where it is free)`;
  };

  function termsAt(micros: bigint, resources: Resources, literalFormula: boolean): Terms {
    if (presetApplies(micros)) return asbbTerms(partition, resources, literalFormula);
    const terms: Terms = { method: 'rates', perHour: NOTHING, billed: [], unbilled: [], missing: [] };
    if (!isRated) {
      const where = index.first === undefined ? `cluster ${cluster}` : `partition ${partition} of ${cluster}`;
      terms.missing.push(`${where} has no rate in ${unit}; enter one`);
      return terms;
    }
    for (const { what, kind, quantity, wanted } of demands(resources)) {
      const found = rateAt(micros, wanted);
      if (found) {
        terms.perHour = plus(terms.perHour, times(quantity, fraction(found.rate)));
        terms.billed.push({ quantity, resource: what, rate: found.rate });
        continue;
      }
      const firstRated = index.firstByKind.get(kind);
      if (kind !== 'gpu' && (firstRated === undefined || micros < firstRated)) terms.unbilled.push(kind);
      else terms.missing.push(explain(what, wanted));
    }
    return terms;
  }

  return { changes: changesOf([...own, ...wide], index), termsAt };
}

interface Demand {
  what: string;
  kind: string;
  quantity: Fraction;
  /** Resources whose rate would do, the best first. */
  wanted: readonly string[];
}

const NODE = ['node'];
const CPU = ['cpu'];
const MEM = ['mem'];
const GPU = ['gpu'];
const MIB_PER_GIB = 1024n;

function demands({ nodes, cpus, gpus, gpusByModel, memoryMib }: Resources): Demand[] {
  const list: Demand[] = [];
  if (nodes > 0) list.push({ what: 'node', kind: 'node', quantity: fractionOfCount(nodes), wanted: NODE });
  if (cpus > 0) list.push({ what: 'cpu', kind: 'cpu', quantity: fractionOfCount(cpus), wanted: CPU });
  if (memoryMib > 0) {
    const quantity = times(fractionOfCount(memoryMib), fraction(1n, MIB_PER_GIB));
    list.push({ what: 'mem', kind: 'mem', quantity, wanted: MEM });
  }
  let generic = fractionOfCount(gpus);
  for (const [model, count] of Object.entries(gpusByModel)) {
    if (!(count > 0)) continue;
    const quantity = fractionOfCount(count);
    list.push({ what: `gpu:${model}`, kind: 'gpu', quantity, wanted: [`gpu:${model}`, 'gpu'] });
    generic = plus(generic, times(quantity, fraction(-1n)));
  }
  if (generic.numerator > 0n) list.push({ what: 'gpu', kind: 'gpu', quantity: generic, wanted: GPU });
  return list;
}

/** Contract §10.3 A, per CPU-hour and per GPU-hour. */
const ASBB_CPU_RATE = 100_000n as Micro;
const ASBB_GPU_RATE = 2_000_000n as Micro;

/** The least that the preset charges for a run that costs anything. */
export const ASBB_MINIMUM = 10_000n as Micro;

/** ASBB read the partition's price from its name, and so does the preset. */
export function asbbMultiplier(partition: string): Fraction {
  const name = partition.toLowerCase();
  if (name.includes('gpu')) return fraction(2n);
  if (name.includes('aws')) return fraction(3n, 2n);
  if (name.includes('debug')) return fraction(1n, 2n);
  return fraction(1n);
}

/**
 * ASBB's formula. Literally it multiplies nodes by CPUs, though the CPUs are the job's total; that is kept for requests
 * that ASBB itself would have seen, where the held amount is what its users expect, and nowhere else (rulings 22).
 */
function asbbTerms(partition: string, { nodes, cpus, gpus }: Resources, literalFormula: boolean): Terms {
  const counted = literalFormula ? times(fractionOfCount(nodes), fractionOfCount(cpus)) : fractionOfCount(cpus);
  const gpuCount = fractionOfCount(gpus);
  const cpuCost = times(counted, fraction(ASBB_CPU_RATE));
  const gpuCost = times(gpuCount, fraction(ASBB_GPU_RATE));
  const billed = [{ quantity: counted, resource: literalFormula ? 'node x cpu' : 'cpu', rate: ASBB_CPU_RATE }];
  if (gpuCount.numerator > 0n) billed.push({ quantity: gpuCount, resource: 'gpu', rate: ASBB_GPU_RATE });
  const perHour = times(plus(cpuCost, gpuCost), asbbMultiplier(partition));
  return { method: 'asbb-compat', perHour, billed, unbilled: [], missing: [] };
}

const kindOf = (resource: string): string => (resource.startsWith('gpu') ? 'gpu' : resource);

const isInForce = ({ from, to }: Indexed, micros: bigint): boolean =>
  from <= micros && (to === undefined || micros < to);

const earliest = (known: bigint | undefined, other: bigint): bigint =>
  known === undefined || other < known ? other : known;

function changesOf(rates: readonly Indexed[], index: RateIndex): bigint[] {
  const times = new Set<bigint>(index.firstByKind.values());
  for (const { from, to } of rates) {
    times.add(from);
    if (to !== undefined) times.add(to);
  }
  return [...times].sort((a, b) => (a < b ? -1 : 1));
}

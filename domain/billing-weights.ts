/**
 * What a cluster's rates are in Slurm's own words: billing weights of its TRES, on one scale, so that an amount of money is a
 * number of billing minutes. What weights cannot say is named.
 *
 * A unit of billing costs 1/scale an hour. Slurm rounds the billing of a job to a whole number, so the scale makes one unit a
 * thousandth or less, and every rate of a whole resource a whole number where six decimals allow it.
 */
import type { Resources } from './job';
import type { ClusterTerms } from './meter';
import type { CostSource } from './policy';
import { partitionTerms } from './meter';
import { fraction, fractionOfDecimal, times, type Fraction } from './rational';
import { tariffFor, type DatedRate } from './tariff';
import { instantOfMicros } from './time';

export interface PartitionWeights {
  partition: string;
  /** `CPU=100,Mem=0.5G,GRES/gpu=2000`, as slurm.conf has it behind TRESBillingWeights; '' where nothing costs anything. */
  weights: string;
}

export interface BillingWeights {
  unit: string;
  scale: number;
  partitions: PartitionWeights[];
  /** Sentences: what of the prices Slurm's weights do not say. */
  problems: string[];
}

/** What the weights are made from; the catalog's Cluster is one. */
export interface PricedCluster extends ClusterTerms {
  costSource: CostSource;
  partitions: readonly (ClusterTerms['partitions'][number] & { costSource?: CostSource })[];
}

const NOTHING: Resources = { nodes: 0, cpus: 0, gpus: 0, gpusByModel: {}, memoryMib: 0 };

const SCALES = [1_000, 10_000, 100_000, 1_000_000] as const;

interface Weighed {
  tres: string;
  suffix: string;
  /** Millionths of the unit per hour. */
  perHour: Fraction;
}

/** The weights of every partition that the cluster knows or has rates for, as of a moment. */
export function billingWeights(
  cluster: PricedCluster,
  rates: readonly DatedRate[],
  unit: string,
  atMicros: bigint,
): BillingWeights {
  const own = rates.filter((rate) => rate.cluster === cluster.name && rate.unit === unit);
  const names = new Set([
    ...cluster.partitions.map(({ name }) => name),
    ...own.flatMap(({ partition }) => partition ?? []),
  ]);
  const models = [...new Set(own.flatMap(({ resource }) => /^gpu:(.+)$/.exec(resource)?.[1] ?? []))].sort();
  const problems = new Set<string>();
  const weighed = [...names].sort().map((partition) => ({
    partition,
    list: weigh(cluster, rates, { unit, partition, models, atMicros }, problems),
  }));
  const all = weighed.flatMap(({ list }) => list);
  const scale = SCALES.find((each) => all.every(({ perHour }) => isWhole(perHour, each))) ?? 1_000_000;
  for (const each of generalProblems(cluster, own, atMicros)) problems.add(each);
  return {
    unit,
    scale,
    partitions: weighed.map(({ partition, list }) => ({
      partition,
      weights: list
        .map(({ tres, suffix, perHour }) => ({ tres, suffix, weight: decimalOf(perHour, scale) }))
        .filter(({ weight }) => weight !== '0')
        .map(({ tres, suffix, weight }) => `${tres}=${weight}${suffix}`)
        .join(','),
    })),
    problems: [...problems],
  };
}

/** As many billing minutes as an amount of millionths buys, rounded down: the wall never stands further out than the money. */
export const billingMinutes = (micro: bigint, scale: number): bigint =>
  micro <= 0n ? 0n : (micro * 60n * BigInt(scale)) / 1_000_000n;

function weigh(
  cluster: PricedCluster,
  rates: readonly DatedRate[],
  { unit, partition, models, atMicros }: { unit: string; partition: string; models: string[]; atMicros: bigint },
  problems: Set<string>,
): Weighed[] {
  const tariff = tariffFor(rates, { cluster: cluster.name, partition, unit, pricePreset: cluster.pricePreset });
  const terms = partitionTerms(cluster, partition);
  const queueWeight = fractionOfDecimal(terms.queueWeight);
  const priceOf = (resources: Partial<Resources>): Fraction | undefined => {
    const found = tariff.termsAt(atMicros, { ...NOTHING, ...resources }, false);
    for (const sentence of found.missing) problems.add(`Slurm does not bill it: ${sentence}`);
    return found.missing.length > 0 ? undefined : times(found.perHour, queueWeight);
  };
  const list: Weighed[] = [];
  const add = (tres: string, perHour: Fraction | undefined, suffix = '') => {
    if (perHour && perHour.numerator > 0n) list.push({ tres, suffix, perHour });
  };
  add('CPU', priceOf({ cpus: 1 }));
  add('Mem', priceOf({ memoryMib: 1024 }), 'G');
  add('Node', priceOf({ nodes: 1 }));
  const hasGpus = rates.some((rate) => rate.cluster === cluster.name && rate.resource.startsWith('gpu'));
  if (hasGpus || cluster.pricePreset !== 'none') addGpus(priceOf, add, { models, partition, unit }, problems);
  return list;
}

/** Slurm adds the weight of gres/gpu to that of gres/gpu:model, so a model is weighed by what it costs more. */
function addGpus(
  priceOf: (resources: Partial<Resources>) => Fraction | undefined,
  add: (tres: string, perHour: Fraction | undefined) => void,
  { models, partition, unit }: { models: string[]; partition: string; unit: string },
  problems: Set<string>,
): void {
  const quiet = new Set<string>();
  const generic = priceOfQuietly(priceOf, problems, quiet) ?? fraction(0n);
  const isModelOnly = generic.numerator === 0n && models.length > 0;
  if (!isModelOnly) for (const sentence of quiet) problems.add(sentence);
  add('GRES/gpu', generic);
  for (const model of models) {
    const price = priceOf({ gpus: 1, gpusByModel: { [model]: 1 } });
    if (!price) continue;
    const more = fraction(
      price.numerator * generic.denominator - generic.numerator * price.denominator,
      price.denominator * generic.denominator,
    );
    if (more.numerator < 0n) {
      problems.add(
        `in partition ${partition} a ${model} costs less ${unit} than other GPUs; Slurm only adds weights, and bills it like them`,
      );
    }
    add(`GRES/gpu:${model}`, more);
  }
}

/** A GPU of no model: where only models are rated, that it has no price is no problem of Slurm's. */
function priceOfQuietly(
  priceOf: (resources: Partial<Resources>) => Fraction | undefined,
  problems: Set<string>,
  quiet: Set<string>,
): Fraction | undefined {
  const before = new Set(problems);
  const price = priceOf({ gpus: 1 });
  for (const sentence of problems) {
    if (before.has(sentence)) continue;
    problems.delete(sentence);
    quiet.add(sentence);
  }
  return price;
}

function generalProblems(cluster: PricedCluster, own: readonly DatedRate[], atMicros: bigint): string[] {
  const at = instantOfMicros(atMicros);
  const reported = cluster.partitions.filter((each) => (each.costSource ?? cluster.costSource) === 'reported');
  const changes = own.flatMap(({ startsAt, endsAt }) => [startsAt, ...(endsAt === null ? [] : [endsAt])]);
  const [next] = changes.filter((change) => change > at).sort();
  return [
    ...(own.length === 0 && cluster.pricePreset === 'asbb-compat'
      ? ['no rate is set: the weights are those of the preset asbb-compat']
      : []),
    ...(cluster.minimumCharge > 0n ? ['the minimum charge of a job: Slurm has none'] : []),
    ...(cluster.costSource === 'reported' && reported.length === 0
      ? ['costs are reported to Bursar and not metered: the weights are only what the rates say']
      : []),
    ...reported.map(
      ({ name }) =>
        `costs in partition ${name} are reported to Bursar and not metered: the weights are only what the rates say`,
    ),
    ...(next === undefined ? [] : [`a rate changes at ${next}: the weights of slurm.conf have to be changed then`]),
  ];
}

const isWhole = ({ numerator, denominator }: Fraction, scale: number): boolean =>
  (numerator * BigInt(scale)) % (denominator * 1_000_000n) === 0n;

/** At most six decimals, rounded up, without zeros at the end. */
function decimalOf({ numerator, denominator }: Fraction, scale: number): string {
  const millionths = (numerator * BigInt(scale) + denominator - 1n) / denominator;
  const digits = (millionths % 1_000_000n).toString().padStart(6, '0').replace(/0+$/, '');
  return `${millionths / 1_000_000n}${digits === '' ? '' : `.${digits}`}`;
}

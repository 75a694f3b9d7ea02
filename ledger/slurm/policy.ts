/** What a relay keeps in a file beside the controller, so that a hook can price and decide while the service is away. */
import type { Resources } from '../../domain/job';
import { divideUp, toMicro, type Micro } from '../../domain/money';
import { tariffFor } from '../../domain/tariff';
import { epochMicros, instantOfMs, type Instant } from '../../domain/time';
import type { Cluster, Partition, PartitionPolicy, PriceBook, SlurmPolicy } from '../contract';
import { unitOf } from '../price-book';

/** Stands for every partition that is not named. */
const ANY = '*';

export function policyOf(cluster: Cluster, book: PriceBook, now: Instant = instantOfMs(Date.now())): SlurmPolicy {
  const unit = unitOf(cluster.name, book);
  const ofCluster = book.rates.filter((rate) => rate.cluster === cluster.name && rate.unit === unit);
  const models = [...new Set(ofCluster.map(({ resource }) => resource))].filter((name) => name.startsWith('gpu:'));
  const names = new Set([
    ...cluster.partitions.map(({ name }) => name),
    ...ofCluster.flatMap(({ partition }) => partition ?? []),
    ...(cluster.defaultPartition === undefined ? [] : [cluster.defaultPartition]),
  ]);
  const priced = (partition: string) => perHour(cluster, book, partition, unit ?? '', models, now);
  const partitionPolicy = (name: string): [string, PartitionPolicy] => {
    const known = cluster.partitions.find((partition) => partition.name === name);
    return [name, { ...settingsOf(known), perHour: priced(name) }];
  };
  return {
    cluster: cluster.name,
    timeZone: cluster.timeZone,
    ...(unit === undefined ? {} : { unit }),
    enforcement: cluster.enforcement,
    failurePolicy: cluster.failurePolicy,
    ...(cluster.failureLimit === undefined ? {} : { failureLimit: cluster.failureLimit }),
    exemptUsers: cluster.exemptUsers,
    exemptPartitions: cluster.partitions.flatMap(({ name, exempt }) => (exempt ? [name] : [])),
    withoutAccount: cluster.withoutAccount,
    ...(cluster.defaultPartition === undefined ? {} : { defaultPartition: cluster.defaultPartition }),
    partitions: Object.fromEntries([...[...names].sort().map(partitionPolicy), partitionPolicy(ANY)]),
    madeAt: now,
  };
}

/** Whole minutes, as Slurm counts limits; a second more is a minute more. */
const minutesOf = (seconds: number): number => Math.ceil(seconds / 60);

function settingsOf(partition: Partition | undefined): Omit<PartitionPolicy, 'perHour'> {
  const { failurePolicy, failureLimit, defaultTimeSeconds, maxTimeSeconds, queueWeight = '1' } = partition ?? {};
  return {
    ...(failurePolicy === undefined ? {} : { failurePolicy }),
    ...(failureLimit === undefined ? {} : { failureLimit }),
    ...(defaultTimeSeconds === undefined ? {} : { defaultMinutes: minutesOf(defaultTimeSeconds) }),
    ...(maxTimeSeconds === undefined ? {} : { maxMinutes: minutesOf(maxTimeSeconds) }),
    weight: queueWeight,
  };
}

const NOTHING: Resources = { nodes: 0, cpus: 0, gpus: 0, gpusByModel: {}, memoryMib: 0 };

/** What one of each resource costs for an hour that begins now. What has no price is left out. */
function perHour(
  cluster: Cluster,
  book: PriceBook,
  partition: string,
  unit: string,
  models: readonly string[],
  now: Instant,
): Record<string, Micro> {
  const tariff = tariffFor(book.rates, { cluster: cluster.name, partition, unit, pricePreset: cluster.pricePreset });
  const one: [string, Resources][] = [
    ['node', { ...NOTHING, nodes: 1 }],
    ['cpu', { ...NOTHING, cpus: 1 }],
    ['gpu', { ...NOTHING, gpus: 1 }],
    ['mem', { ...NOTHING, memoryMib: 1024 }],
    ...models.map((name): [string, Resources] => [
      name,
      { ...NOTHING, gpus: 1, gpusByModel: { [name.slice('gpu:'.length)]: 1 } },
    ]),
  ];
  const prices: Record<string, Micro> = {};
  for (const [name, resources] of one) {
    const terms = tariff.termsAt(epochMicros(now), resources, false);
    if (terms.missing.length > 0 || terms.unbilled.length > 0) continue;
    prices[name] = toMicro(divideUp(terms.perHour.numerator, terms.perHour.denominator));
  }
  return prices;
}

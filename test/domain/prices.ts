/** Clusters, rates and requests for the tests of prices. */
import fc from 'fast-check';
import type { JobRequest, Resources } from '../../domain/job';
import { toMicro, ZERO } from '../../domain/money';
import type { ClusterTerms } from '../../domain/meter';
import type { DatedRate } from '../../domain/tariff';
import type { CutUsage } from '../../domain/usage';
import { instantOfSeconds } from '../../domain/time';

export const UNIT = 'USD';
export const NEW_YEAR = '2026-01-01T00:00:00Z';

export const clusterWith = (changes: Partial<ClusterTerms> = {}): ClusterTerms => ({
  name: 'alpha',
  unpriced: 'deny',
  pricePreset: 'asbb-compat',
  holdMultiplier: '1.2',
  minimumCharge: ZERO,
  partitions: [],
  ...changes,
});

/** `rate('gpu:a100', 2.5)`: per resource-hour in USD, in force since the new year. */
export const rate = (resource: string, price: number, changes: Partial<DatedRate> = {}): DatedRate => ({
  cluster: 'alpha',
  resource,
  unit: UNIT,
  rate: toMicro(BigInt(Math.trunc(price * 1_000_000))),
  startsAt: NEW_YEAR,
  endsAt: null,
  ...changes,
});

export const resources = (changes: Partial<Resources> = {}): Resources => ({
  nodes: 1,
  cpus: 1,
  gpus: 0,
  gpusByModel: {},
  memoryMib: 0,
  ...changes,
});

export const requestFor = (changes: Partial<JobRequest> & { resources?: Resources } = {}): JobRequest => ({
  partition: 'batch',
  resources: resources(),
  fromTres: true,
  wallSeconds: 3600,
  unlimited: false,
  arrayTasks: 1,
  ...changes,
});

export function piecesOf(cut: CutUsage) {
  if ('quarantined' in cut) throw new Error(cut.quarantined);
  return cut.pieces;
}

export function totalOf(cut: CutUsage): bigint {
  if ('quarantined' in cut) throw new Error(cut.quarantined);
  return cut.total;
}

// Anything that a site might enter ----------------------------------------------------------------------------------------

/** 2026-01-01 and some days after, in seconds. */
const START = 1_767_225_600;
const DAY = 86_400;

export const someResources: fc.Arbitrary<Resources> = fc
  .record({
    nodes: fc.integer({ min: 1, max: 40 }),
    cpus: fc.integer({ min: 1, max: 2000 }),
    a100: fc.nat(8),
    other: fc.nat(8),
    memoryMib: fc.nat(2_000_000),
  })
  .map(({ a100, other, ...rest }) => ({ ...rest, gpus: a100 + other, gpusByModel: a100 > 0 ? { a100 } : {} }));

/** Rates without gaps for every kind: one price after another, for the cluster and for one partition. */
export const someRates: fc.Arbitrary<DatedRate[]> = fc
  .array(
    fc.record({
      resource: fc.constantFrom('node', 'cpu', 'mem', 'gpu', 'gpu:a100'),
      partition: fc.constantFrom(undefined, 'special'),
      changesAt: fc.uniqueArray(fc.integer({ min: START - 5 * DAY, max: START + 40 * DAY }), { maxLength: 4 }),
      price: fc.integer({ min: 0, max: 9_999_999 }),
    }),
    { maxLength: 12 },
  )
  .map((lists) => {
    const seen = new Set<string>();
    const everywhere = ['node', 'cpu', 'mem', 'gpu'].map((resource) => ({
      resource,
      partition: undefined,
      changesAt: [] as number[],
      price: 123_457,
    }));
    return [...lists, ...everywhere].flatMap(({ resource, partition, changesAt, price }) => {
      const key = `${resource} ${partition}`;
      if (seen.has(key)) return [];
      seen.add(key);
      const edges = [START - 10 * DAY, ...changesAt.sort((a, b) => a - b)];
      return edges.map((from, index): DatedRate => {
        const to = edges[index + 1];
        return {
          cluster: 'alpha',
          ...(partition === undefined ? {} : { partition }),
          resource,
          unit: UNIT,
          rate: toMicro(BigInt(price + index * 1_000_003)),
          startsAt: instantOfSeconds(from),
          endsAt: to === undefined ? null : instantOfSeconds(to),
        };
      });
    });
  });

export const someStart = fc.integer({ min: START, max: START + 20 * DAY });
export const someLength = fc.oneof(fc.integer({ min: 1, max: 7200 }), fc.integer({ min: 1, max: 30 * DAY }));
export const someZone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata');
export const somePartition = fc.constantFrom('batch', 'special', 'gpu-aws', 'debug');

export const someCluster: fc.Arbitrary<ClusterTerms> = fc
  .record({
    weight: fc.constantFrom('1', '0.5', '2.333333', '0'),
    minimum: fc.constantFrom(0n, 10_000n, 5_000_000n),
    pricePreset: fc.constantFrom('asbb-compat' as const, 'none' as const),
  })
  .map(({ weight, minimum, pricePreset }) =>
    clusterWith({
      pricePreset,
      holdMultiplier: '1',
      minimumCharge: toMicro(minimum),
      partitions: [{ name: 'special', queueWeight: weight }],
    }),
  );

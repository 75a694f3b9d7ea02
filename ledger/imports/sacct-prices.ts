/** What imported runs cost at the rates of the time at which they ran, and which of them have no price. */
import { given } from '../../domain/given';
import type { Resources } from '../../domain/job';
import type { ExactCost } from '../../domain/meter';
import type { SacctRun } from '../../domain/sacct-runs';
import { tariffFor, type Tariff } from '../../domain/tariff';
import { instantOfMicros } from '../../domain/time';
import { cutUsage, type CutUsage } from '../../domain/usage';
import type { Cluster, PriceBook } from '../contract';

export interface RunPrices {
  /** Why the run has no price in that unit; undefined: it has one. Asked for every row of a log, so it is quick. */
  gapOf(run: SacctRun, unit: string): string | undefined;
  /** `rest`: what was charged of a run of which this is a part. */
  priceOf(run: SacctRun, unit: string, rest?: ExactCost): CutUsage;
}

/** The answers depend on few things: unit, partition, the kinds of resources, and between which changes of rates the run lies. */
const KEPT = 50_000;

export function openRunPrices({ rates }: PriceBook, cluster: Cluster): RunPrices {
  const gaps = new Map<string, string>();
  const kinds = new WeakMap<Resources, string>();
  const kindsOf = (resources: Resources): string => {
    const known = kinds.get(resources);
    if (known !== undefined) return known;
    const { nodes, cpus, gpus, gpusByModel, memoryMib } = resources;
    const models = Object.entries(gpusByModel).filter(([, count]) => count > 0);
    const generic = models.reduce((left, [, count]) => left - count, gpus) > 0;
    const text = [nodes > 0, cpus > 0, memoryMib > 0, generic, ...models.map(([model]) => model).sort()].join(' ');
    kinds.set(resources, text);
    return text;
  };

  const tariffs = new Map<string, { tariff: Tariff; changes: readonly number[] }>();
  const tariffOf = (partition: string, unit: string) => {
    const key = `${unit}\0${partition}`;
    const known = tariffs.get(key);
    if (known) return known;
    const tariff = tariffFor(rates, { ...cluster, cluster: cluster.name, partition, unit });
    const made = { tariff, changes: tariff.changes.map(Number) };
    if (tariffs.size < KEPT) tariffs.set(key, made);
    return made;
  };

  return {
    gapOf({ startedAt, endedAt, resources, partition = '' }, unit) {
      if (startedAt === endedAt) return undefined;
      const { tariff, changes } = tariffOf(partition, unit);
      let passed = 0;
      while (passed < changes.length && (changes[passed] ?? 0) <= startedAt) passed += 1;
      // Each time between two changes is asked for at the moment at which it begins.
      for (let at = startedAt; ; at = changes[passed++] ?? endedAt) {
        const key = `${unit}\0${partition}\0${passed}\0${kindsOf(resources)}`;
        let gap = gaps.get(key);
        if (gap === undefined) {
          const { missing } = tariff.termsAt(BigInt(at), resources, false);
          gap = missing.length === 0 ? '' : `${missing.join('; ')}.`;
          if (gaps.size >= KEPT) gaps.clear();
          gaps.set(key, gap);
        }
        if (gap !== '') return gap;
        if ((changes[passed] ?? endedAt) >= endedAt) return undefined;
      }
    },

    priceOf({ partition = '', startedAt, endedAt, resources, suspendedMicros }, unit, rest) {
      const [startsAt, endsAt] = [instantOfMicros(BigInt(startedAt)), instantOfMicros(BigInt(endedAt))];
      const suspendedSeconds = suspendedMicros / 1e6;
      const usage = { partition, slices: [{ startsAt, endsAt, resources }], suspendedSeconds };
      return cutUsage(usage, cluster, rates, unit, cluster.timeZone, given({ rest }));
    },
  };
}

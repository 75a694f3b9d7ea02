/** The estimates of a log: its jobs ask for the same few things over and over, and each is priced once. */
import { tariffOf } from '../../domain/meter';
import { estimate, type Estimate } from '../../domain/price';
import { tariffFor } from '../../domain/tariff';
import { TEXTS_KEPT } from '../../domain/remembered';
import { MICROS_PER_SECOND, epochMicros } from '../../domain/time';

/** Says what `estimate` says. For jobs under the price book of one proposal: of a cluster only the name is looked at. */
export function openEstimates(): typeof estimate {
  const known = new Map<string, Estimate>();
  return (request, cluster, rates, unit, at, options?: Parameters<typeof estimate>[5]) => {
    const { changes } = tariffFor(rates, tariffOf(cluster, request.partition, unit));
    const from = epochMicros(at);
    let passed = 0;
    for (; passed < changes.length; passed += 1) if ((changes[passed] ?? from) > from) break;
    const next = changes[passed];
    // When it is asked makes no difference until a price changes.
    const holds = ({ wallSeconds }: Estimate) =>
      next === undefined || from + BigInt(wallSeconds) * MICROS_PER_SECOND <= next;
    const { partition, wallSeconds, resources, ...rest } = request;
    const { nodes, cpus, gpus, memoryMib, gpusByModel } = resources;
    const key = [
      cluster.name,
      unit,
      passed,
      options?.holdMultiplier,
      partition,
      wallSeconds,
      nodes,
      cpus,
      gpus,
      memoryMib,
    ]
      .concat(JSON.stringify([gpusByModel, rest]))
      .join('\0');
    const found = known.get(key);
    if (found && holds(found)) return found;
    const made = estimate(request, cluster, rates, unit, at, options);
    if (holds(made)) {
      if (known.size >= TEXTS_KEPT) known.clear();
      known.set(key, made);
    }
    return made;
  };
}

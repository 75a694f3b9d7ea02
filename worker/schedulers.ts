/** Which scheduler is asked for which cluster, as the configuration says. */
import { slurmCommands, slurmRest, type Scheduler } from '../activities';
import type { Config } from '../platform/config';
import type { Log } from '../platform/log';

export function openSchedulers(
  { slurm, timeZone }: Pick<Config, 'slurm' | 'timeZone'>,
  log: Pick<Log, 'info'>,
): (cluster: string) => Scheduler | undefined {
  const { clusters, rest, timeoutMs, binPath, configFile } = slurm;
  const schedulers = new Map<string, Scheduler>();
  for (const cluster of clusters) {
    const common = { binPath, timeoutMs, timeZone, ...(configFile !== undefined && { configFile }) };
    const which = clusters.length > 1 ? { cluster } : {};
    const scheduler = rest ? slurmRest({ ...rest, timeoutMs }) : slurmCommands({ ...common, ...which });
    log.info({ cluster, scheduler: scheduler.name }, 'scheduler is looked at');
    schedulers.set(cluster, scheduler);
  }
  return (cluster) => schedulers.get(cluster);
}

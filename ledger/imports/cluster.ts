/** The cluster that imported jobs ran on, as far as an import must know it. */
import { Fault } from '../../domain/faults';
import type { Sql } from '../../platform/postgres';
import { ask } from '../errors';

export interface ImportCluster {
  no: number;
  timeZone: string;
  timeoutSeconds: number;
}

/** `cluster_not_found`. */
export async function readCluster(sql: Sql, name: string): Promise<ImportCluster> {
  const [cluster] = await ask(
    () => sql<ImportCluster[]>`
      select cluster_no as no, time_zone as "timeZone", reconciliation_timeout_seconds as "timeoutSeconds"
      from ledger.clusters where name = ${name}`,
  );
  if (!cluster) throw new Fault('cluster_not_found', `There is no cluster "${name}".`, { facts: { cluster: name } });
  return cluster;
}

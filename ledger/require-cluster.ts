/** Clusters by their names, for lists that are filtered by them. */
import { Fault } from '../domain/faults';
import type { Sql } from '../platform/postgres';
import { ask } from './errors';

/** For a list that found nothing: of a cluster that is not there it would say that the cluster is quiet. */
export async function requireClusterOfNone(
  sql: Sql,
  rows: readonly unknown[],
  cluster: string | undefined,
): Promise<void> {
  if (cluster === undefined || rows.length > 0) return;
  const [known] = await ask(() => sql`select from ledger.clusters where name = ${cluster}`);
  if (!known) throw new Fault('cluster_not_found', `There is no cluster "${cluster}".`, { facts: { cluster } });
}

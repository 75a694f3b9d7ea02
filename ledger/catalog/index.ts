/**
 * Clusters, their partitions, and what resources cost on them.
 *
 * Every change takes the catalog's one version row first, so changes queue and admission sees each of them at once, and
 * leaves a row in ledger.changes that says who made it. A change that changes nothing leaves no trace.
 */
import { Fault } from '../../domain/faults';
import type { Sql, Tx } from '../../platform/postgres';
import type { Caller, Catalog, ClusterSettings } from '../contract';
import { ask } from '../errors';
import { openPriceBooks, readClusters, type PriceBooks } from '../price-book';
import { putCluster, putPartition, removePartition, requireCluster } from './clusters';
import { endRate, listRates, setRate } from './rates';
import { CLUSTER, PARTITION, RATE, remember, replayed, withoutNumber, type Codec } from './trail';

export type ClusterDefaults = Partial<
  Pick<ClusterSettings, 'holdMultiplier' | 'reconciliationTimeoutSeconds' | 'defaultPartition'>
>;

export interface CatalogDeps {
  sql: Sql;
  /** The price books that admission uses; a change made here is in them at once. */
  priceBooks?: PriceBooks;
  /** What a cluster is like that is made without saying so; else what the schema says. */
  clusterDefaults?: ClusterDefaults;
}

export function openCatalog({ sql, priceBooks = openPriceBooks(sql), clusterDefaults = {} }: CatalogDeps): Catalog {
  /** Runs a change under the catalog's lock, once per key, and lets this process's prices follow. */
  const change = async <T>(operation: string, caller: Caller, work: (tx: Tx) => Promise<T>, codec: Codec<T>) => {
    const answer = await ask(() =>
      sql.begin(async (tx) => {
        await tx`select version from ledger.catalog_version for update`;
        const first = await replayed(tx, operation, caller);
        if (first !== null) return codec.read(first);
        const result = await work(tx);
        await remember(tx, operation, caller, codec.write(result));
        return result;
      }),
    );
    // Committed already: where this reading fails, the next one finds the version changed.
    await priceBooks.upToDate().catch(() => undefined);
    return answer;
  };

  const put = async (tx: Tx, name: string, settings: Partial<ClusterSettings>, caller: Caller) => {
    const isNew = (await readClusters(tx, name)).length === 0;
    return putCluster(tx, name, isNew ? { ...clusterDefaults, ...settings } : settings, caller);
  };

  return {
    createCluster: (name, settings, caller) =>
      change(
        'create_cluster',
        caller,
        async (tx) => {
          if ((await readClusters(tx, name)).length > 0) {
            throw new Fault('cluster_exists', `A cluster named ${name} exists; change it with PUT.`, {
              facts: { cluster: name },
            });
          }
          return put(tx, name, settings, caller);
        },
        CLUSTER,
      ),
    putCluster: (name, settings, caller) =>
      change('put_cluster', caller, (tx) => put(tx, name, settings, caller), CLUSTER),
    readCluster: (name) => ask(async () => withoutNumber(await requireCluster(sql, name))),
    listClusters: () => ask(async () => (await readClusters(sql)).map(withoutNumber)),
    putPartition: (cluster, partition, caller) =>
      change('put_partition', caller, (tx) => putPartition(tx, cluster, partition, caller), PARTITION),
    removePartition: async (cluster, partition, caller) => {
      await change('remove_partition', caller, (tx) => removePartition(tx, cluster, partition, caller), PARTITION);
    },
    setRate: (rate, caller) => change('set_rate', caller, (tx) => setRate(tx, rate, caller), RATE),
    endRate: (rateNo, endsAt, caller) => change('end_rate', caller, (tx) => endRate(tx, rateNo, endsAt, caller), RATE),
    listRates: (filter, page) => ask(() => listRates(sql, filter, page)),
    priceBook: () => priceBooks.upToDate(),
  };
}

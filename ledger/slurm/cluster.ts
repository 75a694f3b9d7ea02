import { Fault } from '../../domain/faults';
import type { PriceBook } from '../contract';
import type { NumberedCluster, PriceBooks } from '../price-book';

/** A cluster and the prices it was read with, from memory; one made a moment ago is looked for in the database. `cluster_not_found`. */
export async function clusterNamed(
  prices: PriceBooks,
  name: string,
): Promise<{ cluster: NumberedCluster; book: PriceBook }> {
  for (const read of [prices.current, prices.upToDate]) {
    const book = await read();
    const cluster = book.clusters.get(name);
    if (cluster) return { cluster, book };
  }
  throw new Fault('cluster_not_found', `There is no cluster "${name}".`, { facts: { cluster: name } });
}

import { Fault } from '../../domain/faults';
import type { PriceBook } from '../contract';
import type { NumberedCluster, PriceBooks } from '../price-book';

interface NamedCluster {
  cluster: NumberedCluster;
  book: PriceBook;
}

/** A cluster and the prices it was read with, from memory; one made a moment ago is looked for in the database. `cluster_not_found`. */
export async function clusterNamed(prices: PriceBooks, name: string): Promise<NamedCluster> {
  const book = await prices.current();
  const cluster = book.clusters.get(name);
  return cluster ? { cluster, book } : clusterAsOfNow(prices, name);
}

/** The same as the catalog has it now, which costs a short query. `cluster_not_found`. */
export async function clusterAsOfNow(prices: PriceBooks, name: string): Promise<NamedCluster> {
  const book = await prices.upToDate();
  const cluster = book.clusters.get(name);
  if (cluster) return { cluster, book };
  throw new Fault('cluster_not_found', `There is no cluster "${name}".`, { facts: { cluster: name } });
}

/** A fresh install has one cluster, which whoever needs it first makes. */
import { Fault } from '../domain/faults';
import type { Catalog } from './contract';

/** Makes it where it is not there yet. Says whether it did. */
export async function ensureDefaultCluster(
  catalog: Pick<Catalog, 'createCluster'>,
  name: string,
  timeZone: string,
): Promise<boolean> {
  try {
    await catalog.createCluster(name, { timeZone }, { principal: 'bursar' });
    return true;
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'cluster_exists') throw error;
    return false;
  }
}

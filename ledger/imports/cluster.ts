/** The cluster that imported jobs ran on, as far as an import must know it. */
import { Fault } from '../../domain/faults';
import type { Sql } from '../../platform/postgres';
import { ask } from '../errors';

export interface ImportCluster {
  timeZone: string;
  timeoutSeconds: number;
  /** It is made by the first who asks for its number. */
  isNew: boolean;
  number(): Promise<number>;
}

/** What the cluster of a fresh install will be like. No server may have made it yet. */
export interface FreshCluster {
  timeZone: string;
  timeoutSeconds: number;
  make(): Promise<unknown>;
}

/** `cluster_not_found`, unless it is the one that a fresh install has. */
export async function readCluster(sql: Sql, name: string, fresh?: FreshCluster): Promise<ImportCluster> {
  const known = await find(sql, name);
  if (known) return { ...known, isNew: false, number: () => Promise.resolve(known.no) };
  if (!fresh) throw notFound(name);
  const { timeZone, timeoutSeconds, make } = fresh;
  const number = async () => {
    await make();
    const made = await find(sql, name);
    if (!made) throw notFound(name);
    return made.no;
  };
  return { timeZone, timeoutSeconds, isNew: true, number };
}

async function find(sql: Sql, name: string) {
  const [cluster] = await ask(
    () => sql<{ no: number; timeZone: string; timeoutSeconds: number }[]>`
      select cluster_no as no, time_zone as "timeZone", reconciliation_timeout_seconds as "timeoutSeconds"
      from ledger.clusters where name = ${name}`,
  );
  return cluster;
}

const notFound = (name: string): Fault =>
  new Fault('cluster_not_found', `There is no cluster "${name}".`, { facts: { cluster: name } });

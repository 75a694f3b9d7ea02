/** What a change of the catalog leaves behind: who made it, from what to what, and the answer for whoever sends it again. */
import { given } from '../../domain/given';
import { toMicro } from '../../domain/money';
import type { Tx } from '../../platform/postgres';
import type { Caller, Cluster, Partition, Rate } from '../contract';
import type { NumberedCluster } from '../price-book';

type Json = Parameters<Tx['json']>[0];

/** How an answer is kept for its key: as JSON, amounts as the text of their millionths. Only what `write` made is read. */
export interface Codec<T> {
  write(value: T): Json;
  read(stored: Json): T;
}

const json = (value: object): Json =>
  JSON.parse(JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner)));

const micro = (stored: unknown) => toMicro(BigInt(String(stored)));

export const CLUSTER: Codec<Cluster> = {
  write: (cluster) => json(withoutNumber(cluster)),
  read: (stored) => {
    const cluster = stored as unknown as Cluster;
    const amounts = given({
      holdCap: cluster.holdCap && micro(cluster.holdCap),
      failureLimit: cluster.failureLimit && micro(cluster.failureLimit),
    });
    const partitions = cluster.partitions.map((partition) => PARTITION.read(json(partition)));
    return { ...cluster, minimumCharge: micro(cluster.minimumCharge), ...amounts, partitions };
  },
};

export const PARTITION: Codec<Partition> = {
  write: json,
  read: (stored) => {
    const partition = stored as unknown as Partition;
    return { ...partition, ...given({ failureLimit: partition.failureLimit && micro(partition.failureLimit) }) };
  },
};

export const RATE: Codec<Rate> = {
  write: json,
  read: (stored) => {
    const rate = stored as unknown as Rate;
    return { ...rate, rate: micro(rate.rate) };
  },
};

export async function replayed(tx: Tx, operation: string, { principal, key, bodyHash }: Caller): Promise<Json> {
  if (key === undefined) return null;
  const [row] = await tx<{ answer: Json }[]>`
    select ledger.replayed(${principal}, ${operation}, ${key}, ${Buffer.from(bodyHash ?? [])}) as answer`;
  return row?.answer ?? null;
}

export async function remember(
  tx: Tx,
  operation: string,
  { principal, key, bodyHash }: Caller,
  answer: Json,
): Promise<void> {
  if (key === undefined) return;
  await tx`select ledger.remember(${principal}, ${operation}, ${key}, ${Buffer.from(bodyHash ?? [])}, ${tx.json(answer)})`;
}

export async function note(
  tx: Tx,
  action: 'put_cluster' | 'put_partition' | 'remove_partition' | 'set_rate' | 'end_rate',
  { clusterNo, name }: NumberedCluster,
  { principal }: Caller,
  before: object | Json | undefined,
  after: object | Json | undefined,
): Promise<void> {
  const [was, is] = [before, after].map((value) => (value === undefined ? null : JSON.stringify(value)));
  const subject = action.slice(action.indexOf('_') + 1);
  await tx`
    select ledger.note_change(${subject}, ${name}, ${clusterNo}, ${action}, ${principal}, ${was ?? null}::text::jsonb,
      ${is ?? null}::text::jsonb)`;
}

export const withoutNumber = (cluster: Cluster | NumberedCluster): Cluster => {
  const { clusterNo: _clusterNo, ...rest } = cluster as NumberedCluster;
  return rest;
};

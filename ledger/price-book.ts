/**
 * The catalog as one value in memory: every cluster, partition and rate, with the version of the catalog they were read
 * at. Admission prices from it without a round trip, and hands the version to the transaction that holds the money, which
 * says so when it is out of date (docs/decisions/0004).
 */
import { toMicro, renderAmount } from '../domain/money';
import type { Sql, Tx } from '../platform/postgres';
import type { Cluster, Partition, PriceBook, Rate } from './contract';
import { ask } from './errors';

export interface PriceBooks {
  /** What is in memory; read from the database only where there is nothing yet. May be out of date. */
  current(): Promise<PriceBook>;
  /** Reads again unless what is in memory is already newer than `staleVersion`. Callers at the same time share one reading. */
  refresh(staleVersion?: bigint): Promise<PriceBook>;
  /** As of now: one short query, and a reading only where the version has moved. */
  upToDate(): Promise<PriceBook>;
}

export function openPriceBooks(sql: Sql): PriceBooks {
  let known: PriceBook | undefined;
  let reading: Promise<PriceBook> | undefined;

  const read = (): Promise<PriceBook> => {
    reading ??= ask(() => readPriceBook(sql))
      .then((book) => (known = book))
      .finally(() => (reading = undefined));
    return reading;
  };

  return {
    current: async () => known ?? read(),
    refresh: async (staleVersion) => {
      if (known && staleVersion !== undefined && known.version > staleVersion) return known;
      // A reading that is under way may have begun before the change that the caller knows of.
      if (reading) await reading.catch(() => undefined);
      if (known && staleVersion !== undefined && known.version > staleVersion) return known;
      return read();
    },
    upToDate: async () => {
      if (!known) return read();
      const [row] = await ask(() => sql<{ version: bigint }[]>`select version from ledger.catalog_version`);
      const isNow = (book: PriceBook | undefined): book is PriceBook => book?.version === row?.version;
      if (isNow(known)) return known;
      if (reading) await reading.catch(() => undefined);
      return isNow(known) ? known : read();
    },
  };
}

/** Reads the whole catalog in one snapshot, so that the version is that of the rates beside it. */
async function readPriceBook(sql: Sql): Promise<PriceBook> {
  return sql.begin('isolation level repeatable read read only', async (tx) => {
    const [versions, clusters, rates] = await Promise.all([
      tx<{ version: bigint }[]>`select version from ledger.catalog_version`,
      readClusters(tx),
      readRates(tx),
    ]);
    return {
      version: versions[0]?.version ?? 0n,
      clusters: new Map(clusters.map((cluster) => [cluster.name, cluster])),
      rates,
    };
  });
}

export type NumberedCluster = Cluster & { clusterNo: number };

interface ClusterRow {
  clusterNo: number;
  name: string;
  timeZone: string;
  defaultPartition: string | null;
  enforcement: Cluster['enforcement'];
  failurePolicy: Cluster['failurePolicy'];
  failureLimitMicro: bigint | null;
  exemptUsers: string[];
  withoutAccount: Cluster['withoutAccount'];
  costSource: Cluster['costSource'];
  unpriced: Cluster['unpriced'];
  pricePreset: Cluster['pricePreset'];
  holdMultiplierMicro: bigint;
  holdCapMicro: bigint | null;
  minimumChargeMicro: bigint;
  endGraceSeconds: number;
  reconciliationTimeoutSeconds: number;
  refundNodeFail: Cluster['refundNodeFail'];
  refundBootFail: Cluster['refundBootFail'];
  refundPreempted: Cluster['refundPreempted'];
  refundAdminCancel: Cluster['refundAdminCancel'];
  refundLostTimeSeconds: number;
  unit: string | null;
}

interface PartitionRow {
  clusterNo: number;
  name: string;
  maxTimeSeconds: bigint | null;
  defaultTimeSeconds: bigint | null;
  queueWeightMicro: bigint;
  costSource: Cluster['costSource'] | null;
  failurePolicy: Cluster['failurePolicy'] | null;
  failureLimitMicro: bigint | null;
  exempt: boolean;
}

export interface RateRow {
  rateNo: bigint;
  cluster: string;
  partition: string | null;
  resource: string;
  unit: string;
  rateMicro: bigint;
  startsAt: string;
  endsAt: string;
  source: string;
}

/** One cluster, or all of them, with their partitions, by name. */
export async function readClusters(sql: Sql | Tx, name?: string): Promise<NumberedCluster[]> {
  const [clusters, partitions] = await Promise.all([
    sql<ClusterRow[]>`
      select cluster_no as "clusterNo", name, time_zone as "timeZone", default_partition as "defaultPartition",
             enforcement, failure_policy as "failurePolicy", failure_limit_micro as "failureLimitMicro",
             exempt_users as "exemptUsers", without_account as "withoutAccount", cost_source as "costSource", unpriced,
             price_preset as "pricePreset",
             hold_multiplier_micro as "holdMultiplierMicro", hold_cap_micro as "holdCapMicro",
             minimum_charge_micro as "minimumChargeMicro", end_grace_seconds as "endGraceSeconds",
             reconciliation_timeout_seconds as "reconciliationTimeoutSeconds",
             refund_node_fail as "refundNodeFail", refund_boot_fail as "refundBootFail",
             refund_preempted as "refundPreempted", refund_admin_cancel as "refundAdminCancel",
             refund_lost_time_seconds as "refundLostTimeSeconds",
             (select r.unit from ledger.rates r where r.cluster_no = clusters.cluster_no
              group by r.unit order by count(*) desc, r.unit collate "C" limit 1) as unit
      from ledger.clusters
      where ${name === undefined ? sql`true` : sql`name = ${name}`}
      order by name`,
    sql<PartitionRow[]>`
      select p.cluster_no as "clusterNo", p.name, p.max_time_seconds as "maxTimeSeconds",
             p.default_time_seconds as "defaultTimeSeconds", p.queue_weight_micro as "queueWeightMicro",
             p.cost_source as "costSource", p.failure_policy as "failurePolicy",
             p.failure_limit_micro as "failureLimitMicro", p.exempt
      from ledger.partitions p join ledger.clusters c using (cluster_no)
      where ${name === undefined ? sql`true` : sql`c.name = ${name}`}
      order by p.name`,
  ]);
  const byCluster = new Map<number, Partition[]>();
  for (const row of partitions) {
    const list = byCluster.get(row.clusterNo);
    if (list) list.push(partitionOf(row));
    else byCluster.set(row.clusterNo, [partitionOf(row)]);
  }
  return clusters.map((row) => clusterOf(row, byCluster.get(row.clusterNo) ?? []));
}

export const rateColumns = (sql: Sql | Tx) => sql`
  r.rate_no as "rateNo", c.name as cluster, r.partition, r.resource, r.unit, r.rate_micro as "rateMicro",
  r.starts_at as "startsAt", r.ends_at as "endsAt", r.source`;

const readRates = async (sql: Sql | Tx): Promise<Rate[]> => {
  const rows = await sql<RateRow[]>`
    select ${rateColumns(sql)}
    from ledger.rates r join ledger.clusters c using (cluster_no)
    order by r.rate_no`;
  return rows.map(rateOf);
};

const clusterOf = (row: ClusterRow, partitions: Partition[]): NumberedCluster => ({
  clusterNo: row.clusterNo,
  name: row.name,
  timeZone: row.timeZone,
  ...(row.defaultPartition === null ? {} : { defaultPartition: row.defaultPartition }),
  enforcement: row.enforcement,
  failurePolicy: row.failurePolicy,
  ...(row.failureLimitMicro === null ? {} : { failureLimit: toMicro(row.failureLimitMicro) }),
  exemptUsers: row.exemptUsers,
  withoutAccount: row.withoutAccount,
  costSource: row.costSource,
  unpriced: row.unpriced,
  pricePreset: row.pricePreset,
  holdMultiplier: renderAmount(row.holdMultiplierMicro),
  ...(row.holdCapMicro === null ? {} : { holdCap: toMicro(row.holdCapMicro) }),
  minimumCharge: toMicro(row.minimumChargeMicro),
  endGraceSeconds: row.endGraceSeconds,
  reconciliationTimeoutSeconds: row.reconciliationTimeoutSeconds,
  refundNodeFail: row.refundNodeFail,
  refundBootFail: row.refundBootFail,
  refundPreempted: row.refundPreempted,
  refundAdminCancel: row.refundAdminCancel,
  refundLostTimeSeconds: row.refundLostTimeSeconds,
  ...(row.unit === null ? {} : { unit: row.unit }),
  partitions,
});

const partitionOf = (row: PartitionRow): Partition => ({
  name: row.name,
  ...(row.maxTimeSeconds === null ? {} : { maxTimeSeconds: Number(row.maxTimeSeconds) }),
  ...(row.defaultTimeSeconds === null ? {} : { defaultTimeSeconds: Number(row.defaultTimeSeconds) }),
  queueWeight: renderAmount(row.queueWeightMicro),
  ...(row.costSource === null ? {} : { costSource: row.costSource }),
  ...(row.failurePolicy === null ? {} : { failurePolicy: row.failurePolicy }),
  ...(row.failureLimitMicro === null ? {} : { failureLimit: toMicro(row.failureLimitMicro) }),
  ...(row.exempt ? { exempt: true as const } : {}),
});

export const rateOf = (row: RateRow): Rate => ({
  rateNo: Number(row.rateNo),
  cluster: row.cluster,
  ...(row.partition === null ? {} : { partition: row.partition }),
  resource: row.resource,
  unit: row.unit,
  rate: toMicro(row.rateMicro),
  startsAt: row.startsAt,
  endsAt: row.endsAt === 'infinity' ? null : row.endsAt,
  source: row.source,
});

export const unitOf = (cluster: string, { clusters }: PriceBook): string | undefined => clusters.get(cluster)?.unit;

/** The one that most of them have. */
export function usualUnit(rows: readonly { unit: string }[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { unit } of rows) counts.set(unit, (counts.get(unit) ?? 0) + 1);
  return [...counts].sort(([a, many], [b, more]) => more - many || (a < b ? -1 : 1))[0]?.[0];
}

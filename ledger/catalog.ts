/**
 * Clusters, their partitions, and what resources cost on them.
 *
 * Every change takes the catalog's one version row first, so changes queue and admission sees each of them at once, and
 * leaves a row in ledger.changes that says who made it. A change that changes nothing leaves no trace.
 */
import { isDeepStrictEqual } from 'node:util';
import { Fault } from '../domain/faults';
import { given } from '../domain/given';
import { parseAmount, toMicro, type Micro } from '../domain/money';
import type { FailurePolicy } from '../domain/policy';
import { compareInstants, readTimeZone, type Instant } from '../domain/time';
import type { Sql, Tx } from '../platform/postgres';
import type { Caller, Catalog, Cluster, ClusterSettings, Page, Paged, Partition, Rate } from './contract';
import { ask } from './errors';
import { cursorOf, pageOf, rowsAsked } from './paging';
import {
  openPriceBooks,
  rateOf,
  readClusters,
  type NumberedCluster,
  type PriceBooks,
  type RateRow,
} from './price-book';

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

// Clusters and partitions -------------------------------------------------------------------------------------------------

async function putCluster(tx: Tx, name: string, settings: Partial<ClusterSettings>, caller: Caller): Promise<Cluster> {
  const [before] = await readClusters(tx, name);
  const timeZone = settings.timeZone ?? before?.timeZone;
  if (timeZone === undefined) {
    const detail = 'is required of a new cluster: the IANA zone in which its days begin, like America/Chicago';
    throw new Fault('malformed_request', `time_zone ${detail}`, { errors: [{ pointer: '/time_zone', detail }] });
  }
  requireLimit(settings.failurePolicy ?? before?.failurePolicy, limitOf(settings, before));
  const columns = {
    ...given({
      default_partition: settings.defaultPartition,
      enforcement: settings.enforcement,
      failure_policy: settings.failurePolicy,
      failure_limit_micro: settings.failureLimit,
      exempt_users: settings.exemptUsers && [...new Set(settings.exemptUsers)].sort(),
      without_account: settings.withoutAccount,
      cost_source: settings.costSource,
      unpriced: settings.unpriced,
      price_preset: settings.pricePreset,
      hold_multiplier_micro: settings.holdMultiplier === undefined ? undefined : parseAmount(settings.holdMultiplier),
      hold_cap_micro: settings.holdCap,
      minimum_charge_micro: settings.minimumCharge,
      end_grace_seconds: settings.endGraceSeconds,
      reconciliation_timeout_seconds: settings.reconciliationTimeoutSeconds,
      refund_node_fail: settings.refundNodeFail,
      refund_boot_fail: settings.refundBootFail,
      refund_preempted: settings.refundPreempted,
      refund_admin_cancel: settings.refundAdminCancel,
      refund_lost_time_seconds: settings.refundLostTimeSeconds,
    }),
    time_zone: readTimeZone(timeZone),
  };
  if (before) {
    if (!isSameCluster(before, settings, columns.time_zone)) {
      await tx`update ledger.clusters set ${tx(columns)}, updated_at = clock_timestamp() where name = ${name}`;
    }
  } else {
    await tx`insert into ledger.clusters ${tx({ name, ...columns })}`;
  }
  const after = await requireCluster(tx, name);
  await note(tx, 'put_cluster', after, caller, before && CLUSTER.write(before), CLUSTER.write(after));
  return withoutNumber(after);
}

/** What a cluster's limit will be: null in a setting takes it away. */
const limitOf = ({ failureLimit }: Partial<ClusterSettings>, before: Cluster | undefined) =>
  failureLimit === undefined ? before?.failureLimit : (failureLimit ?? undefined);

/** A hook that may let jobs in up to a limit must be told which. */
function requireLimit(policy: FailurePolicy | undefined, limit: Micro | undefined): void {
  if (policy !== 'open_to_limit' || limit !== undefined) return;
  const detail = 'is required where failure_policy is open_to_limit: how much an hour hooks may let in by themselves';
  throw new Fault('malformed_request', `failure_limit ${detail}`, { errors: [{ pointer: '/failure_limit', detail }] });
}

/** A PUT that repeats what is there must not make every process read its prices again. */
function isSameCluster(before: Cluster, settings: Partial<ClusterSettings>, timeZone: string): boolean {
  const wanted = { ...before, ...settings, timeZone };
  const { defaultPartition = null, holdCap = null, failureLimit = null } = before;
  return (
    CLUSTER_KEYS.every((key) => wanted[key] === before[key]) &&
    (settings.defaultPartition === undefined || settings.defaultPartition === defaultPartition) &&
    (settings.holdCap === undefined || settings.holdCap === holdCap) &&
    (settings.failureLimit === undefined || settings.failureLimit === failureLimit) &&
    (settings.exemptUsers === undefined || isDeepStrictEqual([...settings.exemptUsers].sort(), before.exemptUsers))
  );
}

const CLUSTER_KEYS = [
  'timeZone',
  'enforcement',
  'failurePolicy',
  'withoutAccount',
  'costSource',
  'unpriced',
  'pricePreset',
  'holdMultiplier',
  'minimumCharge',
  'endGraceSeconds',
  'reconciliationTimeoutSeconds',
  'refundNodeFail',
  'refundBootFail',
  'refundPreempted',
  'refundAdminCancel',
  'refundLostTimeSeconds',
] as const satisfies (keyof Cluster)[];

async function putPartition(tx: Tx, cluster: string, partition: Partition, caller: Caller): Promise<Partition> {
  const known = await requireCluster(tx, cluster);
  const before = known.partitions.find(({ name }) => name === partition.name);
  if (before && isDeepStrictEqual(before, partition)) return before;
  requireLimit(partition.failurePolicy, partition.failureLimit ?? known.failureLimit);
  await tx`
    insert into ledger.partitions ${tx({
      cluster_no: known.clusterNo,
      name: partition.name,
      max_time_seconds: partition.maxTimeSeconds ?? null,
      default_time_seconds: partition.defaultTimeSeconds ?? null,
      queue_weight_micro: parseAmount(partition.queueWeight),
      cost_source: partition.costSource ?? null,
      failure_policy: partition.failurePolicy ?? null,
      failure_limit_micro: partition.failureLimit ?? null,
      exempt: partition.exempt ?? false,
    })}
    on conflict (cluster_no, name) do update set
      max_time_seconds = excluded.max_time_seconds,
      default_time_seconds = excluded.default_time_seconds,
      queue_weight_micro = excluded.queue_weight_micro,
      cost_source = excluded.cost_source,
      failure_policy = excluded.failure_policy,
      failure_limit_micro = excluded.failure_limit_micro,
      exempt = excluded.exempt`;
  const after = requirePartition(await requireCluster(tx, cluster), partition.name);
  await note(tx, 'put_partition', known, caller, before && PARTITION.write(before), PARTITION.write(after));
  return after;
}

async function removePartition(tx: Tx, cluster: string, partition: string, caller: Caller): Promise<Partition> {
  const found = await requireCluster(tx, cluster);
  const before = requirePartition(found, partition);
  await tx`delete from ledger.partitions where cluster_no = ${found.clusterNo} and name = ${partition}`;
  await note(tx, 'remove_partition', found, caller, PARTITION.write(before), undefined);
  return before;
}

async function requireCluster(sql: Sql | Tx, name: string): Promise<NumberedCluster> {
  const [cluster] = await readClusters(sql, name);
  if (!cluster)
    throw new Fault('cluster_not_found', `There is no cluster named ${name}.`, { facts: { cluster: name } });
  return cluster;
}

function requirePartition(cluster: Cluster, name: string): Partition {
  const partition = cluster.partitions.find((known) => known.name === name);
  if (partition) return partition;
  throw new Fault('partition_not_found', `Cluster ${cluster.name} has no partition named ${name}.`, {
    facts: { cluster: cluster.name, partition: name },
  });
}

// Rates -------------------------------------------------------------------------------------------------------------------

/**
 * The rate in force at `startsAt` ends there, this one begins, in one transaction: no moment has two rates, and none has
 * lost its rate. What is written again exactly as it is, is left alone.
 */
async function setRate(tx: Tx, rate: Omit<Rate, 'rateNo'>, caller: Caller): Promise<Rate> {
  const cluster = await requireCluster(tx, rate.cluster);
  if (rate.endsAt !== null && compareInstants(rate.endsAt, rate.startsAt) <= 0) {
    const detail = 'must be after starts_at';
    throw new Fault('malformed_request', `ends_at ${detail}`, { errors: [{ pointer: '/ends_at', detail }] });
  }
  const neighbours = (await siblings(tx, cluster.clusterNo, rate)).map(rateOf);
  const same = neighbours.find(
    (other) =>
      other.rate === rate.rate &&
      other.source === rate.source &&
      compareInstants(other.startsAt, rate.startsAt) === 0 &&
      (other.endsAt === null || rate.endsAt === null
        ? other.endsAt === rate.endsAt
        : compareInstants(other.endsAt, rate.endsAt) === 0),
  );
  if (same) return same;

  const inForce = neighbours.find(
    (other) => overlaps(other, rate) && compareInstants(other.startsAt, rate.startsAt) < 0,
  );
  const inTheWay = neighbours.find((other) => other !== inForce && overlaps(other, rate));
  if (inTheWay) throw rateOverlaps(inTheWay, rate);
  if (inForce) {
    await tx`update ledger.rates set ends_at = ${rate.startsAt}::timestamptz where rate_no = ${inForce.rateNo}`;
  }
  const [row] = await tx<{ rateNo: bigint }[]>`
    insert into ledger.rates (cluster_no, partition, resource, unit, rate_micro, starts_at, ends_at, source)
    values (${cluster.clusterNo}, ${rate.partition ?? null}, ${rate.resource}, ${rate.unit}, ${rate.rate},
            ${rate.startsAt}::timestamptz, ${rate.endsAt ?? 'infinity'}::timestamptz, ${rate.source})
    returning rate_no as "rateNo"`;
  const after = await requireRate(tx, Number(row?.rateNo));
  await note(tx, 'set_rate', cluster, caller, inForce && RATE.write(inForce), RATE.write(after));
  return after;
}

/** A rate that has begun can end after its beginning; one that has not begun yet can also be taken away whole. */
async function endRate(tx: Tx, rateNo: number, endsAt: Instant, caller: Caller): Promise<Rate> {
  const before = await requireRate(tx, rateNo);
  const cluster = await requireCluster(tx, before.cluster);
  if (before.endsAt !== null && compareInstants(endsAt, before.endsAt) > 0) {
    throw new Fault(
      'rate_overlaps',
      `Rate ${rateNo} ended on ${before.endsAt} already; a longer one is set as a new rate from there.`,
      { facts: { rate_no: rateNo, ends_at: before.endsAt } },
    );
  }
  if (compareInstants(endsAt, before.startsAt) <= 0) {
    const [gone] = await tx<{ rateNo: bigint }[]>`
      delete from ledger.rates where rate_no = ${rateNo} and starts_at > clock_timestamp() returning rate_no as "rateNo"`;
    if (!gone) {
      const detail = `must be after ${before.startsAt}, when the rate began`;
      throw new Fault('malformed_request', `ends_at ${detail}`, { errors: [{ pointer: '/ends_at', detail }] });
    }
    await note(tx, 'end_rate', cluster, caller, RATE.write(before), undefined);
    return { ...before, endsAt: before.startsAt };
  }
  await tx`update ledger.rates set ends_at = ${endsAt}::timestamptz where rate_no = ${rateNo}`;
  const after = await requireRate(tx, rateNo);
  await note(tx, 'end_rate', cluster, caller, RATE.write(before), RATE.write(after));
  return after;
}

const rateColumns = (sql: Sql | Tx) => sql`
  r.rate_no as "rateNo", c.name as cluster, r.partition, r.resource, r.unit, r.rate_micro as "rateMicro",
  r.starts_at as "startsAt", r.ends_at as "endsAt", r.source`;

/** The rates that may not overlap with this one. */
const siblings = (tx: Tx, clusterNo: number, { partition, resource, unit }: Omit<Rate, 'rateNo'>) => tx<RateRow[]>`
  select ${rateColumns(tx)} from ledger.rates r join ledger.clusters c using (cluster_no)
  where cluster_no = ${clusterNo} and r.partition is not distinct from ${partition ?? null}::text
    and r.resource = ${resource} and r.unit = ${unit}
  order by r.starts_at`;

async function requireRate(tx: Tx, rateNo: number): Promise<Rate> {
  const [row] = await tx<RateRow[]>`
    select ${rateColumns(tx)} from ledger.rates r join ledger.clusters c using (cluster_no) where r.rate_no = ${rateNo}`;
  if (!row) throw new Fault('rate_not_found', `There is no rate ${rateNo}.`, { facts: { rate_no: rateNo } });
  return rateOf(row);
}

const overlaps = (a: Pick<Rate, 'startsAt' | 'endsAt'>, b: Pick<Rate, 'startsAt' | 'endsAt'>): boolean =>
  (a.endsAt === null || compareInstants(b.startsAt, a.endsAt) < 0) &&
  (b.endsAt === null || compareInstants(a.startsAt, b.endsAt) < 0);

function rateOverlaps(other: Rate, rate: Omit<Rate, 'rateNo'>): Fault {
  const until = other.endsAt === null ? 'without an end' : `until ${other.endsAt}`;
  const isLater = compareInstants(other.startsAt, rate.startsAt) > 0;
  const advice = isLater
    ? `give this one ends_at ${other.startsAt}, or end the other first`
    : 'end it first, or choose another time';
  return new Fault(
    'rate_overlaps',
    `Rate ${other.rateNo} for ${other.resource} in ${other.unit} runs from ${other.startsAt} ${until}; ${advice}.`,
    { facts: { rate_no: other.rateNo, starts_at: other.startsAt, ends_at: other.endsAt } },
  );
}

async function listRates(
  sql: Sql,
  filter: { cluster?: string; partition?: string; resource?: string; at?: Instant },
  page: Page,
): Promise<Paged<Rate>> {
  const rows = await sql<RateRow[]>`
    select ${rateColumns(sql)} from ledger.rates r join ledger.clusters c using (cluster_no)
    where ${filter.cluster === undefined ? sql`true` : sql`c.name = ${filter.cluster}`}
      and ${filter.partition === undefined ? sql`true` : sql`r.partition = ${filter.partition}`}
      and ${filter.resource === undefined ? sql`true` : sql`r.resource = ${filter.resource}`}
      and ${filter.at === undefined ? sql`true` : sql`r.starts_at <= ${filter.at}::timestamptz and r.ends_at > ${filter.at}::timestamptz`}
      and r.rate_no < ${cursorOf(page)}
    order by r.rate_no desc limit ${rowsAsked(page)} offset ${page.offset ?? 0}`;
  const { rows: shown, ...next } = pageOf(rows, page, ({ rateNo }) => rateNo);
  return { rows: shown.map(rateOf), ...next };
}

// Traces and repetitions --------------------------------------------------------------------------------------------------

type Json = Parameters<Tx['json']>[0];

/** How an answer is kept for its key: as JSON, amounts as the text of their millionths. Only what `write` made is read. */
interface Codec<T> {
  write(value: T): Json;
  read(stored: Json): T;
}

const json = (value: object): Json =>
  JSON.parse(JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner)));

const micro = (stored: unknown) => toMicro(BigInt(String(stored)));

const CLUSTER: Codec<Cluster> = {
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

const PARTITION: Codec<Partition> = {
  write: json,
  read: (stored) => {
    const partition = stored as unknown as Partition;
    return { ...partition, ...given({ failureLimit: partition.failureLimit && micro(partition.failureLimit) }) };
  },
};

const RATE: Codec<Rate> = {
  write: json,
  read: (stored) => {
    const rate = stored as unknown as Rate;
    return { ...rate, rate: micro(rate.rate) };
  },
};

async function replayed(tx: Tx, operation: string, { principal, key, bodyHash }: Caller): Promise<Json> {
  if (key === undefined) return null;
  const [row] = await tx<{ answer: Json }[]>`
    select ledger.replayed(${principal}, ${operation}, ${key}, ${Buffer.from(bodyHash ?? [])}) as answer`;
  return row?.answer ?? null;
}

async function remember(tx: Tx, operation: string, { principal, key, bodyHash }: Caller, answer: Json): Promise<void> {
  if (key === undefined) return;
  await tx`select ledger.remember(${principal}, ${operation}, ${key}, ${Buffer.from(bodyHash ?? [])}, ${tx.json(answer)})`;
}

async function note(
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

const withoutNumber = (cluster: Cluster | NumberedCluster): Cluster => {
  const { clusterNo: _clusterNo, ...rest } = cluster as NumberedCluster;
  return rest;
};

/** What is set of clusters and of their partitions. */
import { isDeepStrictEqual } from 'node:util';
import { Fault } from '../../domain/faults';
import { given } from '../../domain/given';
import { parseAmount, type Micro } from '../../domain/money';
import type { FailurePolicy } from '../../domain/policy';
import { readTimeZone } from '../../domain/time';
import type { Sql, Tx } from '../../platform/postgres';
import type { Caller, Cluster, ClusterSettings, Partition } from '../contract';
import { readClusters, type NumberedCluster } from '../price-book';
import { CLUSTER, note, PARTITION, withoutNumber } from './trail';

export async function putCluster(
  tx: Tx,
  name: string,
  settings: Partial<ClusterSettings>,
  caller: Caller,
): Promise<Cluster> {
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

export async function putPartition(tx: Tx, cluster: string, partition: Partition, caller: Caller): Promise<Partition> {
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

export async function removePartition(tx: Tx, cluster: string, partition: string, caller: Caller): Promise<Partition> {
  const found = await requireCluster(tx, cluster);
  const before = requirePartition(found, partition);
  await tx`delete from ledger.partitions where cluster_no = ${found.clusterNo} and name = ${partition}`;
  await note(tx, 'remove_partition', found, caller, PARTITION.write(before), undefined);
  return before;
}

export async function requireCluster(sql: Sql | Tx, name: string): Promise<NumberedCluster> {
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

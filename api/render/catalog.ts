import type { z } from 'zod';
import type { Cluster, Partition, Rate } from '../../ledger/contract';
import type { ClusterAnswer, PartitionAnswer, RateAnswer } from '../schemas/catalog';
import { amount, amountOr, factorOf } from './money';

export const renderPartition = (partition: Partition): z.infer<typeof PartitionAnswer> => ({
  name: partition.name,
  max_time_seconds: partition.maxTimeSeconds,
  default_time_seconds: partition.defaultTimeSeconds,
  queue_weight: factorOf(partition.queueWeight),
  cost_source: partition.costSource,
  failure_policy: partition.failurePolicy,
  failure_limit: amountOr(partition.failureLimit, undefined),
  exempt: partition.exempt ?? false,
});

export const renderCluster = (cluster: Cluster): z.infer<typeof ClusterAnswer> => ({
  name: cluster.name,
  time_zone: cluster.timeZone,
  unit: cluster.unit,
  default_partition: cluster.defaultPartition,
  enforcement: cluster.enforcement,
  failure_policy: cluster.failurePolicy,
  failure_limit: amountOr(cluster.failureLimit, undefined),
  exempt_users: [...cluster.exemptUsers],
  without_account: cluster.withoutAccount,
  cost_source: cluster.costSource,
  unpriced: cluster.unpriced,
  price_preset: cluster.pricePreset,
  hold_multiplier: factorOf(cluster.holdMultiplier),
  hold_cap: amountOr(cluster.holdCap, undefined),
  minimum_charge: amount(cluster.minimumCharge),
  end_grace_seconds: cluster.endGraceSeconds,
  reconciliation_timeout_seconds: cluster.reconciliationTimeoutSeconds,
  refund_node_fail: cluster.refundNodeFail,
  refund_boot_fail: cluster.refundBootFail,
  refund_preempted: cluster.refundPreempted,
  refund_admin_cancel: cluster.refundAdminCancel,
  refund_lost_time_seconds: cluster.refundLostTimeSeconds,
  partitions: cluster.partitions.map(renderPartition),
});

const isCurrency = (unit: string): boolean => /^[A-Z]{3}$/.test(unit);

export const renderRate = (rate: Rate): z.infer<typeof RateAnswer> => ({
  rate_no: rate.rateNo,
  cluster: rate.cluster,
  partition: rate.partition,
  resource: rate.resource,
  unit: rate.unit,
  rate: amount(rate.rate),
  ...(isCurrency(rate.unit) ? { price: amount(rate.rate) } : { su_per_unit: amount(rate.rate) }),
  starts_at: rate.startsAt,
  ends_at: rate.endsAt,
  source: rate.source,
});

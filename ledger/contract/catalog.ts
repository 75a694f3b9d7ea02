/** Clusters, their partitions, and what resources cost on them. */
import type { ClusterTerms, PartitionTerms } from '../../domain/meter';
import type { Micro } from '../../domain/money';
import type { CostSource, Enforcement, FailurePolicy, RefundPolicy, WithoutAccount } from '../../domain/policy';
import type { DatedRate } from '../../domain/tariff';
import type { Instant } from '../../domain/time';
import type { Caller, Page, Paged } from './asking';

/** What a cluster says about its prices, and how its jobs are settled. */
export interface Cluster extends ClusterTerms {
  timeZone: string;
  defaultPartition?: string;
  enforcement: Enforcement;
  failurePolicy: FailurePolicy;
  /** How much an hour of jobs hooks let in by themselves, where the policy is open_to_limit. */
  failureLimit?: Micro;
  /** Users whose jobs are neither asked about nor charged. */
  exemptUsers: readonly string[];
  withoutAccount: WithoutAccount;
  costSource: CostSource;
  endGraceSeconds: number;
  reconciliationTimeoutSeconds: number;
  refundNodeFail: RefundPolicy;
  refundBootFail: RefundPolicy;
  refundPreempted: RefundPolicy;
  refundAdminCancel: RefundPolicy;
  /** What lost_time gives back at most. */
  refundLostTimeSeconds: number;
  /** The unit that most of its rates are in, and so what its amounts are in; it has none where it has no rates. */
  unit?: string;
  partitions: Partition[];
}

/** What it says itself stands before what its cluster says. */
export interface Partition extends PartitionTerms {
  costSource?: CostSource;
  failurePolicy?: FailurePolicy;
  failureLimit?: Micro;
  /** Jobs here are neither asked about nor charged. */
  exempt?: true;
}

export interface Rate extends DatedRate {
  rateNo: number;
  source: string;
}

/** Everything that prices are made from, with the version that admission checks it against. */
export interface PriceBook {
  version: bigint;
  clusters: ReadonlyMap<string, Cluster & { clusterNo: number }>;
  rates: readonly Rate[];
}

/** What can be set of a cluster; null takes a setting away. */
export type ClusterSettings = Omit<
  Cluster,
  'name' | 'unit' | 'partitions' | 'defaultPartition' | 'holdCap' | 'failureLimit'
> & {
  defaultPartition: string | null;
  failureLimit: Micro | null;
  holdCap: Micro | null;
};

export interface Catalog {
  /** `cluster_exists`. */
  createCluster(
    name: string,
    settings: Partial<ClusterSettings> & Pick<ClusterSettings, 'timeZone'>,
    caller: Caller,
  ): Promise<Cluster>;
  /** Makes the cluster or changes what is given. A new one needs its zone (`malformed_request`). */
  putCluster(name: string, settings: Partial<ClusterSettings>, caller: Caller): Promise<Cluster>;
  /** `cluster_not_found`. */
  readCluster(name: string): Promise<Cluster>;
  listClusters(): Promise<Cluster[]>;
  /** The whole partition as it shall be. `cluster_not_found`. */
  putPartition(cluster: string, partition: Partition, caller: Caller): Promise<Partition>;
  removePartition(cluster: string, partition: string, caller: Caller): Promise<void>;
  /** Ends the rate in force at `startsAt`, if any, and starts this one. `rate_overlaps` where a later one exists and `endsAt` is missing. */
  setRate(rate: Omit<Rate, 'rateNo'>, caller: Caller): Promise<Rate>;
  /** Ends a rate; one that has not begun yet goes away whole. `rate_not_found`, `rate_overlaps` where it ended before. */
  endRate(rateNo: number, endsAt: Instant, caller: Caller): Promise<Rate>;
  listRates(
    filter: { cluster?: string; partition?: string; resource?: string; at?: Instant },
    page: Page,
  ): Promise<Paged<Rate>>;
  /** Of now: costs one short query, and a reading where something changed. */
  priceBook(): Promise<PriceBook>;
}

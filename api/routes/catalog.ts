/** Clusters, partitions, rates. */
import { Hono } from 'hono';
import { z } from 'zod';
import { given } from '../../domain/given';
import type { ClusterSettings } from '../../ledger/contract';
import { HOOKS_READ } from '../access';
import type { ApiDeps, ApiEnv } from '../env';
import { CLUSTER_EXAMPLE, RATE_EXAMPLE } from '../examples';
import { operation } from '../operation';
import { answerPage, pageOf } from '../paging';
import { renderCluster, renderPartition, renderRate } from '../render/catalog';
import {
  ClusterAnswer,
  ClusterPath,
  CreateClusterRequest,
  EndRateRequest,
  PartitionAnswer,
  PartitionPath,
  PutClusterRequest,
  PutPartitionRequest,
  RateAnswer,
  RateListQuery,
  RatePath,
  RateRequest,
} from '../schemas/catalog';

const tag = 'Clusters and rates';

export const catalogRoutes = ({ ledger: { catalog } }: ApiDeps) =>
  new Hono<ApiEnv>()
    .get(
      '/clusters',
      operation({ id: 'listClusters', tag, summary: 'All clusters.', answer: z.array(ClusterAnswer) }),
      async (c) => c.json((await catalog.listClusters()).map(renderCluster)),
    )
    .post(
      '/clusters',
      operation({
        id: 'createCluster',
        tag,
        summary: 'Makes a cluster known.',
        body: CreateClusterRequest,
        answer: ClusterAnswer,
        status: 201,
        faults: ['cluster_exists'],
        example: { request: CLUSTER_EXAMPLE },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        const settings = { ...readCluster(body), timeZone: body.time_zone };
        return c.json(renderCluster(await catalog.createCluster(body.name, settings, caller)), 201);
      },
    )
    .get(
      '/clusters/:cluster',
      operation({
        id: 'readCluster',
        tag,
        may: HOOKS_READ,
        summary: 'One cluster with its partitions.',
        path: ClusterPath,
        answer: ClusterAnswer,
        faults: ['cluster_not_found'],
      }),
      async (c) => c.json(renderCluster(await catalog.readCluster(c.var.input.path.cluster))),
    )
    .put(
      '/clusters/:cluster',
      operation({
        id: 'putCluster',
        tag,
        summary: 'Changes a cluster, or makes it known; a new one needs its time zone.',
        path: ClusterPath,
        body: PutClusterRequest,
        answer: ClusterAnswer,
        example: {
          request: { time_zone: 'America/Denver', cost_source: 'reported', reconciliation_timeout_seconds: 172_800 },
        },
      }),
      async (c) => {
        const { path, body, caller } = c.var.input;
        return c.json(renderCluster(await catalog.putCluster(path.cluster, readCluster(body), caller)));
      },
    )
    .put(
      '/clusters/:cluster/partitions/:partition',
      operation({
        id: 'putPartition',
        tag,
        summary: 'Says what a partition is like: the whole of it.',
        path: PartitionPath,
        body: PutPartitionRequest,
        answer: PartitionAnswer,
        faults: ['cluster_not_found'],
        example: { request: { max_time_seconds: 604_800, queue_weight: 1.5 } },
      }),
      async (c) => {
        const { path, body, caller } = c.var.input;
        const partition = {
          name: path.partition,
          queueWeight: body.queue_weight ?? '1',
          ...given({
            maxTimeSeconds: body.max_time_seconds,
            defaultTimeSeconds: body.default_time_seconds,
            costSource: body.cost_source,
            failurePolicy: body.failure_policy,
            failureLimit: body.failure_limit,
            exempt: body.exempt || undefined,
          }),
        };
        return c.json(renderPartition(await catalog.putPartition(path.cluster, partition, caller)));
      },
    )
    .delete(
      '/clusters/:cluster/partitions/:partition',
      operation({
        id: 'removePartition',
        tag,
        summary: 'Forgets what was said of a partition.',
        path: PartitionPath,
        faults: ['cluster_not_found', 'partition_not_found'],
      }),
      async (c) => {
        const { path, caller } = c.var.input;
        await catalog.removePartition(path.cluster, path.partition, caller);
        return c.body(null, 204);
      },
    )
    .get(
      '/rates',
      operation({
        id: 'listRates',
        tag,
        summary: 'Rates, by filter.',
        query: RateListQuery,
        answer: RateAnswer.array(),
        paged: true,
        faults: ['cluster_not_found'],
      }),
      async (c) => {
        const { cluster, partition, resource, at, ...page } = c.var.input.query;
        const filter = given({ cluster, partition, resource, at });
        return answerPage(c, await catalog.listRates(filter, pageOf(page)), renderRate);
      },
    )
    .post(
      '/rates',
      operation({
        id: 'setRate',
        tag,
        summary: 'What a resource-hour costs from a time on; ends the rate that is in force then.',
        body: RateRequest,
        answer: RateAnswer,
        status: 201,
        faults: ['cluster_not_found', 'rate_overlaps'],
        example: { request: RATE_EXAMPLE },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        const rate = await catalog.setRate(readRate(body), caller);
        return c.json(renderRate(rate), 201);
      },
    )
    .post(
      '/rates/:rate_no/end',
      operation({
        id: 'endRate',
        tag,
        summary: 'Ends a rate.',
        path: RatePath,
        body: EndRateRequest,
        answer: RateAnswer,
        faults: ['rate_not_found', 'rate_overlaps'],
        example: { request: { ends_at: '2026-07-01T00:00:00Z' } },
      }),
      async (c) => {
        const { path, body, caller } = c.var.input;
        return c.json(renderRate(await catalog.endRate(path.rate_no, body.ends_at, caller)));
      },
    );

const readCluster = (body: z.output<typeof PutClusterRequest>): Partial<ClusterSettings> =>
  given({
    timeZone: body.time_zone,
    defaultPartition: body.default_partition,
    enforcement: body.enforcement,
    failurePolicy: body.failure_policy,
    failureLimit: body.failure_limit,
    exemptUsers: body.exempt_users,
    withoutAccount: body.without_account,
    costSource: body.cost_source,
    unpriced: body.unpriced,
    pricePreset: body.price_preset,
    holdMultiplier: body.hold_multiplier,
    holdCap: body.hold_cap,
    minimumCharge: body.minimum_charge,
    endGraceSeconds: body.end_grace_seconds,
    reconciliationTimeoutSeconds: body.reconciliation_timeout_seconds,
    refundNodeFail: body.refund_node_fail,
    refundBootFail: body.refund_boot_fail,
    refundPreempted: body.refund_preempted,
    refundAdminCancel: body.refund_admin_cancel,
    refundLostTimeSeconds: body.refund_lost_time_seconds,
  });

const readRate = (body: z.output<typeof RateRequest>) => ({
  cluster: body.cluster,
  ...given({ partition: body.partition }),
  resource: body.resource,
  unit: body.unit,
  rate: body.rate,
  startsAt: body.starts_at,
  endsAt: body.ends_at ?? null,
  source: body.source,
});

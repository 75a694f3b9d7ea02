/** What Slurm's own limits are to be. `bursar slurm wall` and the worker bring them there. */
import { Hono } from 'hono';
import type { ApiDeps, ApiEnv } from '../env';
import { operation } from '../operation';
import { amount } from '../render/money';
import { WallAnswer, WallQuery } from '../schemas/wall';

export const wallRoutes = ({ ledger: { walls }, defaultCluster }: ApiDeps) =>
  new Hono<ApiEnv>().get(
    '/slurm/wall',
    operation({
      id: 'readWall',
      tag: 'Slurm',
      summary: "What a cluster's rates are as billing weights, and what each account has left for jobs.",
      query: WallQuery,
      answer: WallAnswer,
      faults: ['cluster_not_found'],
    }),
    async (c) => {
      const { cluster = defaultCluster, unit } = c.var.input.query;
      const { accounts, partitions, ...wall } = await walls.readWall(cluster, unit);
      return c.json({
        cluster: wall.cluster,
        unit: wall.unit,
        scale: wall.scale,
        partitions: partitions.map(({ partition, weights }) => ({ partition, weights })),
        problems: wall.problems,
        accounts: accounts.map((each) => ({
          account: each.account,
          unit: each.unit,
          left: amount(each.left),
          ...(each.boundBy !== undefined && { bound_by: each.boundBy }),
        })),
      });
    },
  );

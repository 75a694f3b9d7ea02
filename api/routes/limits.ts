/** Caps within an account: for a partition, for a user, or for a user in a partition. */
import { Hono } from 'hono';
import type { z } from 'zod';
import { given } from '../../domain/given';
import type { Accounts } from '../../ledger/contract';
import type { ApiDeps, ApiEnv } from '../env';
import { operation } from '../operation';
import { renderLimit } from '../render/account';
import {
  AccountPath,
  LimitAnswer,
  LimitRequest,
  PartitionLimitPath,
  UserLimitPath,
  UserLimitQuery,
} from '../schemas/account';

const tag = 'Limits';
const example = { request: { limit: 250 } };

export const limitRoutes = ({ ledger: { accounts } }: ApiDeps) =>
  new Hono<ApiEnv>()
    .get(
      '/accounts/:account/partition-limits',
      operation({
        id: 'listPartitionLimits',
        tag,
        summary: 'The caps of partitions.',
        path: AccountPath,
        answer: LimitAnswer.array(),
        faults: ['account_not_found'],
      }),
      async (c) => {
        const { account, unit, limits } = await accounts.balance(c.var.input.path.account);
        const ofPartitions = limits.filter(({ user }) => user === undefined);
        return c.json(ofPartitions.map((limit) => renderLimit(limit, { account, unit })));
      },
    )
    .put(
      '/accounts/:account/partition-limits/:partition',
      operation({
        id: 'putPartitionLimit',
        tag,
        summary: 'Caps what the account may spend on a partition.',
        path: PartitionLimitPath,
        body: LimitRequest,
        answer: LimitAnswer,
        faults: ['account_not_found'],
        example,
      }),
      async (c) => {
        const { path, body, caller } = c.var.input;
        const limit = await accounts.setLimit(path.account, { partition: path.partition, ...readLimit(body) }, caller);
        return c.json(renderLimit(limit, await unitOf(accounts, path.account)));
      },
    )
    .delete(
      '/accounts/:account/partition-limits/:partition',
      operation({
        id: 'removePartitionLimit',
        tag,
        summary: 'Takes the cap of a partition away.',
        path: PartitionLimitPath,
        faults: ['account_not_found', 'limit_not_found'],
      }),
      async (c) => {
        const { path, caller } = c.var.input;
        await accounts.removeLimit(path.account, { partition: path.partition }, caller);
        return c.body(null, 204);
      },
    )
    .get(
      '/accounts/:account/user-limits',
      operation({
        id: 'listUserLimits',
        tag,
        summary: 'The caps of users.',
        path: AccountPath,
        answer: LimitAnswer.array(),
        faults: ['account_not_found'],
      }),
      async (c) => {
        const { account, unit, limits } = await accounts.balance(c.var.input.path.account);
        const ofUsers = limits.filter(({ user }) => user !== undefined);
        return c.json(ofUsers.map((limit) => renderLimit(limit, { account, unit })));
      },
    )
    .put(
      '/accounts/:account/user-limits/:user',
      operation({
        id: 'putUserLimit',
        tag,
        summary: 'Caps what a user may spend ("*": every user who has no cap of his own).',
        path: UserLimitPath,
        query: UserLimitQuery,
        body: LimitRequest,
        answer: LimitAnswer,
        faults: ['account_not_found'],
        example,
      }),
      async (c) => {
        const { path, query, body, caller } = c.var.input;
        const which = { user: path.user, ...given({ partition: query.partition }) };
        const limit = await accounts.setLimit(path.account, { ...which, ...readLimit(body) }, caller);
        return c.json(renderLimit(limit, await unitOf(accounts, path.account)));
      },
    )
    .delete(
      '/accounts/:account/user-limits/:user',
      operation({
        id: 'removeUserLimit',
        tag,
        summary: 'Takes the cap of a user away.',
        path: UserLimitPath,
        query: UserLimitQuery,
        faults: ['account_not_found', 'limit_not_found'],
      }),
      async (c) => {
        const { path, query, caller } = c.var.input;
        await accounts.removeLimit(path.account, { user: path.user, ...given({ partition: query.partition }) }, caller);
        return c.body(null, 204);
      },
    );

const readLimit = (body: z.output<typeof LimitRequest>) => ({
  limit: body.limit,
  ...given({ opensAt: body.opens_at, closesAt: body.closes_at }),
});

async function unitOf(accounts: Accounts, account: string) {
  const { name, unit } = await accounts.read(account);
  return { account: name, unit };
}

/** Money that is set aside for jobs. */
import { Hono } from 'hono';
import { given } from '../../domain/given';
import { HOOKS_READ, requireOwn } from '../access';
import type { ApiDeps, ApiEnv } from '../env';
import { operation } from '../operation';
import { answerPage, pageOf } from '../paging';
import { renderHold } from '../render/hold';
import { HoldAnswer, HoldListQuery, HoldPath, ReleaseRequest, ResizeRequest } from '../schemas/hold';

const tag = 'Holds';

export const holdRoutes = ({ ledger: { holds } }: ApiDeps) =>
  new Hono<ApiEnv>()
    .get(
      '/holds',
      operation({
        id: 'listHolds',
        tag,
        may: HOOKS_READ,
        summary: 'All holds, the newest first; or the one that was placed with a key.',
        query: HoldListQuery,
        answer: HoldAnswer.array(),
        paged: true,
        faults: ['account_not_found', 'cluster_not_found', 'hold_not_found'],
      }),
      async (c) => {
        const { query, caller } = c.var.input;
        if (query.key !== undefined) {
          const hold = await holds.findByKey(caller.principal, query.key);
          requireOwn(c.var.access, hold, query.key);
          return c.json([renderHold(hold)]);
        }
        const { account, cluster, user_id: user, status, overdue, late } = query;
        const filter = given({ account, cluster, user, status, overdue, late });
        return answerPage(c, await holds.list(filter, pageOf(query)), renderHold);
      },
    )
    .get(
      '/holds/:transaction_id',
      operation({
        id: 'readHold',
        tag,
        may: HOOKS_READ,
        summary: 'One hold, with the funds that it holds.',
        path: HoldPath,
        answer: HoldAnswer,
        faults: ['hold_not_found'],
      }),
      async (c) => {
        const { transaction_id: id } = c.var.input.path;
        const hold = await holds.read(id);
        requireOwn(c.var.access, hold, id);
        return c.json(renderHold(hold));
      },
    )
    .post(
      '/holds/:transaction_id/resize',
      operation({
        id: 'resizeHold',
        tag,
        summary: 'Holds more, or less.',
        path: HoldPath,
        body: ResizeRequest,
        answer: HoldAnswer,
        faults: [
          'hold_not_found',
          'hold_closed',
          'insufficient_budget',
          'partition_limit_exceeded',
          'user_limit_exceeded',
          'parent_limit_exceeded',
        ],
        example: { request: { amount: 75, reason: 'the time limit was raised' } },
      }),
      async (c) => {
        const { path, body, caller } = c.var.input;
        return c.json(
          renderHold(await holds.resize(path.transaction_id, body.amount, body.reason ?? 'resized', caller)),
        );
      },
    )
    .post(
      '/holds/:transaction_id/release',
      operation({
        id: 'releaseHold',
        tag,
        summary: 'Closes a hold and gives back what is left. A closed hold is answered as it is.',
        path: HoldPath,
        body: ReleaseRequest,
        bodyOptional: true,
        answer: HoldAnswer,
        faults: ['hold_not_found'],
        example: { request: { reason: 'the job was never submitted' } },
      }),
      async (c) => {
        const { path, body, caller } = c.var.input;
        return c.json(renderHold(await holds.release(path.transaction_id, body.reason ?? 'released by hand', caller)));
      },
    );

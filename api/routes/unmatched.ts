/** Reports that wait for a hold, and what somebody makes of them. */
import { Hono } from 'hono';
import { given } from '../../domain/given';
import type { ApiDeps, ApiEnv } from '../env';
import { operation } from '../operation';
import { answerPage, pageOf } from '../paging';
import { renderUnmatched, renderUnmatchedDetails } from '../render/unmatched';
import {
  DismissUnmatchedRequest,
  ResolveUnmatchedRequest,
  UnmatchedAnswer,
  UnmatchedDetailsAnswer,
  UnmatchedListQuery,
  UnmatchedPath,
} from '../schemas/unmatched';

const tag = 'Reports';

export const unmatchedRoutes = ({ ledger: { unmatched } }: ApiDeps) =>
  new Hono<ApiEnv>()
    .get(
      '/unmatched',
      operation({
        id: 'listUnmatched',
        tag,
        summary: 'Reports of ended jobs for which no hold is known, the newest first.',
        description: 'They are taken along as soon as their job is bound to a hold; else somebody resolves them.',
        query: UnmatchedListQuery,
        answer: UnmatchedAnswer.array(),
        paged: true,
        faults: ['account_not_found', 'cluster_not_found'],
      }),
      async (c) => {
        const { status = 'waiting', source, cluster, account, job_id: jobId, ...page } = c.var.input.query;
        const filter = given({ status: status === 'all' ? undefined : status, source, cluster, account, jobId });
        return answerPage(c, await unmatched.list(filter, pageOf(page)), renderUnmatched);
      },
    )
    .get(
      '/unmatched/:id',
      operation({
        id: 'readUnmatched',
        tag,
        summary: 'One report as it was received, with the open holds that it may be about.',
        path: UnmatchedPath,
        answer: UnmatchedDetailsAnswer,
        faults: ['unmatched_not_found'],
      }),
      async (c) => c.json(renderUnmatchedDetails(await unmatched.read(c.var.input.path.id))),
    )
    .post(
      '/unmatched/:id/resolve',
      operation({
        id: 'resolveUnmatched',
        tag,
        summary: 'Gives a report to the hold it is about, or charges an account without one.',
        description: 'Its job is bound to that hold, and its story goes on as if the report had named it.',
        path: UnmatchedPath,
        body: ResolveUnmatchedRequest,
        example: {
          request: { transaction_id: 'txn_01JD0000000000000000000000', reason: 'job 88123 by its name and time' },
        },
        answer: UnmatchedDetailsAnswer,
        faults: [
          'unmatched_not_found',
          'unmatched_closed',
          'hold_not_found',
          'hold_taken',
          'not_a_hold',
          'account_not_found',
        ],
      }),
      async (c) => {
        const { path, body, caller } = c.var.input;
        const to = given({ holdId: body.transaction_id, account: body.account, reason: body.reason });
        return c.json(renderUnmatchedDetails(await unmatched.resolve(path.id, to, caller)));
      },
    )
    .post(
      '/unmatched/:id/dismiss',
      operation({
        id: 'dismissUnmatched',
        tag,
        summary: 'Ends the waiting of a report that is about nothing of ours. Nothing is charged for it.',
        path: UnmatchedPath,
        body: DismissUnmatchedRequest,
        example: { request: { reason: 'a job of the test cluster' } },
        answer: UnmatchedDetailsAnswer,
        faults: ['unmatched_not_found', 'unmatched_closed'],
      }),
      async (c) => {
        const { path, body, caller } = c.var.input;
        return c.json(renderUnmatchedDetails(await unmatched.dismiss(path.id, body.reason, caller)));
      },
    );

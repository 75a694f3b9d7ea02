/** What was given back. (Giving back by hand is among the movements.) */
import { Hono } from 'hono';
import { given } from '../../domain/given';
import type { ApiDeps, ApiEnv } from '../env';
import { operation } from '../operation';
import { answerPage, pageOf } from '../paging';
import { renderRefund } from '../render/refund';
import { RefundAnswer, RefundListQuery } from '../schemas/refund';

export const refundRoutes = ({ ledger: { refunds } }: ApiDeps) =>
  new Hono<ApiEnv>().get(
    '/refunds',
    operation({
      id: 'listRefunds',
      tag: 'Movements',
      summary: 'What was given back and why, with the record that says so, the newest first.',
      description:
        'Runs that ended through no fault of their user get back what the policies of their cluster say, by themselves; refunds that people gave are listed too.',
      query: RefundListQuery,
      answer: RefundAnswer.array(),
      paged: true,
      faults: ['account_not_found', 'cluster_not_found'],
    }),
    async (c) => {
      const { account, user_id: user, cluster, job_id: jobId, reason, from, to, ...page } = c.var.input.query;
      const filter = given({ account, user, cluster, jobId, reason, from, to });
      return answerPage(c, await refunds.list(filter, pageOf(page)), renderRefund);
    },
  );

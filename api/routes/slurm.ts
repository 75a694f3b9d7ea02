/** What the hooks inside a Slurm controller ask and tell (hooks/slurm). */
import { Hono, type Context } from 'hono';
import type { z } from 'zod';
import { given } from '../../domain/given';
import { readStamp } from '../../domain/slurm-stamp';
import { instantOfSeconds } from '../../domain/time';
import type { Page, RefusalFilter, RefusalReport } from '../../ledger/contract';
import type { ApiDeps, ApiEnv } from '../env';
import { SLURM_EVENTS_EXAMPLE, SLURM_JOB_EXAMPLE } from '../examples';
import { operation } from '../operation';
import { linkNext, pageOf } from '../paging';
import {
  renderModification,
  renderRefusals,
  renderSlurmEstimate,
  renderSlurmPolicy,
  renderSlurmReceipts,
  renderSubmission,
  renderWithdrawals,
} from '../render/slurm';
import {
  RefusalQuery,
  RefusalReportAnswer,
  SlurmEstimateAnswer,
  SlurmEstimateRequest,
  SlurmEventsAnswer,
  SlurmEventsRequest,
  SlurmModificationAnswer,
  SlurmModificationRequest,
  SlurmPolicyAnswer,
  SlurmPolicyQuery,
  SlurmSubmissionAnswer,
  SlurmSubmissionRequest,
  SlurmWithdrawalAnswer,
  SlurmWithdrawalRequest,
} from '../schemas/slurm';

const tag = 'Slurm';

/** Slurm's own ceiling for a script is 4 MiB; so are a thousand records. */
const BYTES_MAX = 8 * 1_048_576;

/** A hook that is newer than the service may send more than it knows. */
const dialect = 'asbb';

export const slurmRoutes = ({ ledger: { slurm }, metrics }: ApiDeps) =>
  new Hono<ApiEnv>()
    .post(
      '/slurm/submissions',
      operation({
        id: 'submitSlurmJob',
        tag,
        may: ['hook'],
        summary: 'A job is being submitted: may it?',
        description:
          "The decision of /budget/check about the raw facts of job_submit/lua. A no is HTTP 200 with accept:false, also for an account that nobody knows. A job's array is one submission; each component of a heterogeneous job is one. `key` names the submission: whoever sends it again is answered as the first time, whatever else he sends. A hook that is sent many equal jobs may ask for spares: holds of their own for the next ones, which it may use within seconds without asking. They are held where money is in plenty and the key is new; what no job came for goes back by a withdrawal, or by the looks at the queue.",
        dialect,
        body: SlurmSubmissionRequest,
        keyed: false,
        bodyBytesMax: BYTES_MAX,
        answer: SlurmSubmissionAnswer,
        faults: ['cluster_not_found', 'key_reused'],
        example: { request: { key: '5d1f0a7c9be24c6f8a3d7e10b2c49f36', job: SLURM_JOB_EXAMPLE } },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        const stopClock = metrics.checkSeconds.startTimer();
        const answer = await slurm.submit(
          {
            key: body.key,
            facts: body.job,
            ...(body.cluster === undefined ? {} : { cluster: body.cluster }),
            ...(body.at === undefined ? {} : { askedAt: instantOfSeconds(body.at) }),
            ...(body.spares === undefined ? {} : { spares: body.spares }),
          },
          caller,
        );
        stopClock();
        metrics.checks.inc({ result: answer.wouldDeny ? 'denied' : 'approved' });
        if (answer.wouldDeny) metrics.refusals.inc({ code: answer.code });
        else if (answer.holdId !== undefined && !answer.replayed) metrics.transactions.inc({ type: 'hold' });
        if (answer.spares) metrics.transactions.inc({ type: 'hold' }, answer.spares.length);
        return c.json(renderSubmission(answer, body.key));
      },
    )
    .post(
      '/slurm/modifications',
      operation({
        id: 'modifySlurmJob',
        tag,
        may: ['hook'],
        summary: 'A job is being changed: does its money reach?',
        description:
          'Raised time, more nodes, another partition or account are priced anew: more passes every limit or is refused and nothing changes, less gives back. Another account or partition is another hold, under new_key, in one step with the release of the old one; the job is bound to it at once.',
        dialect,
        body: SlurmModificationRequest,
        keyed: false,
        bodyBytesMax: BYTES_MAX,
        answer: SlurmModificationAnswer,
        faults: ['cluster_not_found', 'key_reused'],
        example: {
          request: {
            job_id: 88123,
            stamp: 'bursar:5d1f0a7c9be24c6f8a3d7e10b2c49f36',
            new_key: '8c0e6b1d42f94f5ba1c7d93e60f2a785',
            job: SLURM_JOB_EXAMPLE,
            changes: { time_limit: 480 },
          },
        },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        const stamp = readStamp(body.stamp ?? '');
        const answer = await slurm.modify(
          {
            jobId: body.job_id,
            newKey: body.new_key,
            facts: body.job,
            changes: body.changes,
            ...(body.at === undefined ? {} : { at: instantOfSeconds(body.at) }),
            ...(stamp === undefined ? {} : { stamp }),
            ...(body.cluster === undefined ? {} : { cluster: body.cluster }),
          },
          caller,
        );
        if (answer.wouldDeny) metrics.refusals.inc({ code: answer.code });
        return c.json(renderModification(answer));
      },
    )
    .post(
      '/slurm/estimates',
      operation({
        id: 'estimateSlurmJob',
        tag,
        may: ['hook', 'estimate'],
        summary: 'What would this job cost, and would it fit?',
        description: 'For whoever submits: the price and a yes or no. No balance, no limit, nothing of anybody else.',
        dialect,
        body: SlurmEstimateRequest,
        keyed: false,
        bodyBytesMax: BYTES_MAX,
        answer: SlurmEstimateAnswer,
        faults: ['cluster_not_found'],
        example: { request: { job: SLURM_JOB_EXAMPLE } },
      }),
      async (c) => {
        const { cluster, job: facts } = c.var.input.body;
        return c.json(
          renderSlurmEstimate(await slurm.estimate({ facts, ...(cluster === undefined ? {} : { cluster }) })),
        );
      },
    )
    .post(
      '/slurm/withdrawals',
      operation({
        id: 'withdrawSlurmSubmissions',
        tag,
        may: ['hook'],
        summary: 'Submissions came to nothing: their money goes back.',
        description:
          'By the keys that the hook made: the components of a heterogeneous job of which a later one was refused. A hold that a job has been bound to stays.',
        dialect,
        body: SlurmWithdrawalRequest,
        keyed: false,
        answer: SlurmWithdrawalAnswer,
        faults: ['cluster_not_found'],
        example: {
          request: { keys: ['5d1f0a7c9be24c6f8a3d7e10b2c49f36'], reason: 'Component 1 of the job was refused' },
        },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        return c.json(renderWithdrawals(body.keys, await slurm.withdraw(body.cluster, body.keys, body.reason, caller)));
      },
    )
    .post(
      '/slurm/events',
      operation({
        id: 'recordSlurmRecords',
        tag,
        may: ['hook'],
        summary: 'What hooks have written down: in any order, late, or twice.',
        description:
          'Records as they are. One receipt each, in order; one that cannot be understood is rejected and does not stop the others.',
        dialect,
        body: SlurmEventsRequest,
        keyed: false,
        bodyBytesMax: BYTES_MAX,
        answer: SlurmEventsAnswer,
        faults: ['cluster_not_found'],
        example: { request: SLURM_EVENTS_EXAMPLE },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        const receipts = await slurm.record(body.cluster, body.records, caller);
        receipts.forEach(({ status }, n) => metrics.jobEvents.inc({ type: sourceOf(body.records[n]), status }));
        return c.json(renderSlurmReceipts(receipts));
      },
    )
    .get(
      '/slurm/shadow',
      operation({
        id: 'readShadowReport',
        tag,
        summary: 'What would have been denied on clusters in shadow mode: to whom, why, for how much.',
        description:
          'Denials a page at a time, the newest first; the totals are of all that the filters leave. A job that ran all the same is followed and metered, and not charged.',
        query: RefusalQuery,
        answer: RefusalReportAnswer,
        paged: true,
        faults: ['account_not_found', 'cluster_not_found'],
      }),
      async (c) => {
        return answerRefusals(c, await slurm.refusals('shadow', ...filterOf(c.var.input.query)));
      },
    )
    .get(
      '/slurm/refusals',
      operation({
        id: 'listSlurmRefusals',
        tag,
        summary: 'What was denied to the users of Slurm, and why.',
        description:
          'Submissions and changes of jobs, those that a hook refused alone while the service was away among them. Where Slurm shows its user no text, as for scontrol update and its REST service, here it is.',
        query: RefusalQuery,
        answer: RefusalReportAnswer,
        paged: true,
        faults: ['account_not_found', 'cluster_not_found'],
      }),
      async (c) => answerRefusals(c, await slurm.refusals('enforce', ...filterOf(c.var.input.query))),
    )
    .get(
      '/slurm/policy',
      operation({
        id: 'readSlurmPolicy',
        tag,
        may: ['hook', 'read'],
        summary: 'What a hook needs to decide alone while the service is away.',
        description: 'A relay keeps it in a file beside the controller: prices of now, failure policy, exemptions.',
        query: SlurmPolicyQuery,
        answer: SlurmPolicyAnswer,
        faults: ['cluster_not_found'],
      }),
      async (c) => c.json(renderSlurmPolicy(await slurm.policy(c.var.input.query.cluster))),
    );

const SOURCES = ['submit', 'modify', 'jobcomp', 'prolog', 'epilog'];

/** Labels of metrics come from a closed set. */
const sourceOf = (record: Record<string, unknown> | undefined): string =>
  SOURCES.find((source) => source === record?.source) ?? 'unknown';

function filterOf(query: z.output<typeof RefusalQuery>): [RefusalFilter, Page] {
  const { cluster, account, user_id: user, code, since, until, ...page } = query;
  return [given({ cluster, account, user, code, since, until }), pageOf(page)];
}

function answerRefusals(c: Context, report: RefusalReport) {
  if (report.nextCursor !== undefined) linkNext(c, report.nextCursor);
  return c.json(renderRefusals(report));
}

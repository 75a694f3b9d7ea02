/** ASBX and the epilogs of its sites (contract 8.3, 8.4). */
import { Hono, type Context } from 'hono';
import { DEFAULT_THRESHOLDS } from '../../domain/asbx';
import { Fault } from '../../domain/faults';
import { given } from '../../domain/given';
import type { AsbxOptions } from '../../ledger/contract';
import type { ApiDeps, ApiEnv, AsbxSettings } from '../env';
import { ASBX_EXAMPLE, EPILOG_EXAMPLE } from '../examples';
import { operation } from '../operation';
import { renderAsbx, renderAsbxStatus } from '../render/asbx';
import { renderEpilog, type EndedJob } from '../render/epilog';
import { readCost, readCostFile } from '../request/cost-report';
import { readEpilog } from '../request/epilog';
import { quoteShellValues } from '../request/json-body';
import {
  AsbxEpilogAnswer,
  AsbxEpilogRequest,
  AsbxReconcileAnswer,
  AsbxReconcileRequest,
  AsbxStatusAnswer,
} from '../schemas/asbx';
import { plainJson } from '../schemas/wire';

const tag = 'Reports';

const DEFAULTS: AsbxSettings = {
  spoolDirectories: [],
  autoReconcile: true,
  updateCostModel: true,
  thresholds: DEFAULT_THRESHOLDS,
};

export const asbxRoutes = ({ ledger: { reports }, metrics, defaultCluster, asbx = DEFAULTS }: ApiDeps) =>
  new Hono<ApiEnv>()
    .post(
      '/asbx/reconcile',
      operation({
        id: 'reconcileAsbx',
        tag,
        may: ['hook'],
        summary: 'What a job cost, with what ASBX knows besides.',
        description:
          'The hold is found by budget_transaction_id, else by the job id and the account. The same report again is answered as the first time and changes nothing, so no key is needed; another cost is refused unless correction is true. A job that was settled by its usage is adjusted.',
        dialect: 'asbb',
        body: AsbxReconcileRequest,
        keyed: false,
        answer: AsbxReconcileAnswer,
        faults: ['cluster_not_found', 'hold_not_found', 'not_a_hold', 'hold_taken', 'already_reconciled'],
        example: { request: ASBX_EXAMPLE },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        const report = readCost(body.job_cost_data, {
          cluster: body.cluster ?? defaultCluster,
          correction: body.correction ?? false,
          evidence: plainJson(c.var.received),
        });
        const options: AsbxOptions = {
          reconciles: body.auto_reconcile ?? asbx.autoReconcile,
          teaches: body.update_cost_model ?? asbx.updateCostModel,
          thresholds: asbx.thresholds,
        };
        const outcome = await reports.asbx(report, options, caller);
        metrics.reconciliations.inc({
          result: outcome.reconciliation?.replayed ? 'replayed' : RESULTS[outcome.status],
        });
        return c.json(
          renderAsbx(outcome, {
            jobId: report.jobId,
            teaches: options.teaches,
            report: body.generate_report ?? false,
            notify: body.notify_stakeholders ?? false,
          }),
        );
      },
    )
    .post(
      '/asbx/epilog',
      operation({
        id: 'receiveEpilog',
        tag,
        may: ['hook'],
        summary: 'A job has ended: it is bound to its hold and settled.',
        description:
          'The hold is found by its id or key, by the job id, else among the open holds of the same account, partition, user and submit time (10 s either way) that no job has yet; where these differ the report waits in /unmatched. Its cost is that of the ASBX report at asbx_data_path, else elapsed time by the rates, or reported later, as the cluster has it. The same epilog again changes nothing. Values that a shell wrote without quotation marks, like 16(x2), are understood.',
        dialect: 'asbb',
        body: AsbxEpilogRequest,
        mend: quoteShellValues,
        keyed: false,
        answer: AsbxEpilogAnswer,
        faults: ['cluster_not_found'],
        example: { request: EPILOG_EXAMPLE },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        const job = readEpilog(body, body.cluster ?? defaultCluster, plainJson(c.var.received));
        if (job === 'goes on') return c.json(renderEpilog({ jobId: body.job_id, skipped: body.job_state ?? '' }));
        const data = await readCostFile(body.asbx_data_path, asbx.spoolDirectories, job);
        const ended: EndedJob = { jobId: job.jobId, data: data.status, ...given({ detail: data.detail }) };
        if (data.report) {
          const options: AsbxOptions = {
            reconciles: data.reconciles ?? asbx.autoReconcile,
            teaches: data.teaches ?? asbx.updateCostModel,
            thresholds: asbx.thresholds,
          };
          if (!options.reconciles) {
            const outcome = await reports.epilog(job, caller);
            // The job has its hold now, so that the report is written down with it.
            await reports.asbx(data.report, options, caller);
            return c.json(renderEpilog({ ...ended, data: 'skipped', detail: ONLY_WRITTEN_DOWN, outcome }));
          }
          try {
            return c.json(renderEpilog({ ...ended, asbx: await reports.asbx(data.report, options, caller) }));
          } catch (error) {
            // Another cost was reported before. The epilog has nothing else to say of the job.
            if (!(error instanceof Fault) || error.code !== 'already_reconciled') throw error;
            return c.json(renderEpilog({ ...ended, data: 'failed', detail: error.message, refused: true }));
          }
        }
        return c.json(renderEpilog({ ...ended, outcome: await reports.epilog(job, caller) }));
      },
    )
    .get(
      '/asbx/status',
      operation({
        id: 'readAsbxStatus',
        tag,
        may: ['hook', 'read'],
        summary: 'What has become of the reports of ASBX.',
        dialect: 'asbb',
        answer: AsbxStatusAnswer,
      }),
      async (c: Context<ApiEnv>) => c.json(renderAsbxStatus(await reports.asbxFigures(), new Date())),
    );

const ONLY_WRITTEN_DOWN = 'the report at asbx_data_path was only written down, as auto_reconcile is false';

const RESULTS = { reconciled: 'settled', recorded: 'recorded', waiting: 'waiting' } as const;

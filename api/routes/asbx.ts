/** ASBX and the epilogs of its sites (contract 8.3, 8.4). */
import { Hono, type Context } from 'hono';
import type { z } from 'zod';
import { DEFAULT_THRESHOLDS } from '../../domain/asbx';
import { Fault } from '../../domain/faults';
import { given } from '../../domain/given';
import { readState } from '../../domain/slurm-job';
import type { AsbxOptions, CostReport, ReportedJob } from '../../ledger/contract';
import type { ApiDeps, ApiEnv, AsbxSettings } from '../env';
import { ASBX_EXAMPLE, EPILOG_EXAMPLE } from '../examples';
import { operation, readAs } from '../operation';
import { renderAsbx, renderAsbxStatus } from '../render/asbx';
import { type Dead, renderEpilog } from '../render/epilog';
import { quoteShellValues, readJsonBytes } from '../request/json-body';
import {
  AsbxCostData,
  AsbxEpilogAnswer,
  AsbxEpilogRequest,
  AsbxReconcileAnswer,
  AsbxReconcileRequest,
  AsbxStatusAnswer,
} from '../schemas/asbx';
import { plainJson } from '../schemas/wire';
import { readSpoolFile } from '../spool';

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
        faults: ['cluster_not_found', 'hold_not_found', 'not_a_hold', 'already_reconciled'],
        example: { request: ASBX_EXAMPLE },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        const report = costReport(body.job_cost_data, {
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
        const data = await readReport(body.asbx_data_path, asbx.spoolDirectories, job);
        const dead: Dead = { jobId: job.jobId, data: data.status, ...given({ detail: data.detail }) };
        if (data.report) {
          try {
            const options = { reconciles: true, teaches: asbx.updateCostModel, thresholds: asbx.thresholds };
            return c.json(renderEpilog({ ...dead, asbx: await reports.asbx(data.report, options, caller) }));
          } catch (error) {
            // Another cost was reported before. The epilog has nothing else to say of the job.
            if (!(error instanceof Fault) || error.code !== 'already_reconciled') throw error;
            return c.json(renderEpilog({ ...dead, data: 'failed', detail: error.message, refused: true }));
          }
        }
        return c.json(renderEpilog({ ...dead, outcome: await reports.epilog(job, caller) }));
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

const RESULTS = { reconciled: 'settled', recorded: 'recorded', waiting: 'waiting' } as const;

function costReport(
  data: z.output<typeof AsbxCostData>,
  { cluster, correction, evidence }: Pick<CostReport, 'cluster' | 'correction' | 'evidence'>,
): CostReport {
  const { success } = data;
  const endState = data.job_state ?? (success === undefined ? undefined : success ? 'COMPLETED' : 'FAILED');
  return {
    source: 'asbx',
    cluster,
    jobId: data.slurm_job_id ?? data.job_id ?? data.budget_transaction_id ?? '',
    cost: { amount: data.actual_cost.amount, numeral: data.actual_cost.numeral },
    correction,
    evidence,
    ...given({
      account: data.account,
      user: data.user_id,
      partition: data.partition,
      submittedAt: data.submitted_at,
      startedAt: data.started_at,
      endedAt: data.completed_at,
      endState,
      exitCode: data.exit_code,
      holdId: data.budget_transaction_id,
      estimated: data.estimated_cost?.amount,
    }),
    performance: given({
      endState,
      cpuEfficiency: data.cpu_efficiency,
      memoryEfficiency: data.memory_efficiency,
      gpuEfficiency: data.gpu_efficiency,
      burstDecision: data.burst_decision,
      profile: data.performance_profile,
    }),
  };
}

/** What an epilog says of its job, unless it is none that has ended. Its exit code speaks where its state says nothing. */
function readEpilog(
  body: z.output<typeof AsbxEpilogRequest>,
  cluster: string,
  evidence: unknown,
): ReportedJob | 'goes on' {
  const state = body.job_state ?? '';
  const read = stateOf(state);
  // An epilog runs while its job completes.
  if (read !== undefined && read.phase !== 'ended' && !/^(CG|COMPLETING)$/i.test(state)) return 'goes on';
  const byCode = body.exit_code === undefined ? undefined : body.exit_code === 0 ? 'COMPLETED' : 'FAILED';
  const allocated = given({
    nodes: body.allocated_nodes || undefined,
    cpus: body.allocated_cpus,
    gpus: body.allocated_gpus || undefined,
  });
  const isTask = body.array_job_id !== undefined && body.array_task_id !== undefined;
  return {
    cluster,
    jobId: isTask ? `${body.array_job_id}_${body.array_task_id}` : body.job_id,
    evidence,
    ...given({
      account: body.account,
      user: body.user_id,
      partition: body.partition,
      submittedAt: body.submit_time,
      startedAt: body.start_time,
      endedAt: body.end_time,
      endState: read?.endState ?? byCode,
      exitCode: body.exit_code ?? (/^\d+$/.test(state) ? Number(state) : undefined),
      allocated: Object.keys(allocated).length > 0 ? allocated : undefined,
      holdId: body.transaction_id,
      holdKey: body.hold_key,
    }),
  };
}

function stateOf(state: string): ReturnType<typeof readState> | undefined {
  try {
    return state === '' ? undefined : readState(state);
  } catch {
    return undefined; // A word that nobody knows: it ended, for this is its epilog.
  }
}

interface FoundReport {
  status: Dead['data'];
  detail?: string;
  report?: CostReport;
}

/** The cost report at a path; what is known of the job from its epilog stands before what the file says. */
async function readReport(
  path: string | undefined,
  folders: readonly string[],
  job: ReportedJob,
): Promise<FoundReport> {
  if (path === undefined) return { status: 'no_data' };
  const reading = await readSpoolFile(path, folders);
  if (reading.status !== 'read') return reading;
  try {
    const raw = readJsonBytes(reading.bytes);
    const inner: unknown = typeof raw === 'object' && raw !== null ? (Reflect.get(raw, 'job_cost_data') ?? raw) : raw;
    const data = readAs(AsbxCostData, inner, 'asbb');
    const own = costReport(data, { cluster: job.cluster, correction: false, evidence: plainJson(raw) });
    const names = [data.slurm_job_id, data.job_id].filter((name) => name !== undefined);
    if (names.length > 0 && !names.some((name) => name === job.jobId || name.endsWith(`-${job.jobId}`))) {
      return { status: 'failed', detail: 'asbx_data_path is the report of another job' };
    }
    return {
      status: 'completed',
      report: { ...own, ...job, source: 'epilog', evidence: { epilog: job.evidence, report: own.evidence } },
    };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const fields = error.errors.map(({ pointer, detail }) => `${pointer.slice(1) || 'it'} ${detail}`).join('; ');
    return { status: 'failed', detail: `asbx_data_path is no report of ASBX: ${fields}` };
  }
}

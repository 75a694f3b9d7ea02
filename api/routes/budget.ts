/** May this job run? And what did it cost in the end? (contract 3.1, 3.2) */
import { Hono } from 'hono';
import type { z } from 'zod';
import { given } from '../../domain/given';
import { readResources } from '../../domain/slurm-resources';
import type { JobRequest } from '../../domain/job';
import type { CheckRequest } from '../../ledger/contract';
import { requireAdmin, requireOwn } from '../access';
import type { ApiDeps, ApiEnv } from '../env';
import { operation } from '../operation';
import { renderDecision, renderReconciliation, renderWaiting } from '../render/budget';
import {
  BudgetCheckRequest,
  type BudgetComponent,
  BudgetDecision,
  ReconcileAnswer,
  ReconcileRequest,
} from '../schemas/budget';
import { CHECK_EXAMPLE, DECISION_EXAMPLE, RECONCILE_EXAMPLE, RECONCILED_EXAMPLE } from '../examples';

const CHECK_FAULTS = ['account_not_found', 'cluster_not_found', 'partition_not_found'] as const;

export const budgetRoutes = ({ ledger, metrics, defaultCluster }: ApiDeps) =>
  new Hono<ApiEnv>()
    .post(
      '/budget/check',
      operation({
        id: 'checkBudget',
        tag: 'Budget',
        may: ['hook'],
        summary: 'May this job run? If so, its money is held.',
        description:
          'Decided and held in one step, against every limit around the account. A no is HTTP 200 with available:false, a code and its explanation. With an idempotency key a repeat gets the first answer, a no included.',
        dialect: 'asbb',
        body: BudgetCheckRequest,
        answer: BudgetDecision,
        faults: CHECK_FAULTS,
        example: { request: CHECK_EXAMPLE, answer: DECISION_EXAMPLE },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        // It would count in windows and at rates that are over (rulings 18).
        if (body.at !== undefined) requireAdmin(c.var.access, 'a check with a time of its own (at)');
        const stopClock = metrics.checkSeconds.startTimer();
        const decision = await ledger.admission.check(readCheck(body), caller);
        stopClock();
        metrics.checks.inc({ result: decision.available ? 'approved' : 'denied' });
        if (!decision.available) metrics.refusals.inc({ code: decision.code });
        else if (!decision.replayed) metrics.transactions.inc({ type: 'hold' });
        return c.json(renderDecision(decision));
      },
    )
    .post(
      '/budget/estimate',
      operation({
        id: 'estimateBudget',
        tag: 'Budget',
        may: ['hook', 'read'],
        summary: 'The same answer as a check, without holding anything.',
        description: 'Takes the body of a check. Nothing is written, so a key in it is not looked at.',
        dialect: 'asbb',
        body: BudgetCheckRequest,
        keyed: false,
        answer: BudgetDecision,
        faults: CHECK_FAULTS,
        example: { request: CHECK_EXAMPLE },
      }),
      async (c) => c.json(renderDecision(await ledger.admission.estimate(readCheck(c.var.input.body)))),
    )
    .post(
      '/budget/reconcile',
      operation({
        id: 'reconcileBudget',
        tag: 'Budget',
        may: ['hook'],
        summary: 'The job is over; this is what it cost.',
        description:
          'Charges the cost, gives back the rest of the hold, exactly once. The same cost again gets the first answer; another cost is 409 unless correction is true.',
        dialect: 'asbb',
        body: ReconcileRequest,
        answer: ReconcileAnswer,
        faults: ['cluster_not_found', 'hold_not_found', 'not_a_hold', 'already_reconciled'],
        example: { request: RECONCILE_EXAMPLE, answer: RECONCILED_EXAMPLE },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        if (body.transaction_id !== undefined && c.var.access.cluster !== undefined) {
          requireOwn(c.var.access, await ledger.holds.read(body.transaction_id), body.transaction_id);
        }
        const reconciliation = await ledger.reports.reconcile(
          {
            ...given({
              jobId: body.job_id,
              holdId: body.transaction_id,
              cluster: body.cluster,
              metadata: readMetadata(body.job_metadata),
            }),
            actualCost: body.actual_cost.amount,
            numeral: body.actual_cost.numeral,
            correction: body.correction ?? false,
            waitsOn: body.cluster ?? defaultCluster,
          },
          caller,
        );
        if ('unmatchedNo' in reconciliation) {
          metrics.reconciliations.inc({ result: 'waiting' });
          return c.json(renderWaiting(reconciliation, body.job_id ?? ''));
        }
        metrics.reconciliations.inc({ result: reconciliation.replayed ? 'replayed' : 'settled' });
        return c.json(renderReconciliation(reconciliation));
      },
    );

type Check = z.output<typeof BudgetCheckRequest>;

function readCheck(body: Check): CheckRequest {
  const { job_name: nameOfDetails } = body.job_details ?? {};
  return {
    account: body.account,
    components:
      'components' in body ? body.components.map((component) => readJob(component)) : [readJob(body, body.array_tasks)],
    ...given({
      cluster: body.cluster,
      user: body.user_id,
      jobId: body.job_id,
      jobName: body.job_name ?? (typeof nameOfDetails === 'string' ? nameOfDetails : undefined),
      at: body.at,
      details: body.job_details,
      jobScript: body.job_script,
    }),
  };
}

function readJob(job: z.output<typeof BudgetComponent>, arrayTasks = 1): JobRequest {
  const { nodes, cpus, gpus, memory, gres, tres } = job;
  return {
    partition: job.partition,
    ...readResources({ nodes, cpus, gpus, memory, gres, tres }),
    wallSeconds: job.wall_time.wallSeconds,
    unlimited: job.wall_time.unlimited,
    arrayTasks,
  };
}

/** ASBB takes JSON text; we take an object as well. Text that is no JSON is kept as text. */
function readMetadata(metadata: unknown): unknown {
  if (typeof metadata !== 'string') return metadata;
  return /^\s*[[{]/.test(metadata) ? parsedOr(metadata) : metadata;
}

function parsedOr(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

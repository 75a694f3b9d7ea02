/**
 * What is said of jobs that have ended by those who do not know their holds: epilogs, ASBX, a bare cost. Each is brought to a
 * hold (bind-report.ts) and from there goes the way of every other event and every other reported cost; none of them settles
 * in a way of its own. Where no hold is known it waits, and is taken along when one is (take_reports.sql).
 */
import { ulid } from 'ulid';
import { assess, feedbackOf, type Assessment } from '../domain/asbx';
import { Fault } from '../domain/faults';
import type { TransactionId } from '../domain/ids';
import { renderAmount, toMicro, type Micro } from '../domain/money';
import { splitJobId } from '../domain/slurm-job';
import type { Sql } from '../platform/postgres';
import { bindReport, endOf, type Bound } from './bind-report';
import type { AsbxFigures, AsbxOptions, CostReport, Jobs, Reconciliation, Reports, Waiting } from './contract';
import { ask } from './errors';
import type { PriceBooks } from './price-book';
import { transactionIdOf } from './rows';

export interface ReportsOptions {
  sql: Sql;
  prices: PriceBooks;
  jobs: Pick<Jobs, 'advance' | 'reconcile'>;
}

/** The job is bound between two looks only if somebody binds it just then; more often than this nobody does. */
const LOOKS_MAX = 3;

export function openReports({ sql, prices, jobs }: ReportsOptions): Reports {
  const bind = (report: Parameters<typeof bindReport>[1], caller: Parameters<typeof bindReport>[2]) =>
    bindReport({ sql, prices }, report, caller);

  return {
    async reconcile({ waitsOn, ...request }, caller) {
      for (let look = 1; ; look += 1) {
        try {
          return await jobs.reconcile(request, caller);
        } catch (error) {
          const isUnbound = error instanceof Fault && error.code === 'hold_not_found';
          if (!isUnbound || request.holdId !== undefined || request.jobId === undefined || look === LOOKS_MAX)
            throw error;
        }
        const { jobId, actualCost, numeral, correction, metadata } = request;
        const report = {
          source: 'reconcile' as const,
          cluster: request.cluster ?? waitsOn,
          jobId,
          cost: { amount: actualCost, numeral },
          correction,
          evidence: { job_id: jobId, actual_cost: numeral, job_metadata: metadata },
        };
        const bound = await bind(report, caller);
        if (bound.outcome === 'waiting') return waitingOf(bound);
      }
    },

    async epilog(job, { principal }) {
      const bound = await bind({ source: 'epilog', ...job }, { principal });
      if (bound.outcome === 'waiting') return waitingOf(bound);
      // Nobody gives the hold up because of a record that says less than others.
      return jobs.advance(holdOf(bound), { scheduler: 'unreachable' });
    },

    async asbx(report, options, { principal }) {
      const startedMs = Date.now();
      const bound = await bind({ ...report, onlyLooks: !options.reconciles }, { principal });
      if (bound.outcome === 'waiting') {
        return { status: 'waiting', waiting: waitingOf(bound), assessment: assessed(report, undefined, options) };
      }
      const holdId = bound.outcome === 'bound' ? transactionIdOf(bound.holdId) : undefined;
      const assessment = assessed(report, holdId && (await estimateOf(sql, holdId)), options);
      const reconciliationId = await writeDown(sql, report, options, holdId, assessment);
      const found = { reconciliationId, assessment, ...(holdId && { holdId }) };
      if (!options.reconciles || holdId === undefined) return { status: 'recorded', ...found };
      const reconciliation = await reconcileReport(jobs, report, holdId, principal).catch(async (error: unknown) => {
        if (error instanceof Fault && error.code === 'already_reconciled')
          await conclude(sql, reconciliationId, 'refused', startedMs);
        throw error;
      });
      await conclude(sql, reconciliationId, 'reconciled', startedMs);
      return { status: 'reconciled', ...found, reconciliation };
    },

    asbxFigures: () => readAsbxFigures(sql),
  };
}

const waitingOf = ({ unmatchedNo, why }: Waiting): Waiting => ({ unmatchedNo, why });

function holdOf(bound: Bound): string {
  if (bound.outcome !== 'bound') throw new Error('a report that is told always finds a hold or waits');
  return bound.holdId;
}

function reconcileReport(
  jobs: ReportsOptions['jobs'],
  report: CostReport,
  holdId: TransactionId,
  principal: string,
): Promise<Reconciliation> {
  const { cost, correction, evidence } = report;
  return jobs.reconcile(
    {
      holdId,
      actualCost: cost.amount,
      numeral: cost.numeral,
      correction,
      metadata: evidence,
      events: endOf(report, report.source),
      // The hold knows its job; of an array it does not know which task is meant.
      ...(splitJobId(report.jobId).task !== '' && { jobId: report.jobId }),
    },
    { principal },
  );
}

function assessed(
  { cost, estimated, performance }: CostReport,
  own: Micro | undefined,
  { thresholds }: AsbxOptions,
): Assessment {
  const estimate = estimated ?? own;
  const figures = { actual: cost.amount, ...(estimate !== undefined && { estimated: estimate }) };
  return assess(figures, performance, thresholds);
}

/** What Bursar itself had thought. */
async function estimateOf(sql: Sql, holdId: TransactionId): Promise<Micro | undefined> {
  const [row] = await ask(
    () => sql<{ estimated: bigint | null }[]>`
      select (d.request ->> 'estimated')::bigint as estimated
      from ledger.holds h join ledger.decisions d on d.decision_no = coalesce(h.group_no, h.hold_no)
      where h.hold_id = ${holdId}`,
  );
  return row?.estimated == null ? undefined : toMicro(row.estimated);
}

/** The report's own row, made by whoever brings it first. */
async function writeDown(
  sql: Sql,
  report: CostReport,
  { teaches }: AsbxOptions,
  holdId: TransactionId | undefined,
  assessment: Assessment,
): Promise<string> {
  const { jobId, task } = splitJobId(report.jobId);
  const learns = teaches && assessment.estimated !== undefined;
  const accuracy = learns ? renderAmount(assessment.accuracyThousandths * 1_000n) : null;
  const feedback = feedbackOf(
    { jobId: report.jobId, ...(report.account && { account: report.account }) },
    assessment,
    report.performance,
  );
  const [row] = await ask(
    () => sql<{ reconciliationId: string }[]>`
      insert into ledger.asbx_reports as r (reconciliation_id, cluster_no, job_id, task, hold_no, cost_micro, report, feedback, accuracy)
      select ${`asbx_recon_${ulid()}`}, c.cluster_no, ${jobId}, ${task}, (select hold_no from ledger.holds where hold_id = ${holdId ?? null}),
        ${report.cost.amount}, ${JSON.stringify(report.evidence ?? null)}::text::jsonb, ${JSON.stringify(feedback)}::text::jsonb,
        ${accuracy}::numeric
      from ledger.clusters c where c.name = ${report.cluster}
      on conflict on constraint asbx_reports_once do update set accuracy = coalesce(r.accuracy, excluded.accuracy)
      returning reconciliation_id as "reconciliationId"`,
  );
  if (!row)
    throw new Fault('cluster_not_found', `There is no cluster "${report.cluster}".`, {
      facts: { cluster: report.cluster },
    });
  return row.reconciliationId;
}

async function conclude(
  sql: Sql,
  reconciliationId: string,
  status: 'reconciled' | 'refused',
  startedMs: number,
): Promise<void> {
  await ask(
    () => sql`
      update ledger.asbx_reports set status = ${status}, took_ms = ${Date.now() - startedMs}
      where reconciliation_id = ${reconciliationId} and status <> 'reconciled' and status <> ${status}`,
  );
}

async function readAsbxFigures(sql: Sql): Promise<AsbxFigures> {
  const [row] = await ask(
    () => sql<
      {
        lastReceivedAt: string | null;
        reconciled: number;
        refused: number;
        recorded: number;
        waiting: number;
        averageMs: number | null;
        accuracy: string | null;
      }[]
    >`
      with later as (
        -- Reports that had to wait for their hold were settled by the story that took them.
        select count(*) filter (where status in ('applied', 'resolved'))::int as settled,
          count(*) filter (where status = 'waiting')::int as waiting, max(received_at) as received_at
        from ledger.unmatched where source = 'asbx'
      )
      select greatest(max(r.received_at), max(l.received_at)) as "lastReceivedAt",
        (count(*) filter (where r.status = 'reconciled') + max(l.settled))::int as reconciled,
        count(*) filter (where r.status = 'refused')::int as refused,
        count(*) filter (where r.status = 'recorded')::int as recorded,
        max(l.waiting) as waiting,
        (avg(r.took_ms) filter (where r.status = 'reconciled'))::int as "averageMs",
        (round(avg(r.accuracy) filter (where r.status = 'reconciled'), 3))::text as accuracy
      from later l left join ledger.asbx_reports r on true`,
  );
  const { lastReceivedAt, reconciled = 0, refused = 0, recorded = 0, waiting = 0, averageMs, accuracy } = row ?? {};
  return {
    ...(lastReceivedAt != null && { lastReceivedAt }),
    reconciled,
    refused,
    recorded,
    waiting,
    ...(averageMs != null && { averageMs }),
    ...(accuracy != null && { accuracy: Number(accuracy) }),
  };
}

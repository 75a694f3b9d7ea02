/**
 * What is said of jobs that have ended by those who do not know their holds: epilogs, ASBX, a bare cost. Each is brought to a
 * hold (bind-report.ts) and from there goes the way of every other event and every other reported cost; none of them settles
 * in a way of its own. Where no hold is known it waits, and is taken along when one is (take_reports.sql).
 */
import { assess, type Assessment } from '../domain/asbx';
import { Fault } from '../domain/faults';
import type { TransactionId } from '../domain/ids';
import { toMicro, type Micro } from '../domain/money';
import { splitJobId } from '../domain/slurm-job';
import type { Sql } from '../platform/postgres';
import { conclude, readAsbxFigures, writeDown } from './asbx-reports';
import { bindReport, endOf, type Bound } from './bind-report';
import type { AsbxOptions, CostReport, Jobs, Reconciliation, Reports, Waiting } from './contract';
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

/** What ASBX has reported, and what became of it: a row a report, with what it says of the estimate before it. */
import { ulid } from 'ulid';
import { feedbackOf, type Assessment } from '../domain/asbx';
import { Fault } from '../domain/faults';
import type { TransactionId } from '../domain/ids';
import { renderAmount } from '../domain/money';
import { splitJobId } from '../domain/slurm-job';
import type { Sql } from '../platform/postgres';
import type { AsbxFigures, AsbxOptions, CostReport } from './contract';
import { ask } from './errors';

/** The report's own row, made by whoever brings it first. */
export async function writeDown(
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

export async function conclude(
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

export async function readAsbxFigures(sql: Sql): Promise<AsbxFigures> {
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

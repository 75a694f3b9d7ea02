/** Changes of a job that were refused (`scontrol update`), or would have been, for its story: Slurm shows its user no text there. */
import type { Enforcement } from '../../domain/policy';
import type { Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { RefusedChange } from '../contract';
import { renderDecision, type RecordedAnswer, type RecordedRequest } from '../decision';
import { ask } from '../errors';

interface Row {
  at: Instant;
  code: string;
  mode: Enforcement;
  reason: string | null;
  request: RecordedRequest | null;
  answer: RecordedAnswer | null;
}

/** In the order in which they were asked for. Ids come back: of the job of that id that was submitted then. */
export async function readRefusedChanges(
  sql: Sql,
  { cluster, jobId, submittedAt }: { cluster: string; jobId: string; submittedAt: Instant | null },
): Promise<RefusedChange[]> {
  const rows = await ask(
    () => sql<Row[]>`
      select s.at, s.code, case s.admitted when 'shadow' then 'shadow' else 'enforce' end as mode, s.reason, null::jsonb as request, null::jsonb as answer
      from ledger.submissions s join ledger.clusters c using (cluster_no)
      where c.name = ${cluster} and s.job_id = ${jobId} and s.admitted in ('denied', 'shadow', 'closed')
        and (${submittedAt}::timestamptz is null or s.at >= ${submittedAt}::timestamptz)
      union all
      select d.decided_at, d.code, d.request ->> 'mode', null, d.request, d.answer
      from ledger.decisions d
      where d.code <> 'placed' and d.request ->> 'jobId' = ${jobId} and d.request ->> 'cluster' = ${cluster}
        and d.request ? 'mode' and (${submittedAt}::timestamptz is null or d.decided_at >= ${submittedAt}::timestamptz)
      order by at
      limit 1000`,
  );
  return rows.map(({ at, code, mode, reason, request, answer }) => ({
    at,
    code,
    mode,
    message: request && answer ? renderDecision(request, answer, at, false).message : (reason ?? code),
  }));
}

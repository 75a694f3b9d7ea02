/** What a scheduler is asked about one hold, and which of its rows are an answer. */
import { Fault } from '../../domain/faults';
import { given } from '../../domain/given';
import { queueNews, type QueuedJob } from '../../domain/queue';
import { CLOCKS_APART_MICROS } from '../../domain/runs';
import { compareInstants, epochMicros, instantOfMicros, type Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { JobEvent, JobQuestion } from '../contract';
import { ask } from '../errors';

export async function readQuestion(sql: Sql, holdId: string): Promise<JobQuestion> {
  const [row] = await ask(
    () => sql<
      {
        cluster: string;
        key: string | null;
        placedAt: Instant;
        late: boolean;
        jobs: { jobId: string; submittedAt: number | null }[];
      }[]
    >`
      select c.name as cluster, d.key, h.late,
        h.effective_at - greatest(interval '0', case when not h.late then l.listed_at - l.taken_at end) as "placedAt",
        coalesce((
          select jsonb_agg(jsonb_build_object('jobId', j.job_id, 'submittedAt', ledger.epoch_micros(j.submitted_at)) order by j.job_no)
          from ledger.jobs j where j.hold_no = h.hold_no), '[]'::jsonb) as jobs
      from ledger.holds h
      join ledger.clusters c on c.cluster_no = h.cluster_no
      left join ledger.scheduler_looks l on l.cluster_no = h.cluster_no
      left join ledger.decisions d on d.decision_no = coalesce(h.group_no, h.hold_no)
      where h.hold_id = ${holdId}`,
  );
  if (!row) throw new Fault('hold_not_found', `There is no hold ${holdId}.`, { facts: { hold_id: holdId } });
  return {
    cluster: row.cluster,
    placedAt: row.placedAt,
    late: row.late,
    jobs: row.jobs.map(({ jobId, submittedAt }) => ({
      jobId,
      ...given({ submittedAt: submittedAt === null ? undefined : instantOfMicros(BigInt(submittedAt)) }),
    })),
    ...given({ key: row.key ?? undefined }),
  };
}

/**
 * Ids recycle: a row is about the hold if it carries its stamp, or is of a job that was bound to it. Where nobody knows when
 * that job was submitted, it is any of its id but those that were submitted before the hold, or were over by then.
 */
export function answerOf({ cluster, key, placedAt, late, jobs }: JobQuestion, rows: readonly QueuedJob[]): JobEvent[] {
  const earliest = epochMicros(placedAt) - CLOCKS_APART_MICROS;
  const isBefore = ({ submittedAt, endedAt }: QueuedJob): boolean => {
    const last = late ? endedAt : submittedAt;
    return last !== undefined && epochMicros(last) < earliest;
  };
  const isIts = (row: QueuedJob): boolean =>
    (key !== undefined && row.stamp === key) ||
    jobs.some(
      ({ jobId, submittedAt }) =>
        jobId === row.jobId &&
        (submittedAt === undefined
          ? row.stamp === undefined && !isBefore(row)
          : compareInstants(submittedAt, row.submittedAt) === 0),
    );
  return rows
    .filter(isIts)
    .flatMap((job) => queueNews(job, job.endedAt ?? job.startedAt ?? job.submittedAt))
    .map((event) => ({ ...event, cluster, ...given({ holdKey: key }) }));
}

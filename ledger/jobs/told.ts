/** What was said of a job, in the order in which it happened. */
import type { EventFacts, JobEventType } from '../../domain/job';
import { instantOfMicros } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { JobStory } from '../contract';
import { ask } from '../errors';
import type { AskedRow } from './rows';

interface EventRow {
  jobId: string;
  submittedAt: string | null;
  type: JobEventType;
  task: string;
  at: string;
  recordedAt: string;
  facts: EventFacts & { startedAt?: number; note?: string };
}

/** In the order in which it happened; a requeued job has one row a submission, its hold has one story. */
export const readEvents = (sql: Sql, { jobNo, leaderNo }: AskedRow): Promise<EventRow[]> =>
  ask(
    () => sql<EventRow[]>`
      select j.job_id as "jobId", j.submitted_at as "submittedAt", e.type, e.task, e.at, e.recorded_at as "recordedAt",
        e.facts - 'raw' as facts
      from ledger.jobs j join ledger.job_events e on e.job_no = j.job_no
      where j.job_no = ${jobNo} or j.hold_no in (
        select h.hold_no from ledger.holds h where h.hold_no = ${leaderNo} or h.group_no = ${leaderNo})
      order by e.at, e.event_no`,
  );

export const eventsOf = (rows: readonly EventRow[], { cluster }: AskedRow): JobStory['events'] =>
  rows.map(({ facts: { startedAt, ...said }, submittedAt, ...event }) => ({
    ...said,
    ...event,
    cluster,
    ...(submittedAt === null ? {} : { submittedAt }),
    ...(startedAt === undefined ? {} : { startedAt: instantOfMicros(BigInt(startedAt)) }),
  }));

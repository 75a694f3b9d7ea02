/** What was said of a job, in the order in which it happened. */
import type { EndState, JobEventType, Resources } from '../../domain/job';
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
  facts: {
    startedAt?: number;
    endState?: EndState;
    cancelledBy?: string;
    uid?: number;
    exitCode?: number;
    resources?: Resources;
    timeLimitSeconds?: number;
    suspendedSeconds?: number;
    cost?: string;
    correction?: boolean;
    note?: string;
  };
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
  rows.map(({ facts, jobId, submittedAt, type, task, at, recordedAt }) => ({
    cluster,
    jobId,
    type,
    task,
    at,
    recordedAt,
    ...(submittedAt === null ? {} : { submittedAt }),
    ...(facts.startedAt === undefined ? {} : { startedAt: instantOfMicros(BigInt(facts.startedAt)) }),
    ...(facts.endState === undefined ? {} : { endState: facts.endState }),
    ...(facts.cancelledBy === undefined ? {} : { cancelledBy: facts.cancelledBy }),
    ...(facts.uid === undefined ? {} : { uid: facts.uid }),
    ...(facts.exitCode === undefined ? {} : { exitCode: facts.exitCode }),
    ...(facts.resources === undefined ? {} : { resources: facts.resources }),
    ...(facts.timeLimitSeconds === undefined ? {} : { timeLimitSeconds: facts.timeLimitSeconds }),
    ...(facts.suspendedSeconds === undefined ? {} : { suspendedSeconds: facts.suspendedSeconds }),
    ...(facts.cost === undefined ? {} : { cost: facts.cost }),
    ...(facts.correction === undefined ? {} : { correction: facts.correction }),
    ...(facts.note === undefined ? {} : { note: facts.note }),
  }));

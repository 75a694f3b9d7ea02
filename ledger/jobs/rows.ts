/** A job as a row, in lists and at the head of its story. */
import { jobWorkflowId, type TransactionId } from '../../domain/ids';
import type { JobState } from '../../domain/job';
import { toMicro, type Micro } from '../../domain/money';
import type { AdmissionKind } from '../../domain/policy';
import type { Sql } from '../../platform/postgres';
import type { Job, JobStory } from '../contract';
import { ask } from '../errors';

export interface JobRow {
  jobNo: bigint;
  cluster: string;
  timeZone: string;
  jobId: string;
  name: string | null;
  account: string | null;
  unit: string | null;
  user: string | null;
  partition: string | null;
  submittedAt: string | null;
  state: JobState;
  quarantined: boolean;
  leaderNo: bigint | null;
  holdId: TransactionId | null;
  late: boolean;
  admitted: AdmissionKind | null;
  admissionReason: string | null;
  admissionCost: bigint | null;
  stamp: string | null;
  held: bigint | null;
  charged: bigint | null;
  generation: number;
  updatedAt: string;
}

/** Of a job that only a check has named: it may have been denied. */
export type AskedRow = Omit<JobRow, 'state'> & { state: JobStory['state'] };

export const jobsWhere = (
  sql: Sql,
  condition: ReturnType<Sql>,
  limit: number,
  offset = 0,
  order: ReturnType<Sql> = sql`j.job_no desc`,
): Promise<JobRow[]> =>
  ask(
    () => sql<JobRow[]>`
      select j.job_no as "jobNo", c.name as cluster, c.time_zone as "timeZone", j.job_id as "jobId", j.name,
        j.account_name as account, a.unit, j.user_name as "user", j.partition, j.submitted_at as "submittedAt", j.state,
        j.quarantined, coalesce(h.group_no, h.hold_no) as "leaderNo", h.hold_id as "holdId",
        coalesce(ledger.came_late(h), false) as late, coalesce(came.admitted, h.uncharged) as admitted,
        came.reason as "admissionReason", came.cost_micro as "admissionCost", j.stamp,
        coalesce(members.held, h.held_micro) as held, coalesce(members.charged, h.charged_micro) as charged,
        coalesce(s.generation, 0) as generation, j.updated_at as "updatedAt"
      from ledger.jobs j
      join ledger.clusters c on c.cluster_no = j.cluster_no
      left join ledger.holds h on h.hold_no = j.hold_no
      left join ledger.accounts a on a.account_no = h.account_no
      left join ledger.submissions came on came.cluster_no = j.cluster_no and came.key = j.stamp
      left join ledger.stories s on s.hold_no = coalesce(h.group_no, h.hold_no)
      left join lateral (
        select sum(m.held_micro)::bigint as held, sum(m.charged_micro)::bigint as charged
        from ledger.holds m where m.group_no = h.group_no) members on h.group_no = h.hold_no
      where ${condition}
      order by ${order}
      limit ${limit} offset ${offset}`,
  );

export const jobOf = <State extends JobStory['state']>(
  row: Omit<JobRow, 'state'> & { state: State },
  accrued: Micro,
): Omit<Job, 'state'> & { state: State } => ({
  cluster: row.cluster,
  clusterTimeZone: row.timeZone,
  jobId: row.jobId,
  ...(row.name === null ? {} : { name: row.name }),
  ...(row.account === null ? {} : { account: row.account }),
  ...(row.unit === null ? {} : { unit: row.unit }),
  ...(row.user === null ? {} : { user: row.user }),
  ...(row.partition === null ? {} : { partition: row.partition }),
  ...(row.submittedAt === null ? {} : { submittedAt: row.submittedAt }),
  state: row.state,
  quarantined: row.quarantined,
  ...(row.holdId === null
    ? {}
    : { holdId: row.holdId, workflowId: jobWorkflowId(row.cluster, row.holdId, row.generation) }),
  late: row.late,
  ...(row.admitted === null ? {} : { admission: admissionOf(row) }),
  held: toMicro(row.held ?? 0n),
  charged: toMicro(row.charged ?? 0n),
  accrued,
  updatedAt: row.updatedAt,
});

const admissionOf = ({ admitted, admissionReason: reason, admissionCost: cost }: Omit<JobRow, 'state'>) => ({
  kind: admitted as AdmissionKind, // Only called where it is one.
  ...(reason === null ? {} : { reason }),
  ...(cost === null ? {} : { cost: toMicro(cost) }),
});

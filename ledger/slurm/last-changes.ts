/**
 * Changes of a job in the order in which its controller decided them, whatever the order in which they are told: each is priced
 * with all of the job as it was then, so the latest says what the hold is for, and an older one that comes after it says nothing.
 *
 * Written after the hold has changed: a change that was refused overtakes nobody.
 */
import type { Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import { ask } from '../errors';
import type { NumberedCluster } from '../price-book';

export interface DecidedChange {
  jobId: string;
  /** '' where the whole job is changed. */
  task: string;
  submittedAt?: Instant;
  key: string;
  decidedAt: Instant;
}

const UNKNOWN = '-infinity';

export async function noteChange(
  sql: Sql,
  { clusterNo }: NumberedCluster,
  { jobId, task, submittedAt = UNKNOWN, key, decidedAt }: DecidedChange,
): Promise<void> {
  await ask(
    () => sql`
      insert into ledger.last_changes as l (cluster_no, job_id, task, submitted_at, decided_at, key)
      values (${clusterNo}, ${jobId}, ${task}, ${submittedAt}, ${decidedAt}, ${key})
      on conflict (cluster_no, job_id, task, submitted_at) do update set decided_at = excluded.decided_at, key = excluded.key
      where l.decided_at <= excluded.decided_at`,
  );
}

/** Whether a later change of the same job was made. The same change again is not later than itself. */
export async function isOvertaken(
  sql: Sql,
  { clusterNo }: NumberedCluster,
  { jobId, task, submittedAt = UNKNOWN, key, decidedAt }: DecidedChange,
): Promise<boolean> {
  const [later] = await ask(
    () => sql`
      select from ledger.last_changes
      where cluster_no = ${clusterNo} and job_id = ${jobId} and task = ${task} and submitted_at = ${submittedAt}
        and decided_at > ${decidedAt} and key <> ${key}`,
  );
  return later !== undefined;
}

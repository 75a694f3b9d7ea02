/** The job that a `scontrol update` is about: which one it is, whose, and what it holds. */
import type { TransactionId } from '../../domain/ids';
import { countOf, numberOf, textOf, type RawFacts, type Submission } from '../../domain/slurm-submission';
import { instantOfSeconds, type Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { Caller, PriceBook, SlurmModification } from '../contract';
import { ask } from '../errors';
import type { NumberedCluster } from '../price-book';

/** The open hold that a job has, if any. */
export interface JobHold {
  holdId: TransactionId;
  account: string;
  partition: string;
  late: boolean;
  uncharged: 'shadow' | 'exempt' | null;
  /** Of the check that placed it. */
  key: string | null;
}

/** A change that asks for money, with everything it is judged by. */
export interface Asked {
  cluster: NumberedCluster;
  book: PriceBook;
  now: Instant;
  jobId: string;
  /** '' where the whole job is changed. */
  task: string;
  submittedAt?: Instant;
  newKey: string;
  /** The key that the job carries, if any. */
  stamp?: string;
  before: Submission;
  after: Submission;
  caller: Caller;
}

/** By what the controller says of the job: tasks go by their array's id. */
export function nameOfChange({
  facts,
  jobId,
}: Pick<SlurmModification, 'facts' | 'jobId'>): Pick<Asked, 'jobId' | 'task' | 'submittedAt'> {
  const array = countOf(facts.array_job_id);
  const task = array === undefined ? undefined : countOf(facts.array_task_id, 'zero');
  const submitted = countOf(facts.submit_time);
  return {
    jobId: array === undefined ? jobId : String(array),
    task: task === undefined ? '' : String(task),
    ...(submitted === undefined ? {} : { submittedAt: instantOfSeconds(submitted) }),
  };
}

/** The same, but a task that was changed by itself before is a job of its own (replace_hold). */
export async function changedJobOf(
  sql: Sql,
  { clusterNo }: NumberedCluster,
  change: SlurmModification,
): Promise<Pick<Asked, 'jobId' | 'task' | 'submittedAt'>> {
  const named = nameOfChange(change);
  if (named.task === '') return named;
  const own = `${named.jobId}_${named.task}`;
  const [split] = await ask(
    () => sql`
      select from ledger.jobs
      where cluster_no = ${clusterNo} and job_id = ${own} and submitted_at = ${named.submittedAt ?? null}::timestamptz`,
  );
  return split ? { ...named, jobId: own, task: '' } : named;
}

/** How many tasks a change is about: Slurm 22.05 names the tasks of an array that it knows already by their number only. */
export function tasksOf({ job }: Submission, { facts }: SlurmModification): number {
  if (countOf(facts.array_task_id, 'zero') !== undefined) return 1;
  return Math.max(job.arrayTasks, countOf(facts.array_task_cnt) ?? 1);
}

/**
 * By its stamp, else by its id: a job that was found in the queue has a hold and no stamp. A task that is a job of its own has the
 * stamp of its array.
 */
export async function openHoldOf(
  sql: Sql,
  { clusterNo }: NumberedCluster,
  { jobId, submittedAt }: Pick<Asked, 'jobId' | 'submittedAt'>,
  stamp: string | undefined,
): Promise<JobHold | undefined> {
  const [row] = await ask(
    () => sql<JobHold[]>`
      with found as (
        select 1 as rank, ledger.standing_hold(d.decision_no) as hold_no
        from ledger.decisions d join ledger.holds h on h.hold_no = d.decision_no
        where d.key = ${stamp ?? null}::text and d.code = 'placed' and h.cluster_no = ${clusterNo}
        union all
        select 0, j.hold_no
        from ledger.jobs j
        where j.cluster_no = ${clusterNo} and j.job_id = ${jobId} and position('_' in j.job_id) > 0 and j.hold_no is not null
          and j.submitted_at = ${submittedAt ?? null}::timestamptz
        union all
        select case when j.stamp = ${stamp ?? null}::text then 2 else 3 end, j.hold_no
        from ledger.jobs j
        where j.cluster_no = ${clusterNo} and j.hold_no is not null
          and (j.stamp = ${stamp ?? null}::text
            or (j.job_id = ${jobId} and j.submitted_at = ${submittedAt ?? null}::timestamptz)))
      select h.hold_id as "holdId", a.name as account, h.partition, h.late, h.uncharged,
        (select d.key from ledger.decisions d where d.decision_no = h.hold_no) as key
      from found join ledger.holds h using (hold_no) join ledger.accounts a using (account_no)
      where h.status = 'open'
      order by found.rank
      limit 1`,
  );
  return row;
}

/** Of an array: has any of its tasks been heard to start? Perhaps before anybody said whose job it is. */
export async function hasStartedTasks(
  sql: Sql,
  { cluster: { clusterNo }, jobId, submittedAt }: Pick<Asked, 'cluster' | 'jobId' | 'submittedAt'>,
): Promise<boolean> {
  const [started] = await ask(
    () => sql`
      select from ledger.jobs j join ledger.job_events e using (job_no)
      where j.cluster_no = ${clusterNo} and j.job_id = ${jobId}
        and (j.submitted_at is null or j.submitted_at = ${submittedAt ?? null}::timestamptz)
        and e.task ~ '^[0-9]' and (e.type = 'started' or e.facts ? 'startedAt')
        and (${submittedAt ?? null}::timestamptz is null or e.at >= ${submittedAt ?? null}::timestamptz)
      limit 1`,
  );
  return started !== undefined;
}

/**
 * Whose it is, by name. Slurm 22.05 gives of a job that it knows already only the number of its user; limits and exemptions are
 * by name, which the hook said when the job was submitted.
 */
export async function userOf(
  sql: Sql,
  { clusterNo }: NumberedCluster,
  { jobId, submittedAt }: Pick<Asked, 'jobId' | 'submittedAt'>,
  facts: RawFacts,
  stamp: string | undefined,
): Promise<string | undefined> {
  const said = textOf(facts.user) ?? textOf(facts.user_name);
  if (said !== undefined) return said;
  const [row] = await ask(
    () => sql<{ user: string }[]>`
      select found.user_name as "user"
      from (
        select 1 as rank, h.user_name
        from ledger.decisions d join ledger.holds h on h.hold_no = d.decision_no
        where d.key = ${stamp ?? null}::text and d.code = 'placed' and h.cluster_no = ${clusterNo}
        union all
        select 2, user_name from ledger.submissions where cluster_no = ${clusterNo} and key = ${stamp ?? null}::text
        union all
        select 3, coalesce(h.user_name, j.user_name)
        from ledger.jobs j left join ledger.holds h on h.hold_no = j.hold_no
        where j.cluster_no = ${clusterNo}
          and (j.stamp = ${stamp ?? null}::text
            or (j.job_id = ${jobId} and j.submitted_at = ${submittedAt ?? null}::timestamptz))) found
      where found.user_name is not null
      order by found.rank
      limit 1`,
  );
  return row?.user ?? (numberOf(facts.user_id) === 0 ? 'root' : textOf(facts.user_id));
}

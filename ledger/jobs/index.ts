/** Jobs as the ledger knows them: what schedulers said of them, what became of their holds, and their stories for people. */
import { Fault } from '../../domain/faults';
import type { JobState } from '../../domain/job';
import { ZERO } from '../../domain/money';
import type { Sql } from '../../platform/postgres';
import { accruedOf } from '../accrual';
import { bookFor, openAdvance } from '../advance';
import type { Job, Jobs } from '../contract';
import { ask } from '../errors';
import { openEvents } from '../events';
import { cursorOf, pageOf, rowsAsked } from '../paging';
import { openReconcile } from '../reconcile';
import { requireAccount } from '../require-account';
import { requireClusterOfNone } from '../require-cluster';
import { loadManyFacts } from '../story-facts';
import { askedJob } from './decisions';
import { jobOf, jobsWhere, type JobRow } from './rows';
import { readStory, type JobsDeps } from './stories';

/** States in which a job may have accrued something that nobody has charged yet. */
const ACCRUING: readonly JobState[] = ['running', 'suspended', 'awaiting_cost', 'overdue', 'quarantined'];

export function openJobs(deps: JobsDeps): Jobs {
  const { sql, prices } = deps;
  const recordEvents = openEvents({ sql, prices });
  const advance = openAdvance({ sql, prices });
  const reconcile = openReconcile({ sql, prices, advance });

  async function withAccruals(rows: readonly JobRow[]): Promise<Job[]> {
    const running = rows.flatMap(({ leaderNo, state }) =>
      leaderNo !== null && ACCRUING.includes(state) ? [leaderNo] : [],
    );
    const stories = await loadManyFacts(sql, [...new Set(running)]);
    return Promise.all(
      rows.map(async (row) => {
        const facts = row.leaderNo === null ? undefined : stories.get(row.leaderNo);
        return jobOf(row, facts ? accruedOf(facts, await bookFor(facts, prices)) : ZERO);
      }),
    );
  }

  return {
    recordEvents,
    advance: (holdId, options) => advance(holdId, options),
    reconcile,

    async list(filter, page) {
      const rows = await jobsWhere(
        sql,
        sql`(${filter.cluster ?? null}::text is null or c.name = ${filter.cluster ?? null})
          and (${filter.account ?? null}::text is null or j.account_name = ${filter.account ?? null})
          and (${filter.user ?? null}::text is null or j.user_name = ${filter.user ?? null})
          and (${filter.state ?? null}::text is null or j.state = ${filter.state ?? null})
          and (${filter.quarantined ?? null}::boolean is null or j.quarantined = ${filter.quarantined ?? null})
          and (${filter.late ?? null}::boolean is null or coalesce(ledger.came_late(h), false) = ${filter.late ?? null})
          and (${filter.admitted ?? null}::text is null or coalesce(came.admitted, h.uncharged) = ${filter.admitted ?? null})
          and (${filter.jobId ?? null}::text is null or j.job_id = ${filter.jobId ?? null})
          and not ${isSubmittedAgain(sql)}
          and j.job_no < ${cursorOf(page)}`,
        rowsAsked(page),
        page.offset,
      );
      await requireClusterOfNone(sql, rows, filter.cluster);
      if (rows.length === 0 && filter.account !== undefined) await requireNamedAccount(sql, filter.account);
      const { rows: shown, ...next } = pageOf(rows, page, ({ jobNo }) => jobNo);
      return { rows: await withAccruals(shown), ...next };
    },

    async read(cluster, jobId) {
      // Ids recycle: the newest job of that id. `4711_3` is a task of the array 4711, `4711+1` a component of 4711.
      const ids = [jobId, jobId.replace(/[_+]\d+$/, '')];
      const [known] = await jobsWhere(
        sql,
        sql`c.name = ${cluster} and j.job_id = any (${ids})`,
        1,
        0,
        sql`j.job_id = ${jobId} desc, j.submitted_at desc nulls last, j.job_no desc`,
      );
      const row = known ?? (await askedJob(sql, cluster, ids));
      if (!row) {
        throw new Fault('job_not_found', `Nothing is known of job ${jobId} on ${cluster}.`, {
          facts: { cluster, job_id: jobId },
        });
      }
      return readStory(row, deps);
    },
  };
}

/** A requeue gives a job another submit time and leaves it its hold: its money is that of the newest submission, and stands once. */
const isSubmittedAgain = (sql: Sql) => sql`exists (
  select from ledger.jobs newer
  where newer.hold_no = j.hold_no and newer.job_id = j.job_id and newer.job_no <> j.job_no
    and (coalesce(newer.submitted_at, '-infinity'), newer.job_no) > (coalesce(j.submitted_at, '-infinity'), j.job_no))`;

/** Jobs may name accounts that Bursar does not have, and are found by them; a name that no job says either is a mistake. */
async function requireNamedAccount(sql: Sql, name: string): Promise<void> {
  const [named] = await ask(() => sql`select from ledger.jobs where account_name = ${name} limit 1`);
  if (!named) await requireAccount(sql, name);
}

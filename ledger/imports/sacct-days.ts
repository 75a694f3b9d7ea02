/** The days of imported runs, added up so that reports need not read runs. */
import { addDays, firstDayOf, nextOf, type CivilDate } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { Progress } from '../contract/imports';
import { ask } from '../errors';

/** As many as connections are left beside the one that keeps other imports out. */
const MONTHS_AT_ONCE = 2;

/** Adds up the days that have changed. What died before it came so far is done by the next. */
export async function addUpDays(sql: Sql, clusterNo: number, onProgress: (progress: Progress) => void): Promise<void> {
  const [stale] = await sql<{ first: CivilDate; last: CivilDate }[]>`
    select (stale_from at time zone time_zone)::date as first, (stale_until at time zone time_zone)::date as last
    from ledger.imported_clusters where cluster_no = ${clusterNo} and stale_from is not null`;
  if (!stale) return;
  await sql`analyze ledger.imported_runs`;
  // Pages that the index knows nothing of yet are read for every month. Vacuum would tell it some time.
  await sql`select brin_summarize_new_values('ledger.imported_runs_by_time')`;
  const until = addDays(stale.last, 1);
  const months: { from: CivilDate; to: CivilDate }[] = [];
  for (let from = stale.first; from < until;) {
    const next = nextOf('month', firstDayOf('month', from));
    const to = next < until ? next : until;
    months.push({ from, to });
    from = to;
  }
  let done = 0;
  const left = months.values();
  const addUp = async () => {
    for (const { from, to } of left) {
      await ask(() => sql`select ledger.add_up_days(${clusterNo}, ${from}, ${to})`);
      onProgress({ step: 'adding up months', done: (done += 1), of: months.length });
    }
  };
  await Promise.all(Array.from({ length: MONTHS_AT_ONCE }, addUp));
  await sql`update ledger.imported_clusters set stale_from = null, stale_until = null where cluster_no = ${clusterNo}`;
}

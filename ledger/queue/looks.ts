/** How it stands between Bursar and each scheduler: since when it looks, what answered last, what did not. */
import { given } from '../../domain/given';
import type { Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { SchedulerLook } from '../contract';
import { ask } from '../errors';
import type { NumberedCluster } from '../price-book';

export async function begunLooking(sql: Sql, { clusterNo }: NumberedCluster): Promise<Instant> {
  const [row] = await ask(
    () => sql<{ begunAt: Instant }[]>`
      insert into ledger.scheduler_looks as l (cluster_no) values (${clusterNo})
      on conflict (cluster_no) do update set cluster_no = excluded.cluster_no
      returning begun_at as "begunAt"`,
  );
  if (!row) throw new Error('ledger.scheduler_looks kept no row for the cluster');
  return row.begunAt;
}

/** Until it answers again, nothing is given back for what it has not said. */
export async function noteSilence(
  sql: Sql,
  { clusterNo }: NumberedCluster,
  failure: string,
  part: 'queue' | 'accounting',
): Promise<void> {
  await ask(() => sql`select ledger.note_silence(${clusterNo}::int, ${failure}, ${part === 'accounting'})`);
}

export async function noteAccounting(sql: Sql, { clusterNo }: NumberedCluster): Promise<void> {
  await ask(() => sql`select ledger.note_accounting(${clusterNo}::int)`);
}

export async function noteAccountingPart(
  sql: Sql,
  { clusterNo }: NumberedCluster,
  { isLast, fault = null }: { isLast: boolean; fault?: string | null },
): Promise<void> {
  await ask(() => sql`select ledger.note_accounting_part(${clusterNo}::int, ${isLast}, ${fault})`);
}

export async function readLooks(sql: Sql): Promise<SchedulerLook[]> {
  const rows = await ask(
    () => sql<
      {
        cluster: string;
        timeZone: string;
        listedAt: Instant | null;
        listedAgeSeconds: number | null;
        listedJobs: number | null;
        accountedAt: Instant | null;
        accountedAgeSeconds: number | null;
        failedAt: Instant | null;
        failure: string | null;
        unseen: number;
      }[]
    >`
      select c.name as cluster, c.time_zone as "timeZone", l.listed_at as "listedAt", l.listed_jobs as "listedJobs",
        extract(epoch from clock_timestamp() - l.listed_at)::float8 as "listedAgeSeconds",
        l.accounted_at as "accountedAt",
        extract(epoch from clock_timestamp() - l.accounted_at)::float8 as "accountedAgeSeconds",
        l.failed_at as "failedAt", l.failure,
        (select count(*)::int from ledger.unseen_holds u where u.cluster_no = l.cluster_no) as unseen
      from ledger.scheduler_looks l join ledger.clusters c using (cluster_no)
      order by c.name`,
  );
  return rows.map(({ cluster, timeZone, unseen, ...row }) => ({
    cluster,
    timeZone,
    unseen,
    ...given({
      listedAt: row.listedAt ?? undefined,
      listedAgeSeconds: row.listedAgeSeconds ?? undefined,
      listedJobs: row.listedJobs ?? undefined,
      accountedAt: row.accountedAt ?? undefined,
      accountedAgeSeconds: row.accountedAgeSeconds ?? undefined,
      failedAt: row.failedAt ?? undefined,
      failure: row.failure ?? undefined,
    }),
  }));
}

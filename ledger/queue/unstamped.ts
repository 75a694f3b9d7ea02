/**
 * Jobs without a stamp. One may be of an older submit plugin, whose hold is free: it is known by account, partition, user
 * and time, as a report is.
 */
import { given } from '../../domain/given';
import type { TransactionId } from '../../domain/ids';
import type { QueuedJob } from '../../domain/queue';
import type { Sql } from '../../platform/postgres';
import { ask } from '../errors';
import type { NumberedCluster } from '../price-book';
import type { News } from './news';

/** Those for which any hold is free. One with a key is another job's, which is stamped with it. */
export async function withFreeHolds(sql: Sql, { clusterNo }: NumberedCluster, news: readonly News[]): Promise<News[]> {
  const rows = JSON.stringify(news.map(({ job }, i) => ({ i, ...namesOf(job) })));
  const found = await ask(
    () => sql<{ i: number }[]>`
      select r.i
      from jsonb_to_recordset(${rows}::text::jsonb) as r (
        i int, account text, partition text, "user" text, submitted timestamptz)
      where exists (
        select from ledger.open_candidates(${clusterNo}::int, r.account, r.partition, r."user", r.submitted, null) c
        join ledger.decisions d on d.decision_no = c.hold_no and d.key is null)
      order by r.i`,
  );
  return found.flatMap(({ i }) => news[i] ?? []);
}

/** Among equal holds any will do; of unequal ones none is taken. */
export async function freeHoldOf(
  sql: Sql,
  { clusterNo }: NumberedCluster,
  job: QueuedJob,
): Promise<TransactionId | undefined> {
  const { account = null, partition = null, user = null, submitted } = namesOf(job);
  const [found] = await ask(
    () => sql<{ holdId: TransactionId; shapes: bigint }[]>`
      select min(hold_id) as "holdId", count(distinct shape) as shapes
      from ledger.open_candidates(${clusterNo}::int, ${account}, ${partition}, ${user}, ${submitted}, null) c
      join ledger.decisions d on d.decision_no = c.hold_no and d.key is null`,
  );
  return found?.shapes === 1n ? found.holdId : undefined;
}

const namesOf = ({ account, partition, user, submittedAt }: QueuedJob) => ({
  ...given({ account, partition, user }),
  submitted: submittedAt,
});

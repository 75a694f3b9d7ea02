/** What was denied, and what would have been on clusters that are only watched: to whom, why, for how much. */
import type { JobState } from '../../domain/job';
import { toMicro, parseReportedCost, ZERO } from '../../domain/money';
import type { Enforcement } from '../../domain/policy';
import type { Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { Page, RefusedSubmission, RefusalFilter, RefusalReport, RefusalTotal } from '../contract';
import { renderDecision, type RecordedAnswer, type RecordedRequest } from '../decision';
import { ask } from '../errors';
import { cursorOf, pageOf, rowsAsked } from '../paging';
import { requireAccount } from '../require-account';
import { requireClusterOfNone } from '../require-cluster';

interface DenialRow {
  no: bigint;
  at: Instant;
  cluster: string;
  timeZone: string;
  account: string | null;
  user: string | null;
  partition: string | null;
  jobName: string | null;
  code: string;
  reason: string | null;
  unit: string | null;
  estimated: bigint | null;
  held: bigint | null;
  request: RecordedRequest | null;
  answer: RecordedAnswer | null;
  effectiveAt: Instant | null;
  jobId: string | null;
  state: JobState | null;
  wouldHaveCost: string | null;
}

interface TotalRow {
  by: 'all' | 'account' | 'user' | 'code';
  name: string | null;
  unit: string | null;
  denied: number;
  estimated: bigint;
}

export async function readRefusals(
  sql: Sql,
  mode: Enforcement,
  filter: RefusalFilter,
  page: Page,
): Promise<RefusalReport> {
  const { cluster = null, account = null, user = null, code = null, since = null, until = null } = filter;
  const denials = sql`
    ledger.refused_submissions(${mode}, ${cluster}, ${account}, ${user}, ${code}, ${since}::timestamptz, ${until}::timestamptz)`;
  const [rows, totals] = await ask(() =>
    // One moment for both, so that the sums are those of the rows.
    sql.begin('isolation level repeatable read read only', (tx) =>
      Promise.all([
        tx<DenialRow[]>`
          select no, at, cluster, time_zone as "timeZone", account, user_name as "user", partition, job_name as "jobName",
            code, reason, unit, estimated_micro as estimated, held_micro as held, request, answer,
            effective_at as "effectiveAt", job_id as "jobId", state, would_have_cost as "wouldHaveCost"
          from ${denials}
          where no < ${cursorOf(page)}
          order by no desc limit ${rowsAsked(page)} offset ${page.offset ?? 0}`,
        tx<TotalRow[]>`
          select case when grouping(account) = 0 then 'account' when grouping(user_name) = 0 then 'user'
              when grouping(code) = 0 then 'code' else 'all' end as by,
            coalesce(account, user_name, code) as name, unit, count(*)::int as denied,
            coalesce(sum(estimated_micro), 0)::bigint as estimated
          from ${denials}
          group by grouping sets ((unit), (account, unit), (user_name, unit), (code, unit))
          order by estimated desc, denied desc, name`,
      ]),
    ),
  );
  await requireClusterOfNone(sql, totals, filter.cluster);
  if (totals.length === 0 && account !== null) await requireNamedAccount(sql, mode, account);
  const { rows: shown, ...next } = pageOf(rows, page, ({ no }) => no);
  const totalsBy = (by: TotalRow['by']) => totals.filter((row) => row.by === by).map(totalOf);
  return {
    ...(filter.since === undefined ? {} : { since: filter.since }),
    ...(filter.until === undefined ? {} : { until: filter.until }),
    totals: totalsBy('all'),
    byAccount: totalsBy('account'),
    byUser: totalsBy('user'),
    byCode: totalsBy('code'),
    denials: shown.map(denialOf),
    ...next,
  };
}

/** What was denied may name an account that Bursar does not have; a name that no denial says either is a mistake. */
async function requireNamedAccount(sql: Sql, mode: Enforcement, name: string): Promise<void> {
  const [named] = await ask(
    () => sql`select from ledger.refused_submissions(${mode}, null, ${name}, null, null, null, null) limit 1`,
  );
  if (!named) await requireAccount(sql, name);
}

const totalOf = ({ name, unit, denied, estimated }: TotalRow): RefusalTotal => ({
  ...(name === null ? {} : { name }),
  ...(unit === null ? {} : { unit }),
  denied,
  estimated: toMicro(estimated),
});

function denialOf(row: DenialRow): RefusedSubmission {
  const { request, answer, effectiveAt } = row;
  const message =
    request && answer && effectiveAt !== null
      ? renderDecision(request, answer, effectiveAt, false).message
      : (row.reason ?? row.code);
  return {
    at: row.at,
    cluster: row.cluster,
    clusterTimeZone: row.timeZone,
    code: row.code,
    message,
    estimated: row.estimated === null ? ZERO : toMicro(row.estimated),
    held: row.held === null ? ZERO : toMicro(row.held),
    ...(row.account === null ? {} : { account: row.account }),
    ...(row.user === null ? {} : { user: row.user }),
    ...(row.partition === null ? {} : { partition: row.partition }),
    ...(row.jobName === null ? {} : { jobName: row.jobName }),
    ...(row.unit === null ? {} : { unit: row.unit }),
    ...(row.jobId === null ? {} : { jobId: row.jobId }),
    ...(row.state === null ? {} : { state: row.state }),
    ...(row.wouldHaveCost === null ? {} : { wouldHaveCost: parseReportedCost(row.wouldHaveCost) }),
  };
}

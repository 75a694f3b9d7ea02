/** Reports that wait for a hold: what there is, and what somebody makes of it. */
import { ulid } from 'ulid';
import { Fault } from '../domain/faults';
import type { TransactionId } from '../domain/ids';
import { toMicro } from '../domain/money';
import { joinJobId } from '../domain/slurm-job';
import type { Instant } from '../domain/time';
import type { Sql } from '../platform/postgres';
import type { Jobs, ReportSource, Unmatched, UnmatchedDetails, UnmatchedReport, UnmatchedStatus } from './contract';
import { ask } from './errors';
import { cursorOf, pageOf, rowsAsked } from './paging';
import { requireAccount } from './require-account';
import { requireClusterOfNone } from './require-cluster';

interface UnmatchedRow {
  unmatchedNo: bigint;
  source: ReportSource;
  status: UnmatchedStatus;
  why: UnmatchedReport['why'];
  cluster: string;
  clusterTimeZone: string;
  jobId: string;
  task: string;
  account: string | null;
  unit: string | null;
  user: string | null;
  partition: string | null;
  submittedAt: Instant | null;
  cost: bigint | null;
  receivedAt: Instant;
  receivedBy: string;
  holdId: TransactionId | null;
  reason: string | null;
  closedBy: string | null;
  closedAt: Instant | null;
}

const columns = (sql: Sql) => sql`
  u.unmatched_no as "unmatchedNo", u.source, u.status, u.why, c.name as cluster, c.time_zone as "clusterTimeZone",
  u.job_id as "jobId", u.task, u.account_name as account, a.unit, u.user_name as "user", u.partition,
  u.submitted_at as "submittedAt", u.cost_micro as cost, u.received_at as "receivedAt", u.received_by as "receivedBy",
  h.hold_id as "holdId", u.reason, u.closed_by as "closedBy", u.closed_at as "closedAt"`;

const tables = (sql: Sql) => sql`
  ledger.unmatched u
  join ledger.clusters c using (cluster_no)
  left join ledger.accounts a on a.name = u.account_name
  left join ledger.holds h on h.hold_no = u.hold_no`;

export function openUnmatched({ sql, jobs }: { sql: Sql; jobs: Pick<Jobs, 'advance'> }): Unmatched {
  const read = (unmatchedNo: number) => ask(() => readUnmatched(sql, unmatchedNo));

  return {
    read,

    list: (filter, page) =>
      ask(async () => {
        const { status = null, source = null, cluster = null, account = null, jobId = null } = filter;
        const rows = await sql<UnmatchedRow[]>`
          select ${columns(sql)} from ${tables(sql)}
          where (${status}::text is null or u.status = ${status})
            and (${source}::text is null or u.source = ${source})
            and (${cluster}::text is null or c.name = ${cluster})
            and (${account}::text is null or u.account_name = ${account})
            and (${jobId}::text is null or u.job_id = ${jobId})
            and u.unmatched_no < ${cursorOf(page)}
          order by u.unmatched_no desc
          limit ${rowsAsked(page)} offset ${page.offset ?? 0}`;
        await requireClusterOfNone(sql, rows, filter.cluster);
        if (rows.length === 0 && account !== null) await requireNamedAccount(sql, account);
        const { rows: shown, ...next } = pageOf(rows, page, ({ unmatchedNo }) => unmatchedNo);
        return { rows: shown.map(toReport), ...next };
      }),

    async resolve(unmatchedNo, { holdId, account, reason }, { principal, key = null, bodyHash = null }) {
      const [row] = await ask(
        () => sql<{ answer: { hold_id: string } }[]>`
          select ledger.resolve_unmatched(${unmatchedNo}, ${holdId ?? null}, ${account ?? null}, ${`txn_${ulid()}`},
            ${reason ?? null}, ${principal}, ${key}, ${bodyHash}) as answer`,
      );
      if (!row) throw new Error('ledger.resolve_unmatched answered nothing');
      await jobs.advance(row.answer.hold_id, { scheduler: 'unreachable' });
      return read(unmatchedNo);
    },

    async dismiss(unmatchedNo, reason, { principal, key = null, bodyHash = null }) {
      await ask(
        () => sql`select ledger.dismiss_unmatched(${unmatchedNo}, ${reason}, ${principal}, ${key}, ${bodyHash})`,
      );
      return read(unmatchedNo);
    },
  };
}

/** Reports may name accounts that Bursar does not have; a name that no report says either is a mistake. */
async function requireNamedAccount(sql: Sql, name: string): Promise<void> {
  const [named] = await sql`select from ledger.unmatched where account_name = ${name} limit 1`;
  if (!named) await requireAccount(sql, name);
}

async function readUnmatched(sql: Sql, unmatchedNo: number): Promise<UnmatchedDetails> {
  const [row] = await sql<(UnmatchedRow & { evidence: unknown })[]>`
    select ${columns(sql)}, u.evidence from ${tables(sql)} where u.unmatched_no = ${unmatchedNo}`;
  if (!row) {
    throw new Fault('unmatched_not_found', `There is no unmatched report ${unmatchedNo}.`, {
      facts: { unmatched_id: unmatchedNo },
    });
  }
  const candidates =
    row.status !== 'waiting'
      ? []
      : await sql<
          { holdId: TransactionId; partition: string; user: string | null; held: bigint; effectiveAt: Instant }[]
        >`
          select h.hold_id as "holdId", h.partition, h.user_name as "user", h.held_micro as held, h.effective_at as "effectiveAt"
          from ledger.unmatched u
          cross join lateral ledger.open_candidates(u.cluster_no, u.account_name, u.partition, u.user_name, u.submitted_at, u.not_after) o
          join ledger.holds h on h.hold_no = o.hold_no
          where u.unmatched_no = ${unmatchedNo}
          order by h.hold_no limit 100`;
  return {
    ...toReport(row),
    evidence: row.evidence,
    candidates: candidates.map(({ user, held, ...candidate }) => ({
      ...candidate,
      ...(user !== null && { user }),
      held: toMicro(held),
    })),
  };
}

const toReport = (row: UnmatchedRow): UnmatchedReport => ({
  unmatchedNo: Number(row.unmatchedNo),
  source: row.source,
  status: row.status,
  why: row.why,
  cluster: row.cluster,
  clusterTimeZone: row.clusterTimeZone,
  jobId: joinJobId(row),
  ...(row.account !== null && { account: row.account }),
  ...(row.unit !== null && { unit: row.unit }),
  ...(row.user !== null && { user: row.user }),
  ...(row.partition !== null && { partition: row.partition }),
  ...(row.submittedAt !== null && { submittedAt: row.submittedAt }),
  ...(row.cost !== null && { cost: toMicro(row.cost) }),
  receivedAt: row.receivedAt,
  receivedBy: row.receivedBy,
  ...(row.holdId !== null && { holdId: row.holdId }),
  ...(row.reason !== null && { reason: row.reason }),
  ...(row.closedBy !== null && { closedBy: row.closedBy }),
  ...(row.closedAt !== null && { closedAt: row.closedAt }),
});

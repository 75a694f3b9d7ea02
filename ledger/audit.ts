/** The proof of the books: every balance computed again, and a hash chain over what was written. Neither is on a hot path. */
import { Fault } from '../domain/faults';
import type { Sql } from '../platform/postgres';
import type { Audit, AuditReport, LatestAudit, SealReport } from './contract';
import { ask } from './errors';

/** So many findings say enough; the difference is of all of them. */
const FINDINGS_MAX = 200;

/** Transactions in one statement: a second or two of work, and short snapshots. */
const STRETCH = 10_000;

export const openAudit = ({ sql }: { sql: Sql }): Audit => ({
  run: async () => prove(sql, await begin(sql)),
  runIfDue: async (everyMs) => {
    const auditNo = await begin(sql, everyMs);
    return auditNo === null ? undefined : prove(sql, auditNo);
  },
  latest: () => ask(() => latest(sql)),
  seal: (limit) => ask(() => seal(sql, limit ?? Number.MAX_SAFE_INTEGER)),
  verify: (against) => ask(() => verify(sql, against)),
});

async function begin(sql: Sql, everyMs: number | null = null): Promise<bigint | null> {
  const [row] = await ask(
    () => sql<{ auditNo: bigint | null }[]>`
      select ledger.begin_audit(${everyMs}::float8 * interval '1 millisecond') as "auditNo"`,
  );
  return row?.auditNo ?? null;
}

async function prove(sql: Sql, auditNo: bigint | null): Promise<AuditReport> {
  const report = await ask(() => runAudit(sql));
  await ask(
    () => sql`
      update ledger.audits set finished_at = clock_timestamp(), report = ${JSON.stringify(report)}::text::jsonb
      where audit_no = ${auditNo}`,
  );
  return report;
}

async function latest(sql: Sql): Promise<LatestAudit | undefined> {
  const [row] = await sql<LatestAudit[]>`
    select audit_no::int as "auditNo", finished_at as "finishedAt", report
    from ledger.audits where finished_at is not null order by audit_no desc limit 1`;
  return row;
}

interface AuditRow {
  difference: string;
  findings: AuditReport['findings'];
  accounts: number;
  transactions: number;
  open_holds: number;
}

const runAudit = (sql: Sql): Promise<AuditReport> =>
  sql.begin('isolation level repeatable read read only', async (tx) => {
    await tx`set local statement_timeout = 0`; // It reads everything; a large ledger takes its time.
    const [row] = await tx<AuditRow[]>`
      with finding as materialized (select * from ledger.audit())
      select
        trim_scale(coalesce((select sum(difference_micro) from finding), 0) / 1000000)::text as difference,
        coalesce((select jsonb_agg(jsonb_build_object('check', check_name, 'subject', subject, 'detail', detail))
                  from (select * from finding order by check_name, subject limit ${FINDINGS_MAX}) f), '[]') as findings,
        (select count(*) from ledger.accounts)::int as accounts,
        (select count(*) from ledger.transactions)::int as transactions,
        (select count(*) from ledger.holds where status = 'open')::int as open_holds`;
    if (!row) throw new Error('the audit answered nothing');
    const { difference, findings, accounts, transactions } = row;
    return { ok: findings.length === 0, difference, findings, accounts, transactions, openHolds: row.open_holds };
  });

/** What is behind the fence, then the fence forward, then once more; each in a transaction of its own (see seal_batch.sql). */
async function seal(sql: Sql, limit: number): Promise<number> {
  let sealed = 0;
  while (sealed < limit) {
    const stretch = Math.min(STRETCH, limit - sealed);
    const [batch] = await sql<{ count: number }[]>`select ledger.seal_batch(${stretch}) as count`;
    sealed += batch?.count ?? 0;
    if (batch?.count === stretch) continue;
    const [fence] = await sql<{ moved: boolean }[]>`select ledger.raise_seal_fence() as moved`;
    if (!fence?.moved) break;
  }
  return sealed;
}

interface StretchRow {
  checked: number;
  next_no: bigint | null;
  next_digest: Uint8Array;
  bad_no: bigint | null;
  bad_id: string | null;
  detail: string | null;
}

const GENESIS = new Uint8Array(32);

async function verify(sql: Sql, against?: string): Promise<SealReport> {
  if (against !== undefined && !/^[0-9a-f]{64}$/i.test(against)) {
    const detail = 'A head of the chain is 64 hexadecimal digits, as verify prints it.';
    throw new Fault('malformed_request', detail, { errors: [{ pointer: '/against', detail }] });
  }
  let after = 0n;
  let digest: Uint8Array = GENESIS;
  let sealed = 0;
  for (;;) {
    const [row] = await sql<StretchRow[]>`
      select checked, next_no, next_digest, bad_no, bad_id, detail
      from ledger.verify_seals(${after}, ${digest}, ${STRETCH})`;
    if (!row) throw new Error('ledger.verify_seals answered nothing');
    sealed += row.checked;
    digest = row.next_digest;
    if (row.bad_no !== null) {
      const firstTampered = {
        txnNo: Number(row.bad_no),
        ...(row.bad_id !== null && { transactionId: row.bad_id }),
        detail: row.detail ?? '',
      };
      return { ok: false, head: hexOf(digest), sealed, unsealed: await countUnsealed(sql), firstTampered };
    }
    if (row.next_no === null) break;
    after = row.next_no;
  }

  const report = { head: hexOf(digest), sealed, unsealed: await countUnsealed(sql) };
  if (against === undefined || against.toLowerCase() === hexOf(GENESIS)) return { ok: true, ...report };
  const [noted] = await sql<{ present: boolean }[]>`
    select exists (select from ledger.seals where digest = decode(${against}, 'hex')) as present`;
  if (noted?.present) return { ok: true, ...report };
  const detail = 'no seal has this digest: the chain was cut or written anew since it was noted';
  return { ok: false, ...report, firstTampered: { txnNo: 0, detail } };
}

async function countUnsealed(sql: Sql): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from ledger.transactions
    where txn_no > coalesce((select max(txn_no) from ledger.seals), 0)`;
  return row?.count ?? 0;
}

const hexOf = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');

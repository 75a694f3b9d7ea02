/** The proof of the balances: everything computed again, in one snapshot. */
import type { Sql } from '../../platform/postgres';
import type { BooksReport } from '../contract';

/** So many findings say enough; the difference is of all of them. */
const FINDINGS_MAX = 200;

interface BooksRow {
  difference: string;
  findings: BooksReport['findings'];
  accounts: number;
  transactions: number;
  open_holds: number;
}

/**
 * It reads everything, which takes its time. Sent as one message, which is one transaction: in
 * one of its own the driver would have to roll back where the connection dies, and ends the process over it (porsager/postgres 1208).
 */
const PROOF = `
  set local statement_timeout = 0;
  set local lock_timeout = '1min';
  with finding as materialized (select * from ledger.audit())
  select
    trim_scale(coalesce((select sum(difference_micro) from finding), 0) / 1000000)::text as difference,
    coalesce((select jsonb_agg(jsonb_build_object('check', check_name, 'subject', subject, 'detail', detail))
              from (select * from finding order by check_name, subject limit ${FINDINGS_MAX}) f), '[]') as findings,
    (select count(*) from ledger.accounts)::int as accounts,
    (select count(*) from ledger.transactions)::int as transactions,
    (select count(*) from ledger.holds where status = 'open')::int as open_holds`;

export async function proveBooks(sql: Sql): Promise<BooksReport> {
  const results = (await sql.unsafe(PROOF).simple()) as unknown as BooksRow[][];
  const row = results.at(-1)?.[0];
  if (!row) throw new Error('the audit answered nothing');
  const { difference, findings, accounts, transactions } = row;
  return { ok: findings.length === 0, difference, findings, accounts, transactions, openHolds: row.open_holds };
}

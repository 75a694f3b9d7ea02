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

export const proveBooks = (sql: Sql): Promise<BooksReport> =>
  sql.begin('isolation level repeatable read read only', async (tx) => {
    // It reads everything, and an import may hold the tables: both take their time.
    await tx`set local statement_timeout = 0`;
    await tx`set local lock_timeout = 0`;
    const [row] = await tx<BooksRow[]>`
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

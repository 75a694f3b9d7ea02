/**
 * What moved in an account between two moments, line by line, by the time it happened (effective, not recorded): opening,
 * changes, closing. Money of a fund that opens later counts from the moment it opens, as in the balance.
 */
import { isTransactionId } from '../domain/ids';
import { addMicro, toMicro, ZERO, type Micro } from '../domain/money';
import type { Instant } from '../domain/time';
import type { TransactionKind } from '../domain/transaction';
import type { Sql } from '../platform/postgres';
import type { Amounts, Statement } from './contract';
import { noSuchAccount } from './require-account';

interface LineRow {
  before: boolean;
  at: Instant | null;
  transaction_id: string | null;
  kind: TransactionKind | null;
  description: string | null;
  job_id: string | null;
  user_name: string | null;
  granted_micro: bigint;
  settled_micro: bigint;
  held_micro: bigint;
  available_micro: bigint;
}

/** `from` is inclusive, `to` exclusive. The lines carry changes: opening + lines = closing. */
export async function readStatement(sql: Sql, name: string, from: Instant, to: Instant): Promise<Statement> {
  const [account] = await sql<{ account_no: bigint; unit: string; time_zone: string }[]>`
    select account_no, unit, time_zone from ledger.accounts where name = ${name}`;
  if (!account) throw noSuchAccount(name);
  // What is due to expire is booked first, so that the closing agrees with the balance.
  await sql`select ledger.expire_funds(${account.account_no}, clock_timestamp(), 'expiry')`;

  const rows = await sql<LineRow[]>`
    with line as (
      select t.txn_no, coalesce(t.transaction_id, h.hold_id) as transaction_id, t.kind, t.description,
        coalesce(ch.job_id, j.job_id) as job_id, coalesce(ch.user_name, h.user_name) as user_name,
        case when t.kind in ('deposit', 'withdrawal', 'transfer') and f.source not in ('base', 'overdraft')
          then greatest(t.effective_at, f.opens_at) else t.effective_at end as at,
        e.book, e.amount_micro
      from (
        select * from ledger.transactions where account_no = ${account.account_no}
        union all
        select * from ledger.transactions where other_account_no = ${account.account_no}
      ) t
      join ledger.entries e on e.txn_no = t.txn_no and e.account_no = ${account.account_no}
      join ledger.funds f on f.fund_no = e.fund_no
      left join ledger.holds h on h.hold_no = t.hold_no
      left join ledger.charges ch on ch.charge_no = coalesce(t.charge_no, t.txn_no)
      left join lateral (select job_id from ledger.jobs where hold_no = t.hold_no order by job_no desc limit 1) j on true
    ), moved as (
      select at < ${from} as before, at, txn_no, transaction_id, kind, description, job_id, user_name,
        coalesce(sum(amount_micro) filter (where book in ('a', 'h', 's')), 0)::bigint as granted_micro,
        coalesce(sum(amount_micro) filter (where book = 's'), 0)::bigint as settled_micro,
        coalesce(sum(amount_micro) filter (where book = 'h'), 0)::bigint as held_micro,
        coalesce(sum(amount_micro) filter (where book = 'a'), 0)::bigint as available_micro
      from line
      where at < ${to}
      group by at, txn_no, transaction_id, kind, description, job_id, user_name
    )
    select true as before, null::timestamptz as at, null as transaction_id, null as kind, null as description, null as job_id,
      null as user_name, coalesce(sum(granted_micro), 0)::bigint as granted_micro,
      coalesce(sum(settled_micro), 0)::bigint as settled_micro, coalesce(sum(held_micro), 0)::bigint as held_micro,
      coalesce(sum(available_micro), 0)::bigint as available_micro
    from moved where before
    union all
    (select before, at, transaction_id, kind, description, job_id, user_name, granted_micro, settled_micro, held_micro,
      available_micro
     from moved where not before order by at, txn_no)`;

  const [opening, ...lines] = rows;
  if (!opening) throw new Error('the statement has no opening');
  return {
    account: name,
    unit: account.unit,
    timeZone: account.time_zone,
    from,
    to,
    opening: amountsOf([opening]),
    lines: lines.map((row) => {
      const { at, transaction_id: transactionId, kind } = row;
      if (at === null || kind === null || transactionId === null || !isTransactionId(transactionId)) {
        throw new Error('a line of the statement has no transaction');
      }
      return {
        at,
        transactionId,
        kind,
        description: row.description ?? '',
        ...(row.job_id !== null && { jobId: row.job_id }),
        ...(row.user_name !== null && { user: row.user_name }),
        ...amountsOf([row]),
      };
    }),
    closing: amountsOf(rows),
  };
}

const amountsOf = (rows: readonly LineRow[]): Amounts => ({
  granted: sumOf(rows, 'granted_micro'),
  settled: sumOf(rows, 'settled_micro'),
  held: sumOf(rows, 'held_micro'),
  available: sumOf(rows, 'available_micro'),
});

const sumOf = (
  rows: readonly LineRow[],
  column: 'granted_micro' | 'settled_micro' | 'held_micro' | 'available_micro',
): Micro => addMicro(ZERO, ...rows.map((row) => toMicro(row[column])));

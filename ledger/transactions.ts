/** Transactions as they are shown: found, filtered, paged (newest first, by number), with the words ASBB knows. */
import { Fault } from '../domain/faults';
import { isTransactionId, type FundId, type TransactionId } from '../domain/ids';
import { toMicro } from '../domain/money';
import type { Sql, Tx } from '../platform/postgres';
import type { Movements, Page, Paged, Transaction, TransactionKind } from './types';

/** ASBB's five types, by our kinds (rulings 26). A resize up holds more; a resize down gives back. */
export const ASBB_TYPE: Readonly<Record<TransactionKind, string>> = {
  deposit: 'allocation',
  withdrawal: 'adjustment',
  transfer: 'adjustment',
  expiry: 'adjustment',
  adjustment: 'adjustment',
  hold: 'hold',
  resize: 'hold',
  charge: 'charge',
  release: 'refund',
  refund: 'refund',
};

const kindsOf = (type: string): string[] =>
  Object.entries(ASBB_TYPE)
    .filter(([, asbb]) => asbb === type)
    .map(([kind]) => kind);

interface TransactionRow {
  txn_no: bigint;
  transaction_id: string;
  kind: TransactionKind;
  incoming: boolean;
  account: string;
  account_no: bigint;
  unit: string;
  amount_micro: bigint;
  description: string;
  metadata: unknown;
  actor: string;
  job_id: string | null;
  cluster: string | null;
  partition: string | null;
  user_name: string | null;
  parent_id: string | null;
  status: Transaction['status'];
  effective_at: string;
  recorded_at: string;
}

interface EntryRow {
  account: string;
  fund_id: FundId;
  book: 'a' | 'h' | 's' | 'e' | 'x';
  amount_micro: bigint;
}

const BOOKS = { a: 'available', h: 'held', s: 'settled', e: 'expired', x: 'outside' } as const;

type Filter = Parameters<Movements['list']>[0];

export async function listTransactions(sql: Sql, filter: Filter, page: Page): Promise<Paged<Transaction>> {
  const { limit, offset = 0, cursor = null } = page;
  const {
    account = null,
    jobId = null,
    cluster = null,
    type,
    kind,
    status = null,
    user = null,
    holdId = null,
  } = filter;
  const { from = null, to = null } = filter;
  const kinds = type === undefined ? null : kindsOf(type);
  const [named] =
    account === null
      ? []
      : await sql<{ account_no: bigint }[]>`
    select account_no from ledger.accounts where name = ${account}`;
  if (account !== null && !named) return { rows: [] };
  const accountNo = named?.account_no ?? null;

  // One account's rows come from its own two indexes, newest first; the filter by job goes through its holds and charges.
  const candidates =
    accountNo === null
      ? sql`select t.*, t.account_no as seen_from from ledger.transactions t`
      : sql`select t.*, t.account_no as seen_from from ledger.transactions t where t.account_no = ${accountNo}
          union all
          select t.*, t.other_account_no from ledger.transactions t where t.other_account_no = ${accountNo}`;
  const ofJob =
    jobId === null
      ? sql``
      : sql`and (t.hold_no in (select hold_no from ledger.jobs where job_id = ${jobId} and hold_no is not null)
               or t.hold_no in (select hold_no from ledger.charges where job_id = ${jobId} and hold_no is not null)
               or coalesce(t.charge_no, t.txn_no) in (select charge_no from ledger.charges where job_id = ${jobId}))`;
  const rows = await sql<TransactionRow[]>`
    select * from (
      ${SHOWN(sql)}
      from (${candidates}) t
      ${JOINED(sql)}
      where (${cursor}::text is null or t.txn_no < ${cursor}::text::bigint)
        and (${kinds}::text[] is null or t.kind = any (${kinds}::text[]))
        and (${kind ?? null}::text is null or t.kind = ${kind ?? null})
        and (${cluster}::text is null or c.name = ${cluster})
        and (${user}::text is null or coalesce(ch.user_name, h.user_name) = ${user})
        and (${holdId}::text is null or t.hold_no = (select hold_no from ledger.holds where hold_id = ${holdId}))
        and (${from}::timestamptz is null or t.recorded_at >= ${from})
        and (${to}::timestamptz is null or t.recorded_at <= ${to})
        ${ofJob}
    ) shown
    where ${status}::text is null or status = ${status}
    order by txn_no desc
    limit ${limit + 1} offset ${offset}`;
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    rows: shown.map(toTransaction),
    ...(rows.length > limit && last && { nextCursor: last.txn_no.toString() }),
  };
}

/** By its id; of a hold, by the hold's. With its lines. */
export async function readTransaction(sql: Sql | Tx, transactionId: string): Promise<Transaction> {
  const [row] = await sql<TransactionRow[]>`
    ${SHOWN(sql)}
    from (select *, account_no as seen_from from ledger.transactions) t
    ${JOINED(sql)}
    where t.txn_no = coalesce(
      (select txn_no from ledger.transactions where transaction_id = ${transactionId}),
      (select hold_no from ledger.holds where hold_id = ${transactionId}))`;
  if (!row) {
    throw new Fault('transaction_not_found', `There is no transaction ${transactionId}.`, {
      facts: { transaction_id: transactionId },
    });
  }
  return withEntries(sql, row);
}

/** By its number: what a command has just made. */
export async function readTransactionNo(sql: Sql | Tx, txnNo: bigint): Promise<Transaction> {
  const [row] = await sql<TransactionRow[]>`
    ${SHOWN(sql)}
    from (select *, account_no as seen_from from ledger.transactions) t
    ${JOINED(sql)}
    where t.txn_no = ${txnNo}`;
  if (!row) throw new Error(`there is no transaction number ${txnNo}`);
  return withEntries(sql, row);
}

async function withEntries(sql: Sql | Tx, row: TransactionRow): Promise<Transaction> {
  const entries = await sql<EntryRow[]>`
    select a.name as account, f.fund_id, e.book, e.amount_micro
    from ledger.entries e
    join ledger.accounts a on a.account_no = e.account_no
    join ledger.funds f on f.fund_no = e.fund_no
    where e.txn_no = ${row.txn_no}
    order by e.line_no`;
  return {
    ...toTransaction(row),
    entries: entries.map(({ account, fund_id, book, amount_micro }) => ({
      account,
      fundId: fund_id,
      book: BOOKS[book],
      amount: toMicro(amount_micro),
    })),
  };
}

/**
 * ASBB's clients look for stuck holds under `pending`: those open beyond the cluster's reconciliation timeout. A hold that
 * was given back because nobody could say what became of its job is `cancelled`.
 */
const SHOWN = (sql: Sql | Tx) => sql`
  select t.txn_no, coalesce(t.transaction_id, h.hold_id) as transaction_id, t.kind, a.name as account, a.account_no, a.unit,
    case t.kind
      when 'transfer' then t.seen_from = t.other_account_no
      when 'deposit' then true
      when 'release' then true
      when 'refund' then true
      when 'expiry' then t.amount_micro < 0
      when 'adjustment' then t.amount_micro < 0
      when 'resize' then t.amount_micro < 0
      else false
    end as incoming,
    t.amount_micro, t.description, t.metadata, t.actor, coalesce(ch.job_id, j.job_id) as job_id, c.name as cluster,
    coalesce(ch.partition, h.partition) as partition, coalesce(ch.user_name, h.user_name) as user_name,
    case
      when t.charge_no is not null then (select transaction_id from ledger.transactions where txn_no = t.charge_no)
      when t.kind <> 'hold' then h.hold_id
    end as parent_id,
    case
      when t.kind <> 'hold' then 'completed'
      when h.status = 'open' and (h.overdue_at is not null
        or h.placed_at + make_interval(secs => c.reconciliation_timeout_seconds) < clock_timestamp()) then 'pending'
      when h.status = 'released' and h.overdue_at is not null then 'cancelled'
      else 'completed'
    end as status,
    t.effective_at, t.recorded_at`;

const JOINED = (sql: Sql | Tx) => sql`
  join ledger.accounts a on a.account_no = t.seen_from
  left join ledger.holds h on h.hold_no = t.hold_no
  left join ledger.charges ch on ch.charge_no = coalesce(t.charge_no, t.txn_no)
  left join lateral (select job_id from ledger.jobs where hold_no = t.hold_no order by job_no desc limit 1) j on true
  left join ledger.clusters c on c.cluster_no = coalesce(ch.cluster_no, h.cluster_no)`;

function toTransaction(row: TransactionRow): Transaction {
  return {
    id: Number(row.txn_no),
    transactionId: transactionIdOf(row.transaction_id),
    kind: row.kind,
    direction: row.incoming ? 'in' : 'out',
    account: row.account,
    accountNo: Number(row.account_no),
    unit: row.unit,
    amount: toMicro(row.amount_micro),
    description: row.description,
    ...(row.metadata !== null && { metadata: row.metadata }),
    actor: row.actor,
    ...(row.job_id !== null && { jobId: row.job_id }),
    ...(row.cluster !== null && { cluster: row.cluster }),
    ...(row.partition !== null && { partition: row.partition }),
    ...(row.user_name !== null && { user: row.user_name }),
    ...(row.parent_id !== null && { parentId: transactionIdOf(row.parent_id) }),
    status: row.status,
    effectiveAt: row.effective_at,
    recordedAt: row.recorded_at,
  };
}

function transactionIdOf(text: string): TransactionId {
  if (!isTransactionId(text)) throw new Error(`"${text}" is not the id of a transaction`);
  return text;
}

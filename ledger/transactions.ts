/** Transactions as they are shown: found, filtered, paged (newest first, by number). */
import { Fault } from '../domain/faults';
import type { FundId } from '../domain/ids';
import { toMicro } from '../domain/money';
import type { TransactionKind } from '../domain/transaction';
import type { Sql, Tx } from '../platform/postgres';
import type { Movements, Page, Paged, Transaction } from './contract';
import { cursorOf, pageOf, rowsAsked } from './paging';
import { requireAccount } from './require-account';
import { requireClusterOfNone } from './require-cluster';
import { transactionIdOf } from './rows';

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
  const { offset = 0 } = page;
  const { account, holdId } = filter;
  const accountNo = account === undefined ? undefined : await requireAccount(sql, account);
  const jobs = filter.jobId === undefined ? undefined : await findJob(sql, filter.jobId);
  const hold = holdId === undefined ? undefined : { holdNos: await findHold(sql, holdId), chargeNos: [] };
  const nowhere = [jobs, hold].some((found) => found && found.holdNos.length + found.chargeNos.length === 0);
  if (nowhere) {
    await requireClusterOfNone(sql, [], filter.cluster);
    return { rows: [] };
  }

  const conditions = [
    ...(page.cursor === undefined ? [] : [sql`t.txn_no < ${cursorOf(page)}`]),
    ...(jobs ? [sql`t.txn_no in (${numbersOf(sql, jobs)})`] : []),
    ...(hold ? [sql`t.txn_no in (${numbersOf(sql, hold)})`] : []),
    ...conditionsOf(sql, filter),
  ];
  const where = conditions.reduce((all, condition) => sql`${all} and ${condition}`, sql`true`);

  // The page first, newest by number from an account's own two indexes; then only its rows are dressed.
  const newest = sql`${where} order by t.txn_no desc limit ${rowsAsked(page) + offset}`;
  const candidates =
    accountNo === undefined
      ? sql`(select t.*, t.account_no as seen_from from ledger.transactions t where ${newest})`
      : sql`(select t.*, t.account_no as seen_from from ledger.transactions t where t.account_no = ${accountNo} and ${newest})
            union all
            (select t.*, t.other_account_no from ledger.transactions t where t.other_account_no = ${accountNo} and ${newest})`;
  const rows = await sql<TransactionRow[]>`
    with page as materialized (
      select * from (${candidates}) t order by t.txn_no desc limit ${rowsAsked(page)} offset ${offset}
    )
    ${shownColumns(sql)}
    from page t
    ${joinedTables(sql)}
    order by t.txn_no desc`;
  await requireClusterOfNone(sql, rows, filter.cluster);
  const { rows: shown, ...next } = pageOf(rows, page, ({ txn_no }) => txn_no);
  return { rows: shown.map(toTransaction), ...next };
}

interface Found {
  holdNos: bigint[];
  chargeNos: bigint[];
}

async function findHold(sql: Sql, holdId: string): Promise<bigint[]> {
  const rows = await sql<{ hold_no: bigint }[]>`select hold_no from ledger.holds where hold_id = ${holdId}`;
  return rows.map(({ hold_no }) => hold_no);
}

/** The holds and charges of every job of this id: ids recycle, and clusters share them. */
async function findJob(sql: Sql, jobId: string): Promise<Found> {
  const holds = await sql<{ hold_no: bigint }[]>`
    with bound as (
      select j.hold_no
      from ledger.clusters c join ledger.jobs j on j.cluster_no = c.cluster_no and j.job_id = ${jobId}
      where j.hold_no is not null
      union
      select hold_no from ledger.charges where job_id = ${jobId} and hold_no is not null
    )
    select hold_no from bound
    union
    select h.hold_no from bound join ledger.holds h on h.group_no = bound.hold_no`;
  const charges = await sql<{ charge_no: bigint }[]>`select charge_no from ledger.charges where job_id = ${jobId}`;
  return { holdNos: holds.map(({ hold_no }) => hold_no), chargeNos: charges.map(({ charge_no }) => charge_no) };
}

/** The numbers of all transactions about these holds and charges. (A hold's own is its number.) */
const numbersOf = (sql: Sql, { holdNos, chargeNos }: Found) => sql`
  select unnest(${holdNos.map(String)}::bigint[]) union
  select unnest(${chargeNos.map(String)}::bigint[]) union
  select txn_no from ledger.transactions where hold_no = any (${holdNos.map(String)}::bigint[]) and kind <> 'hold' union
  select txn_no from ledger.transactions where charge_no = any (${chargeNos.map(String)}::bigint[])`;

/** ASBB's words for a hold, as conditions that begin at the few holds that they are about. */
function conditionsOf(sql: Sql, { kinds, status, user, cluster, from, to }: Filter) {
  return [
    ...(kinds ? [sql`t.kind = any (${[...kinds]}::text[])`] : []),
    ...(from === undefined ? [] : [sql`t.recorded_at >= ${from}`]),
    ...(to === undefined ? [] : [sql`t.recorded_at <= ${to}`]),
    ...(user === undefined
      ? []
      : [
          sql`coalesce(
            (select user_name from ledger.charges where charge_no = coalesce(t.charge_no, t.txn_no)),
            (select user_name from ledger.holds where hold_no = t.hold_no)) = ${user}`,
        ]),
    ...(cluster === undefined
      ? []
      : [
          sql`coalesce(
            (select cluster_no from ledger.charges where charge_no = coalesce(t.charge_no, t.txn_no)),
            (select cluster_no from ledger.holds where hold_no = t.hold_no))
            = (select cluster_no from ledger.clusters where name = ${cluster})`,
        ]),
    ...(status === undefined ? [] : [statusIs(sql, status)]),
  ];
}

function statusIs(sql: Sql, status: string) {
  const pending = sql`
    select h.hold_no from ledger.holds h join ledger.clusters c on c.cluster_no = h.cluster_no
    where ${isPending(sql)}`;
  const cancelled = sql`select h.hold_no from ledger.holds h where ${isCancelled(sql)}`;
  if (status === 'pending') return sql`t.kind = 'hold' and t.txn_no in (${pending})`;
  if (status === 'cancelled') return sql`t.kind = 'hold' and t.txn_no in (${cancelled})`;
  if (status !== 'completed') return sql`false`;
  return sql`(t.kind <> 'hold' or t.txn_no not in (${pending} union all ${cancelled}))`;
}

/** By its id; of a hold, by the hold's. With its lines. */
export async function readTransaction(sql: Sql | Tx, transactionId: string): Promise<Transaction> {
  const [row] = await sql<TransactionRow[]>`
    ${shownColumns(sql)}
    from (select *, account_no as seen_from from ledger.transactions) t
    ${joinedTables(sql)}
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
    ${shownColumns(sql)}
    from (select *, account_no as seen_from from ledger.transactions) t
    ${joinedTables(sql)}
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

/** ASBB's clients look for stuck holds under `pending`: those open beyond the cluster's reconciliation timeout. */
const isPending = (sql: Sql | Tx) => sql`
  h.status = 'open' and (h.overdue_at is not null
    or h.placed_at + make_interval(secs => c.reconciliation_timeout_seconds) < clock_timestamp())`;

/** Given back because nobody could say what became of its job. */
const isCancelled = (sql: Sql | Tx) => sql`h.status = 'released' and h.overdue_at is not null`;

const shownColumns = (sql: Sql | Tx) => sql`
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
      when ${isPending(sql)} then 'pending'
      when ${isCancelled(sql)} then 'cancelled'
      else 'completed'
    end as status,
    t.effective_at, t.recorded_at`;

const joinedTables = (sql: Sql | Tx) => sql`
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

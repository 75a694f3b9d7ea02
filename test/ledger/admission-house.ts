/** A ledger with clusters and accounts to ask for money, for the tests of admission. One tariff: 1 USD per node-hour. */
import { ulid } from 'ulid';
import type { JobRequest } from '../../domain/job';
import { parseAmount, toMicro, type Micro } from '../../domain/money';
import { openAdmission, type AdmissionOptions } from '../../ledger/admission';
import { openHolds } from '../../ledger/holds';
import { openPriceBooks } from '../../ledger/price-book';
import type { CheckRequest, Decision } from '../../ledger/contract';
import type { Sql } from '../../platform/postgres';
import { freshDatabase } from '../helpers/database';

export const usd = (amount: string): Micro => parseAmount(amount);

export interface FundSpec {
  amount: string;
  opensAt?: string;
  closesAt?: string;
}

export interface AccountSpec {
  funds?: (string | FundSpec)[];
  parent?: string;
  unit?: string;
  status?: string;
  startsAt?: string;
  endsAt?: string;
  archived?: boolean;
  overdraft?: string;
  subtreeLimit?: string;
  multiplier?: string;
}

export interface LimitSpec {
  partition?: string;
  user?: string;
  limit: string;
  opensAt?: string;
  closesAt?: string;
}

export async function openHouse(options: Partial<AdmissionOptions> & { poolSize?: number } = {}) {
  const database = await freshDatabase({ poolSize: options.poolSize ?? 8 });
  const { sql } = database;
  await sql`insert into ledger.clusters (name, time_zone, hold_multiplier_micro) values ('default', 'UTC', 1000000)`;
  await sql`insert into ledger.rates (cluster_no, resource, unit, rate_micro, starts_at, source)
            select cluster_no, 'node', unit, 1000000, '2000-01-01', 'test' from ledger.clusters, (values ('USD'), ('SU')) u (unit)`;
  const open = (pool: Sql = sql) => openAdmission({ sql: pool, prices: openPriceBooks(pool), ...options });
  return {
    database,
    sql,
    open,
    admission: open(),
    holds: openHolds({ sql }),
    drop: () => database.drop(),
    account: (name: string, spec?: AccountSpec) => makeAccount(sql, name, spec),
    limit: (account: string, spec: LimitSpec) => sql`
      insert into ledger.limits (account_no, partition, user_name, limit_micro, opens_at, closes_at)
      select account_no, ${spec.partition ?? null}, ${spec.user ?? null}, ${usd(spec.limit)}, ${spec.opensAt ?? null},
        ${spec.closesAt ?? null}
      from ledger.accounts where name = ${account}`,
    books: () => expectBooksToAgree(sql),
    totals: (account: string) => readTotals(sql, account),
    parts: async (holdId: string | undefined) => {
      const rows = await sql<{ label: string; held: bigint }[]>`
        select case f.source when 'overdraft' then 'overdraft' else f.label end as label, p.held_micro as held
        from ledger.holds h join ledger.hold_parts p using (hold_no) join ledger.funds f using (fund_no)
        where h.hold_id = ${holdId ?? ''} and p.held_micro > 0 order by f.closes_at, f.fund_no`;
      return Object.fromEntries(rows.map(({ label, held }) => [label, Number(held) / 1_000_000]));
    },
    count: async (table: string) => {
      const [row] = await sql<{ count: number }[]>`select count(*)::int as count from ${sql(`ledger.${table}`)}`;
      return row?.count ?? 0;
    },
  };
}

export type House = Awaited<ReturnType<typeof openHouse>>;

/** A job that costs `amount` USD: that many millionths of 3600 node-seconds. Whole seconds only: amounts of n/3600. */
export const job = (hours: number, changes: Partial<JobRequest> = {}): JobRequest => ({
  partition: 'cpu',
  resources: { nodes: 1, cpus: 1, gpus: 0, gpusByModel: {}, memoryMib: 0 },
  fromTres: true,
  wallSeconds: hours * 3600,
  unlimited: false,
  arrayTasks: 1,
  ...changes,
});

/** A check of one job of so many node-hours, which are as many USD. */
export const check = (account: string, hours: number, changes: Partial<CheckRequest> = {}): CheckRequest => ({
  account,
  components: [job(hours)],
  user: 'rkaur',
  ...changes,
});

export const caller = (key?: string, body = 'one') => ({
  principal: 'local',
  ...(key === undefined ? {} : { key, bodyHash: Buffer.from(body) }),
});

export const placedOf = (decisions: Decision[]): Decision[] => decisions.filter(({ available }) => available);

async function makeAccount(sql: Sql, name: string, spec: AccountSpec = {}): Promise<void> {
  const startsAt = spec.startsAt ?? '2020-01-01T00:00:00Z';
  const endsAt = spec.endsAt ?? '2099-01-01T00:00:00Z';
  const funds = (spec.funds ?? ['100']).map((fund) => (typeof fund === 'string' ? { amount: fund } : fund));
  const granted = funds.reduce((sum, { amount }) => sum + usd(amount), 0n);
  await sql.begin(async (tx) => {
    const [account] = await tx<{ accountNo: bigint }[]>`
      insert into ledger.accounts (name, title, unit, status, starts_at, ends_at, parent_no, root_no, ancestors, on_exhaustion,
        overdraft_limit_micro, hold_multiplier_micro, archived_at)
      select ${name}, ${name}, ${spec.unit ?? 'USD'}, ${spec.status ?? 'active'}, ${startsAt}, ${endsAt}, p.account_no,
        coalesce(p.root_no, 0), case when p.account_no is null then '{}' else p.account_no || p.ancestors end,
        ${spec.overdraft === undefined ? 'deny' : 'overdraft'}, ${usd(spec.overdraft ?? '0')},
        ${spec.multiplier === undefined ? null : usd(spec.multiplier)}, ${spec.archived ? startsAt : null}
      from (select 1) one left join ledger.accounts p on p.name = ${spec.parent ?? null}
      returning account_no as "accountNo"`;
    if (!account) throw new Error('no account');
    const { accountNo } = account;
    await tx`update ledger.accounts set root_no = account_no where account_no = ${accountNo} and root_no = 0`;
    await tx`insert into ledger.account_totals (account_no, granted_micro, was_funded, subtree_limit_micro)
      values (${accountNo}, ${granted}, ${granted > 0n}, ${spec.subtreeLimit === undefined ? null : usd(spec.subtreeLimit)})`;
    await tx`update ledger.account_totals t set has_children = true from ledger.accounts a
      where a.name = ${spec.parent ?? null} and t.account_no = a.account_no`;
    await tx`insert into ledger.funds (fund_id, account_no, source, opens_at, closes_at)
      values (${`fund_${ulid()}`}, ${accountNo}, 'overdraft', '-infinity', 'infinity')`;
    for (const [index, fund] of funds.entries()) {
      await tx`
        with fund as (
          insert into ledger.funds (fund_id, account_no, source, label, opens_at, closes_at, granted_micro)
          values (${`fund_${ulid()}`}, ${accountNo}, ${index === 0 ? 'base' : 'manual'}, ${`fund ${index + 1}`},
            ${fund.opensAt ?? startsAt}, ${fund.closesAt ?? endsAt}, ${usd(fund.amount)})
          returning fund_no
        ), written as (
          insert into ledger.transactions (txn_no, transaction_id, kind, account_no, amount_micro, actor, effective_at, recorded_at)
          values (ledger.next_txn_no(), ${`txn_${ulid()}`}, 'deposit', ${accountNo}, ${usd(fund.amount)}, 'test', now(), now())
          returning txn_no
        )
        insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro)
        select txn_no, line, ${accountNo}, fund_no, book, sign * ${usd(fund.amount)}::bigint
        from fund, written, (values (1, 'a'::"char", 1), (2, 'x'::"char", -1)) as l (line, book, sign)
        where ${usd(fund.amount)}::bigint > 0`;
    }
  });
}

async function readTotals(sql: Sql, account: string) {
  const [row] = await sql<{ settled: bigint; held: bigint; subtreeHeld: bigint }[]>`
    select settled_micro as settled, held_micro as held, subtree_held_micro as "subtreeHeld"
    from ledger.account_totals join ledger.accounts using (account_no) where name = ${account}`;
  if (!row) throw new Error(`no account ${account}`);
  return { settled: toMicro(row.settled), held: toMicro(row.held), subtreeHeld: toMicro(row.subtreeHeld) };
}

/** Every counter that admission keeps, computed again from what it wrote down. */
async function expectBooksToAgree(sql: Sql): Promise<void> {
  const wrong = await sql<{ what: string }[]>`
    with book as (
      select fund_no, book, sum(amount_micro)::bigint as amount from ledger.entries group by fund_no, book
    )
    select 'transaction ' || txn_no || ' does not sum to zero' as what from ledger.entries group by txn_no having sum(amount_micro) <> 0
    union all
    select 'fund ' || f.fund_no from ledger.funds f
    where f.held_micro <> coalesce((select amount from book b where b.fund_no = f.fund_no and b.book = 'h'), 0)
      or f.settled_micro <> coalesce((select amount from book b where b.fund_no = f.fund_no and b.book = 's'), 0)
      or f.granted_micro - f.settled_micro - f.held_micro
        <> coalesce((select amount from book b where b.fund_no = f.fund_no and b.book = 'a'), 0)
      or f.held_micro <> (select coalesce(sum(held_micro), 0) from ledger.hold_parts p where p.fund_no = f.fund_no)
    union all
    select 'hold ' || h.hold_no from ledger.holds h
    where h.held_micro <> (select coalesce(sum(held_micro), 0) from ledger.hold_parts p where p.hold_no = h.hold_no)
      or not exists (select from ledger.transactions t where t.txn_no = h.hold_no and t.kind = 'hold' and t.amount_micro = h.placed_micro)
      or not exists (select from ledger.outbox o where o.hold_no = coalesce(h.group_no, h.hold_no) and o.kind = 'start')
      or not exists (select from ledger.decisions d where d.decision_no = coalesce(h.group_no, h.hold_no) and d.code = 'placed')
    union all
    select 'account ' || a.name from ledger.accounts a join ledger.account_totals t using (account_no)
    where t.held_micro <> (select coalesce(sum(held_micro), 0) from ledger.holds h where h.account_no = a.account_no)
      or t.held_micro <> (select coalesce(sum(held_micro), 0) from ledger.funds f where f.account_no = a.account_no)
      or t.subtree_held_micro <> (
        select sum(b.held_micro) from ledger.account_totals b join ledger.accounts c using (account_no)
        where c.account_no = a.account_no or a.account_no = any (c.ancestors))
    union all
    select 'limit ' || l.limit_no from ledger.limits l
    cross join ledger.limit_use(l.account_no, l.partition, nullif(l.user_name, '*'), l.opens_at, l.closes_at) u
    where l.user_name is distinct from '*' and (u.held_micro, u.settled_micro) <> (l.held_micro, l.settled_micro)
    union all
    select 'decision ' || decision_no from ledger.decisions d
    where code = 'placed' and not exists (select from ledger.holds h where h.hold_no = d.decision_no)`;
  expect(wrong.map(({ what }) => what)).toEqual([]);
}

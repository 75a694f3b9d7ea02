/** What an account has at a moment: the identity of rulings 5, fund by fund, with its caps; all from one snapshot. */
import type { FundId } from '../domain/ids';
import { addMicro, leastMicro, mostMicro, toMicro, ZERO, type Micro } from '../domain/money';
import type { Instant } from '../domain/time';
import type { Sql, Tx } from '../platform/postgres';
import type { Balance, Fund } from './contract';
import { toLimit, type LimitRow } from './limits';
import { noSuchAccount } from './require-account';

/** What the running jobs of an account have accrued by now, hold by hold (ledger/accrual.ts). */
export type Accruals = (
  sql: Sql | Tx,
  account: string,
  at: Instant,
) => Promise<readonly { held: Micro; accrued: Micro }[]>;

interface MoneyRow {
  account_no: bigint;
  unit: string;
  time_zone: string;
  on_exhaustion: string;
  overdraft_limit_micro: bigint;
  at: Instant;
  granted_micro: bigint;
  settled_micro: bigint;
  held_micro: bigint;
  available_micro: bigint;
  upcoming_micro: bigint;
  debt_micro: bigint;
  has_children: boolean;
  subtree_settled_micro: bigint;
  subtree_held_micro: bigint;
  subtree_limit_micro: bigint | null;
  next_money_at: string | null;
}

interface FundRow {
  fund_id: FundId;
  source: string;
  label: string;
  opens_at: string;
  closes_at: string;
  status: Fund['status'];
  granted_micro: bigint;
  settled_micro: bigint;
  held_micro: bigint;
}

/** The balance at `at` (default: now) by the books as they are now: windows are judged at that moment. */
export const readBalance = (
  sql: Sql,
  name: string,
  options: { at?: Instant | undefined; accruals?: Accruals | undefined } = {},
): Promise<Balance> =>
  sql.begin('isolation level repeatable read read only', async (tx) => {
    const [money] = await tx<MoneyRow[]>`
      select a.account_no, a.unit, a.time_zone, a.on_exhaustion, a.overdraft_limit_micro, clock.at,
        m.granted_micro, m.settled_micro, m.held_micro, m.available_micro, m.upcoming_micro, m.debt_micro,
        t.has_children, t.subtree_settled_micro, t.subtree_held_micro,
        (select s.limit_micro from ledger.subtree_limits(a.account_no, clock.at) s where s.account_no = a.account_no)
          as subtree_limit_micro,
        (select n.opens_at from ledger.next_money(a.account_no, clock.at) n) as next_money_at
      from ledger.accounts a
      join ledger.account_totals t on t.account_no = a.account_no
      cross join (select coalesce(${options.at ?? null}, clock_timestamp()) as at) clock
      cross join lateral ledger.money_of(a.account_no, clock.at) m
      where a.name = ${name}`;
    if (!money) throw noSuchAccount(name);

    const limits = await tx<LimitRow[]>`
      select partition, user_name, limit_micro, settled_micro, held_micro, opens_at, closes_at
      from ledger.limits where account_no = ${money.account_no}
      order by user_name nulls first, partition nulls first`;
    const running = options.accruals ? await options.accruals(tx, name, money.at) : [];
    const inFlight = addMicro(ZERO, ...running.map(({ held, accrued }) => leastMicro(held, accrued)));
    const overHold = addMicro(ZERO, ...running.map(({ held, accrued }) => mostMicro(ZERO, toMicro(accrued - held))));
    const committed = toMicro(money.held_micro - inFlight);

    return {
      account: name,
      unit: money.unit,
      timeZone: money.time_zone,
      at: money.at,
      granted: toMicro(money.granted_micro),
      settled: toMicro(money.settled_micro),
      held: toMicro(money.held_micro),
      inFlight,
      committed,
      available: toMicro(money.available_micro),
      overHold,
      overdraftUsed: toMicro(money.debt_micro),
      overdraftLimit: money.on_exhaustion === 'overdraft' ? toMicro(money.overdraft_limit_micro) : ZERO,
      upcoming: toMicro(money.upcoming_micro),
      difference: toMicro(money.granted_micro - money.settled_micro - inFlight - committed - money.available_micro),
      ...(money.next_money_at !== null && { nextMoneyAt: money.next_money_at }),
      funds: await fundsOf(tx, money.account_no, money.at),
      ...(money.has_children && {
        subtree: {
          settled: toMicro(money.subtree_settled_micro),
          held: toMicro(money.subtree_held_micro),
          ...(money.subtree_limit_micro !== null && { limit: toMicro(money.subtree_limit_micro) }),
        },
      }),
      limits: limits.map(toLimit),
    };
  });

export async function readFunds(sql: Sql, name: string): Promise<Fund[]> {
  const [account] = await sql<{ account_no: bigint; at: string }[]>`
    select account_no, clock_timestamp() as at from ledger.accounts where name = ${name}`;
  if (!account) throw noSuchAccount(name);
  return fundsOf(sql, account.account_no, account.at);
}

/**
 * In the order in which they are drawn; the overdraft last, and only where it was ever used.
 *
 * What is due to expire is not shown as granted any more: as in ledger.money_of, and fund by fund as ledger.expire_account
 * will book it, so that a fund says the same before the sweep and after it.
 */
async function fundsOf(sql: Sql | Tx, accountNo: bigint, at: Instant): Promise<Fund[]> {
  const rows = await sql<FundRow[]>`
    with fund as (
      select f.*, f.source <> 'overdraft' and f.closes_at <= ${at} as has_expired,
        f.granted_micro - f.settled_micro - f.held_micro as free_micro
      from ledger.funds f where f.account_no = ${accountNo}
    ), due as (
      select greatest(0, coalesce(sum(free_micro) filter (where has_expired), 0)
        - coalesce(sum(settled_micro + held_micro) filter (where source = 'overdraft'), 0)) as micro
      from fund
    ), shown as (
      select fund.*, case when has_expired then greatest(0, least(free_micro, due.micro
        - coalesce(sum(free_micro) filter (where has_expired) over (
            order by closes_at, fund_no rows between unbounded preceding and 1 preceding), 0))) else 0 end as due_micro
      from fund cross join due
    )
    select f.fund_id, f.source, f.label, case when f.source = 'overdraft' then a.starts_at else f.opens_at end as opens_at, f.closes_at,
      (f.granted_micro - f.due_micro)::bigint as granted_micro, f.settled_micro, f.held_micro,
      case when f.opens_at > ${at} then 'upcoming' when f.has_expired then 'expired' else 'open' end as status
    from shown f join ledger.accounts a on a.account_no = f.account_no
    where f.source <> 'overdraft' or f.settled_micro + f.held_micro > 0
    order by f.closes_at, f.fund_no`;
  return rows.map((row) => ({
    fundId: row.fund_id,
    source: row.source,
    label: row.label,
    opensAt: row.opens_at,
    closesAt: row.closes_at === 'infinity' ? null : row.closes_at,
    status: row.status,
    granted: toMicro(row.granted_micro),
    settled: toMicro(row.settled_micro),
    held: toMicro(row.held_micro),
    available: toMicro(row.granted_micro - row.settled_micro - row.held_micro),
  }));
}

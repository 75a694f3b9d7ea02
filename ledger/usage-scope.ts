/** Which accounts a report is about, in which unit and zone, and what money they have. */
import { Fault } from '../domain/faults';
import { leastMicro, toMicro } from '../domain/money';
import type { Instant } from '../domain/time';
import type { Tx } from '../platform/postgres';
import type { Budget, UsageAsked } from './contract';
import { noSuchAccount } from './require-account';

export interface Scope {
  now: Instant;
  unit: string;
  otherUnits: string[];
  timeZone: string;
  accountZone: string | null;
  /** Null: all accounts of the unit. */
  rootNo: bigint | null;
  clusterNo: number | null;
  budget: Budget;
  startsAt: Instant | null;
  endsAt: Instant | null;
}

interface ScopeRow {
  now: Instant;
  root_no: bigint | null;
  root_unit: string | null;
  root_zone: string | null;
  starts_at: Instant | null;
  ends_at: Instant | null;
  /** The one that most accounts count in first. */
  units: string[];
  cluster_no: number | null;
  cluster_zone: string | null;
}

type Asked = Pick<UsageAsked, 'account' | 'unit' | 'cluster' | 'timeZone'>;

export async function readScope(tx: Tx, asked: Asked, serverZone: string): Promise<Scope> {
  const { account = null, cluster = null } = asked;
  const [row] = await tx<ScopeRow[]>`
    with root as (
      select account_no, unit, time_zone, starts_at, ends_at from ledger.accounts where name = ${account}
    ), units as (
      select array_agg(unit order by accounts desc, unit) as units
      from (select unit, count(*) as accounts from ledger.accounts group by unit) counted
    ), agreed as (
      select min(time_zone) as time_zone from ledger.clusters having count(distinct time_zone) = 1
    )
    select clock_timestamp() as now, root.account_no as root_no, root.unit as root_unit, root.time_zone as root_zone,
      root.starts_at, root.ends_at, coalesce(units.units, '{}') as units, c.cluster_no,
      coalesce(c.time_zone, agreed.time_zone) as cluster_zone
    from units left join root on true left join agreed on true
    left join ledger.clusters c on c.name = ${cluster}`;
  if (!row) throw new Error('the scope of a report answered nothing');
  if (account !== null && row.root_no === null) throw noSuchAccount(account);
  if (cluster !== null && row.cluster_no === null) {
    throw new Fault('cluster_not_found', `There is no cluster "${cluster}".`, { facts: { cluster } });
  }
  const unit = unitOf(row, asked);
  return {
    now: row.now,
    unit,
    otherUnits: account === null ? row.units.filter((each) => each !== unit) : [],
    timeZone: asked.timeZone ?? row.cluster_zone ?? row.root_zone ?? serverZone,
    accountZone: row.root_zone,
    rootNo: row.root_no,
    clusterNo: row.cluster_no,
    budget: await readBudget(tx, row.root_no, unit, row.now),
    startsAt: row.starts_at,
    endsAt: row.ends_at,
  };
}

function unitOf({ root_unit, units }: ScopeRow, { account, unit }: Asked): string {
  const own = root_unit ?? units[0] ?? 'USD';
  if (unit === undefined || unit === own) return own;
  if (root_unit !== null) {
    throw new Fault('unit_mismatch', `The account "${account}" counts in ${root_unit}, not in ${unit}.`, {
      facts: { unit: root_unit, requested: unit },
    });
  }
  if (units.includes(unit)) return unit;
  const detail = `is no unit that an account counts in; there are ${units.join(', ') || 'no accounts'}`;
  throw new Fault('malformed_request', `unit ${detail}.`, { errors: [{ pointer: '/unit', detail }] });
}

interface BudgetRow {
  granted_micro: bigint;
  settled_micro: bigint;
  held_micro: bigint;
  available_micro: bigint;
  limit_micro: bigint | null;
}

/** A parent is no purse (rulings 8): the money of all of them, as far as a limit on the whole lets them at it. */
async function readBudget(tx: Tx, rootNo: bigint | null, unit: string, now: Instant): Promise<Budget> {
  const [row] = await tx<BudgetRow[]>`
    select coalesce(sum(m.granted_micro), 0)::bigint as granted_micro,
      coalesce(sum(m.settled_micro), 0)::bigint as settled_micro, coalesce(sum(m.held_micro), 0)::bigint as held_micro,
      coalesce(sum(m.available_micro), 0)::bigint as available_micro,
      (select limit_micro from ledger.subtree_limit(${rootNo}, ${now})) as limit_micro
    from ledger.accounts a cross join lateral ledger.money_of(a.account_no, ${now}) m
    where ${inScope(tx, rootNo, unit)}`;
  if (!row) throw new Error('the budget of a report answered nothing');
  const [granted, used, available] = [
    toMicro(row.granted_micro),
    toMicro(row.settled_micro),
    toMicro(row.available_micro),
  ];
  if (row.limit_micro === null) return { limit: granted, used, available };
  const limit = leastMicro(granted, toMicro(row.limit_micro));
  return { limit, used, available: leastMicro(available, toMicro(limit - used - row.held_micro)) };
}

/** Of the accounts `a`. */
export const inScope = (tx: Tx, rootNo: bigint | null, unit: string) =>
  rootNo === null ? tx`a.unit = ${unit}` : tx`(a.account_no = ${rootNo} or ${rootNo} = any (a.ancestors))`;

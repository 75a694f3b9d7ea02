/** What the metrics show of the ledger, in one reading. */
import { toMicro } from '../domain/money';
import type { Sql } from '../platform/postgres';
import type { Figures } from './contract';
import { ask } from './errors';

interface AccountRow {
  account: string;
  unit: string;
  granted_micro: bigint;
  settled_micro: bigint;
  held_micro: bigint;
  available_micro: bigint;
  open_holds: number;
}

interface CountsRow {
  overdue: number;
  quarantined: number;
  unmatched: number;
  unsealed: number;
}

/** Beyond this it is "very many"; counting on would cost more than it tells. */
const UNSEALED_MAX = 100_000;

export const readFigures = (sql: Sql): Promise<Figures> =>
  ask(async () => {
    const [accounts, [counts]] = await Promise.all([
      sql<AccountRow[]>`
        with open_holds as (
          select account_no, count(*)::int as open_holds from ledger.holds where status = 'open' group by account_no
        )
        select a.name as account, a.unit, m.granted_micro, m.settled_micro, m.held_micro, m.available_micro,
          coalesce(h.open_holds, 0) as open_holds
        from ledger.accounts a
        cross join lateral ledger.money_of(a.account_no, clock_timestamp()) m
        left join open_holds h on h.account_no = a.account_no
        where a.archived_at is null`,
      sql<CountsRow[]>`
        select
          (select count(*)::int from ledger.holds where status = 'open' and overdue_at is not null) as overdue,
          (select count(*)::int from ledger.jobs where quarantined) as quarantined,
          (select count(*)::int from ledger.unmatched where status = 'waiting') as unmatched,
          (select count(*)::int from (
            select from ledger.transactions where txn_no > coalesce((select max(txn_no) from ledger.seals), 0)
            limit ${UNSEALED_MAX}) t) as unsealed`,
    ]);
    return {
      accounts: accounts.map((row) => ({
        account: row.account,
        unit: row.unit,
        limit: toMicro(row.granted_micro),
        used: toMicro(row.settled_micro),
        held: toMicro(row.held_micro),
        available: toMicro(row.available_micro),
        openHolds: row.open_holds,
      })),
      overdueHolds: counts?.overdue ?? 0,
      quarantinedJobs: counts?.quarantined ?? 0,
      unmatchedReports: counts?.unmatched ?? 0,
      unsealed: counts?.unsealed ?? 0,
    };
  });

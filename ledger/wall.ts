/** What each account has left for jobs from now on, for the limits of the scheduler itself. */
import { billingWeights } from '../domain/billing-weights';
import { Fault } from '../domain/faults';
import { leastMicro, toMicro } from '../domain/money';
import type { WallAccount } from '../domain/slurm-wall';
import { epochMicros, type Instant } from '../domain/time';
import type { Sql } from '../platform/postgres';
import type { Accruals } from './balance';
import type { Walls } from './contract';
import { ask } from './errors';
import { unitOf, usualUnit, type PriceBooks } from './price-book';

interface LeftRow {
  account: string;
  unit: string;
  isOpen: boolean;
  left: bigint;
  at: Instant;
  hasHolds: boolean;
}

export function openWalls({ sql, prices, accruals }: { sql: Sql; prices: PriceBooks; accruals: Accruals }): Walls {
  return {
    async readWall(name, wantedUnit) {
      const book = await prices.upToDate();
      const cluster = book.clusters.get(name);
      if (!cluster) {
        throw new Fault('cluster_not_found', `There is no cluster named ${name}.`, { facts: { cluster: name } });
      }
      const rows = await ask(
        () => sql<LeftRow[]>`
          select a.name as account, a.unit, clock.at,
            a.status = 'active' and a.starts_at <= clock.at and clock.at < a.ends_at as "isOpen",
            (m.available_micro + m.held_micro
              + case when a.on_exhaustion = 'overdraft' then a.overdraft_limit_micro else 0 end)::bigint as "left",
            m.held_micro > 0 as "hasHolds"
          from ledger.accounts a
          cross join (select clock_timestamp() as at) clock
          cross join lateral ledger.money_of(a.account_no, clock.at) m
          where a.archived_at is null
          order by a.name`,
      );
      const accounts: WallAccount[] = [];
      for (const { account, unit, isOpen, left, at, hasHolds } of rows) {
        const running = isOpen && hasHolds ? await accruals(sql, account, at) : [];
        const inFlight = running.reduce((sum, { held, accrued }) => sum + leastMicro(held, accrued), 0n);
        accounts.push({ account, unit, left: toMicro(isOpen ? left - inFlight : 0n) });
      }
      const unit = wantedUnit ?? unitOf(name, book) ?? usualUnit(rows) ?? 'USD';
      const now = epochMicros(rows[0]?.at ?? new Date().toISOString());
      return { cluster: name, ...billingWeights(cluster, book.rates, unit, now), accounts };
    },
  };
}

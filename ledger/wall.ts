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
  /** Not held by anybody: its own money, and the least that an account above it or its own subtree limit leaves. */
  own: bigint;
  bound: bigint | null;
  boundBy: string | null;
  held: bigint;
  at: Instant;
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
            not exists (
              select from unnest(array[a.account_no] || a.ancestors) as node (account_no)
              join ledger.accounts up on up.account_no = node.account_no
              where up.archived_at is not null or up.status <> 'active' or clock.at < up.starts_at
                or clock.at >= up.ends_at) as "isOpen",
            (m.available_micro
              + case when a.on_exhaustion = 'overdraft' then a.overdraft_limit_micro else 0 end)::bigint as own,
            least_limit.headroom as bound, least_limit.name as "boundBy", m.held_micro as held
          from ledger.accounts a
          cross join (select clock_timestamp() as at) clock
          cross join lateral ledger.money_of(a.account_no, clock.at) m
          left join lateral (
            select l.name, l.limit_micro - l.settled_micro - l.held_micro as headroom
            from ledger.subtree_limits(a.account_no, clock.at) l
            order by headroom, l.place limit 1) least_limit on true
          where a.archived_at is null
          order by a.name`,
      );
      const accounts: WallAccount[] = [];
      for (const { account, unit, isOpen, own, bound, boundBy, held, at } of rows) {
        const running = isOpen && held > 0n ? await accruals(sql, account, at) : [];
        const inFlight = running.reduce((sum, each) => sum + leastMicro(each.held, each.accrued), 0n);
        const isBound = isOpen && bound !== null && boundBy !== null && bound < own;
        // What it holds itself is still for its jobs; what its neighbours hold is theirs, and not in the headroom.
        const left = (isBound ? bound : own) + held - inFlight;
        accounts.push({ account, unit, left: toMicro(isOpen ? left : 0n), ...(isBound && { boundBy }) });
      }
      const unit = wantedUnit ?? unitOf(name, book) ?? usualUnit(rows) ?? 'USD';
      const now = epochMicros(rows[0]?.at ?? new Date().toISOString());
      return { cluster: name, ...billingWeights(cluster, book.rates, unit, now), accounts };
    },
  };
}

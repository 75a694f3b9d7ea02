/** What the jobs that run now, or wait for their cost, have accrued: computed on read, stored nowhere (rulings 5). */
import { ZERO, toMicro, type Micro } from '../domain/money';
import type { Run } from '../domain/runs';
import type { StoryRun } from '../domain/run-charges';
import { epochMicros } from '../domain/time';
import type { Sql, Tx } from '../platform/postgres';
import { bookFor } from './advance';
import type { Accruals } from './balance';
import { tellWithoutPrices } from './chapters';
import type { PriceBook } from './contract';
import type { PriceBooks } from './price-book';
import { priceRun } from './settlement';
import { loadManyFacts, type LedgerFacts } from './story-facts';

/** Accrued by the runs of a story that have no charge yet. What has no price accrues nothing that anybody could state. */
export function accruedOf(facts: LedgerFacts, book: PriceBook, runs?: readonly StoryRun[]): Micro {
  const uncharged = (runs ?? tellWithoutPrices(facts).runs).filter(({ charge }) => !charge);
  return toMicro(uncharged.reduce((sum, run) => sum + accruedByRun(run, facts, book), 0n));
}

function accruedByRun(storyRun: StoryRun, facts: LedgerFacts, book: PriceBook): Micro {
  const { run, limitSeconds } = storyRun;
  const until = run.endedAt ?? run.supersededAt ?? withinLimit(run, limitSeconds, facts.now);
  if (run.startedAt === undefined || until <= run.startedAt) return ZERO;
  const priced = priceRun(storyRun, until, facts, book);
  return 'quarantined' in priced ? ZERO : priced.total;
}

/** A run of which nothing is heard has not run for longer than it was allowed to: a log of last year is no year of use. */
function withinLimit(run: Run, limitSeconds: number | undefined, now: bigint): bigint {
  if (limitSeconds === undefined || run.startedAt === undefined) return now;
  const paused = run.suspensions.reduce((sum, { from, to }) => sum + ((to ?? now) - from), 0n);
  const limit = run.startedAt + BigInt(limitSeconds) * 1_000_000n + (paused > 0n ? paused : 0n);
  return limit < now ? limit : now;
}

/** For the balance of an account, hold by hold, at a moment: what ended before counts as far as it had gone. */
export const openAccruals =
  (prices: PriceBooks): Accruals =>
  async (sql: Sql | Tx, account, at) => {
    const rows = await sql<{ hold_no: bigint }[]>`
      select h.hold_no
      from ledger.holds h
      join ledger.accounts a using (account_no)
      where a.name = ${account} and h.status = 'open' and exists (
        select from ledger.jobs j
        where j.hold_no in (h.hold_no, h.group_no) and j.state in ('running', 'suspended', 'awaiting_cost', 'overdue', 'quarantined'))`;
    const stories = await loadManyFacts(
      sql,
      rows.map(({ hold_no }) => hold_no),
    );
    const accruals: { held: Micro; accrued: Micro }[] = [];
    for (const facts of stories.values()) {
      const seen = { ...facts, now: epochMicros(at) };
      const book = await bookFor(seen, prices);
      const { runs } = tellWithoutPrices(seen);
      for (const hold of seen.holds) {
        if (hold.status !== 'open') continue;
        const own = runs.filter((run) => run.hold.holdNo === hold.holdNo);
        accruals.push({ held: hold.held, accrued: accruedOf(seen, book, own) });
      }
    }
    return accruals;
  };

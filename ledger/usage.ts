/** Usage reports and forecasts. What they sum is in used.ts, whose it is in usage-scope.ts. */
import { FORECAST_DAYS, forecastOf } from '../domain/forecast';
import { ZERO } from '../domain/money';
import { bucketsOf, readPeriod, type Bucket } from '../domain/report-period';
import { addDays, civilDateOf, compareInstants, epochMicros, startOfDay, type Instant } from '../domain/time';
import { isCalendarPart, type Grouping } from '../domain/usage-report';
import type { Sql, Tx } from '../platform/postgres';
import type { AccountForecast, Page, Usage, UsageAsked, UsageReport } from './contract';
import { ask } from './errors';
import { cursorOf } from './paging';
import { readScope } from './usage-scope';
import { readUsed, type Grouped } from './used';

export const openUsage = ({ sql, serverZone }: { sql: Sql; serverZone: string }): Usage => ({
  report: (asked, page) => look(sql, (tx) => report(tx, asked, page, serverZone)),
  forecast: (account) => look(sql, (tx) => forecast(tx, account, serverZone)),
});

/**
 * One snapshot for all that is read, of the rows of the asked time only: a million charges are read in seconds, a month of them
 * or an account of them in a tenth of that. Compiling these queries takes longer than they do (a tenth of a second for each of their
 * parts, PostgreSQL 18), and what they sort and hash is larger than what the checks of a budget are given room for.
 */
const look = <T>(sql: Sql, read: (tx: Tx) => Promise<T>): Promise<T> =>
  ask(async () => {
    const answer = await sql.begin('isolation level repeatable read read only', async (tx) => {
      await tx`select set_config('jit', 'off', true), set_config('work_mem', '32MB', true)`;
      return { read: await read(tx) };
    });
    return answer.read;
  });

async function report(tx: Tx, asked: UsageAsked, page: Page, serverZone: string): Promise<UsageReport> {
  const { account, groupBy } = asked;
  const scope = await readScope(tx, asked, serverZone);
  const { from, to } = readPeriod(asked.period, scope.now, scope.timeZone);
  const buckets = isCalendarPart(groupBy)
    ? bucketsOf({ from, to }, groupBy, scope.timeZone)
    : [{ label: '', from, to }];
  const skipped = page.cursor === undefined ? (page.offset ?? 0) : Number(cursorOf(page));
  const { total, held, rows } = await readUsed(tx, scope, asked, buckets, { skipped, limit: page.limit });
  const shown = rows.slice(0, page.limit);
  return {
    ...(account === undefined ? {} : { account }),
    unit: scope.unit,
    otherUnits: scope.otherUnits,
    timeZone: scope.timeZone,
    from,
    to,
    ...(groupBy === undefined ? {} : { groupBy }),
    total,
    held,
    budget: scope.budget,
    rows: groupBy === undefined ? [] : shown.map((row) => rowOf(row, groupBy, buckets)),
    ...(groupBy !== undefined && rows.length > page.limit && { nextCursor: String(skipped + page.limit) }),
  };
}

const rowOf = ({ label, bucket, used }: Grouped, groupBy: Grouping, buckets: readonly Bucket[]) => {
  const time = buckets[bucket - 1];
  if (isCalendarPart(groupBy) && time) return { ...used, ...time };
  return { ...used, ...(label === null ? {} : { label }) };
};

async function forecast(tx: Tx, account: string, serverZone: string): Promise<AccountForecast> {
  const scope = await readScope(tx, { account }, serverZone);
  const timeZone = scope.accountZone ?? serverZone;
  const { now, unit, budget } = scope;
  if (scope.startsAt === null || scope.endsAt === null) throw new Error(`the account ${account} has no window`);
  const days = wholeDays(scope.startsAt, now, timeZone);
  const today = startOfDay(civilDateOf(now, timeZone), timeZone);
  const page = { skipped: 0, limit: FORECAST_DAYS };
  const { rows } = days.length === 0 ? { rows: [] } : await readUsed(tx, scope, { groupBy: 'day' }, days, page);
  const spent = new Map(rows.map(({ bucket, used }) => [bucket, used.amount]));
  return {
    account,
    unit,
    timeZone,
    at: now,
    endsAt: scope.endsAt,
    from: days[0]?.from ?? today,
    to: today,
    ...budget,
    ...forecastOf({
      ...budget,
      days: days.map((_, index) => spent.get(index + 1) ?? ZERO),
      now: epochMicros(now),
      endsAt: epochMicros(scope.endsAt),
    }),
  };
}

/** The last whole days before today that the account was open on. */
function wholeDays(startsAt: Instant, now: Instant, timeZone: string): Bucket[] {
  const today = civilDateOf(now, timeZone);
  const first = startOfDay(addDays(today, -FORECAST_DAYS), timeZone);
  const period = { from: first, to: startOfDay(today, timeZone) };
  return bucketsOf(period, 'day', timeZone).filter(({ from }) => compareInstants(startsAt, from) <= 0);
}

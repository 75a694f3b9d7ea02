/**
 * The same log, imported job by job: the usage report of its cluster, in the zone of its cluster, gives the figures that XDMoD
 * publishes for each day, to the last digit (rulings 17, 32).
 */
import { parseAmount } from '../../domain/money';
import { eventsOf, readSacct } from '../../domain/sacct';
import { hoursOf } from '../../domain/usage-report';
import { openLedger } from '../../ledger';
import type { JobEvent, Ledger } from '../../ledger/contract';
import { freshDatabase, type TestDatabase } from '../helpers/database';
import { readCsv, readData } from './data';

/** Where the cluster stood; its clocks were not set between these days. */
const ZONE = 'America/New_York';
const BY = { principal: 'test' };
const WINDOW = { startsAt: '2016-01-01T00:00:00Z', endsAt: '2099-01-01T00:00:00Z' };

let database: TestDatabase;
let ledger: Ledger;

beforeAll(async () => {
  database = await freshDatabase();
  ledger = openLedger(database.sql);
  await ledger.catalog.createCluster('phillips', { timeZone: ZONE, pricePreset: 'none' }, BY);
  for (const [resource, rate] of Object.entries({ cpu: '1', gpu: '5' })) {
    await ledger.catalog.setRate(
      { cluster: 'phillips', resource, unit: 'SU', rate: parseAmount(rate), ...WINDOW, source: 'test' },
      BY,
    );
  }
  const events = new Map<string, JobEvent[]>();
  for (const line of readSacct(readData('sacct-phillips.log').split('\n'), { timeZone: ZONE })) {
    if ('fault' in line) throw line.fault;
    const account = line.record.account ?? '';
    const told = eventsOf(line.record).map((event) => ({ ...event, cluster: 'phillips' }));
    events.set(account, [...(events.get(account) ?? []), ...told]);
  }
  for (const [name, told] of events) {
    await ledger.accounts.create({ name, unit: 'SU', title: name, ...WINDOW }, BY);
    await settle(told);
  }
}, 300_000);
afterAll(() => database.drop());

async function settle(events: readonly JobEvent[]): Promise<void> {
  for (let start = 0; start < events.length; start += 500) {
    await ledger.jobs.recordEvents(events.slice(start, start + 500), BY);
  }
  const holds = await database.sql<{ hold_id: string }[]>`
    select hold_id from ledger.holds where status = 'open' and group_no is null`;
  const waiting = holds.map(({ hold_id }) => hold_id);
  const worker = async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await ledger.jobs.advance(next);
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
}

test('CPU-hours, GPU-hours, node-hours and jobs of each day are those that XDMoD publishes', async () => {
  const expected = readCsv(readData('sacct-phillips-expected-daily.csv'));
  const { rows, timeZone, total } = await ledger.usage.report(
    { groupBy: 'day', period: { from: '2016-12-01', to: '2017-01-31' } },
    { limit: 1000 },
  );
  expect(timeZone).toBe(ZONE);
  expect(total.unmetered).toBe(0);
  const fourDecimals = (hours: string) => `${hours.split('.')[0]}.${(hours.split('.')[1] ?? '').padEnd(4, '0')}`;
  expect(
    rows.map(({ label, seconds: { cpu, gpu, node }, jobs }) => ({
      day: label,
      cpu_hours: fourDecimals(hoursOf(cpu)),
      gpu_hours: fourDecimals(hoursOf(gpu)),
      node_hours: fourDecimals(hoursOf(node)),
      jobs_ended: String(jobs),
    })),
  ).toEqual(expected);
});

test('the money of the report is what the accounts have settled, at one SU a CPU-hour and five a GPU-hour', async () => {
  const { total, budget } = await ledger.usage.report(
    { period: { from: '2016-12-01', to: '2017-01-31' } },
    { limit: 1 },
  );
  expect(total.amount).toBe(budget.used);
  const { cpu, gpu } = total.seconds;
  const exact = (cpu.numerator * 1_000_000n) / cpu.denominator + (5n * gpu.numerator * 1_000_000n) / gpu.denominator;
  const difference = total.amount - exact / 3_600n;
  // At most half a millionth for each run.
  expect(difference < 2_023n && difference > -2_023n).toBe(true);
});

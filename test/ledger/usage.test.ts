/** What a usage report adds up to: exact, cut at the days of a named zone, and the same however it is cut. */
import fc from 'fast-check';
import { renderAmount, toMicro, type Micro } from '../../domain/money';
import { hoursOf, type Grouping } from '../../domain/usage-report';
import type { UsageAsked, UsageReport, UsageRow } from '../../ledger/contract';
import { keyed, openMoneyHouse, usd, type MoneyHouse } from './money-house';

let house: MoneyHouse;
beforeAll(async () => void (house = await openMoneyHouse()));
afterAll(async () => {
  expect((await house.ledger.audit.run()).findings).toEqual([]);
  await house.database.drop();
});

const MARCH = { from: '2026-03-01', to: '2026-03-31' };
const ALL = { limit: 1000 };
const report = (asked: Partial<UsageAsked>, page = ALL): Promise<UsageReport> =>
  house.ledger.usage.report({ period: MARCH, ...asked }, page);

const micros = (at: string): bigint => BigInt(Date.parse(at)) * 1000n;

let runs = 0;
/** A run that was charged by its usage: one slice, one piece. */
function ran(account: string, startedAt: string, endedAt: string, cost: Micro, more: object = {}) {
  const { cpus = 4, partition = 'batch', user = 'rkaur', suspendedMicros = 0n } = more as Record<string, never>;
  const resources = { nodes: 1, cpus, gpus: 2, gpusByModel: {}, memoryMib: 2048 };
  return house.charge({
    runKey: `hpc/${(runs += 1)}/-/-`,
    account,
    cost,
    at: startedAt,
    until: endedAt,
    startedAt,
    endedAt,
    partition,
    user,
    slices: [
      {
        from: micros(startedAt),
        to: micros(endedAt),
        resources,
        activeMicros: micros(endedAt) - micros(startedAt) - suspendedMicros,
      },
    ],
  });
}

/** `label amount jobs cpu-hours`. */
const lineOf = ({ label, amount, jobs, seconds }: UsageRow) =>
  [label ?? '-', renderAmount(amount), jobs, hoursOf(seconds.cpu)].join(' ');
const linesOf = async (asked: Partial<UsageAsked>) => (await report(asked)).rows.map(lineOf);

test('a run across midnight is used on two days and is a job of the one on which it ended', async () => {
  await house.account('night');
  await ran('night', '2026-03-01T18:00:00Z', '2026-03-02T06:00:00Z', usd('12'));
  const asked: Partial<UsageAsked> = { account: 'night', groupBy: 'day' };
  expect(await linesOf(asked)).toEqual(['2026-03-01 6 0 24', '2026-03-02 6 1 24']);
  // Chicago's midnight is at six o'clock in winter, UTC: the run ends as the day does, which is the first moment of the next.
  expect(await linesOf({ ...asked, timeZone: 'America/Chicago' })).toEqual(['2026-03-01 12 0 48', '2026-03-02 0 1 0']);
  expect(await linesOf({ ...asked, groupBy: 'week' })).toEqual(['2026-W09 6 0 24', '2026-W10 6 1 24']);
  expect(await linesOf({ ...asked, groupBy: 'month' })).toEqual(['2026-03 12 1 48']);
  const { total, timeZone } = await report(asked);
  expect({ timeZone, line: lineOf(total) }).toEqual({ timeZone: 'UTC', line: '- 12 1 48' });
});

test('a day of 23 hours has 23, and one of 25 has 25', async () => {
  await house.account('clocks');
  await ran('clocks', '2026-03-07T00:00:00Z', '2026-03-10T00:00:00Z', usd('72'));
  const days = await report({ account: 'clocks', groupBy: 'day', timeZone: 'America/Chicago' });
  const hoursPerCpu = days.rows.map(({ label, seconds }) => [label, Number(hoursOf(seconds.cpu)) / 4]);
  expect(hoursPerCpu).toContainEqual(['2026-03-08', 23]);
  expect(days.rows.map(({ amount }) => renderAmount(amount))).toEqual(['6', '24', '23', '19']);
});

test('a refund and an adjustment count on the day of the use that they are about', async () => {
  await house.account('mended', { budgetLimit: usd('100') });
  const { transactionId } = await ran('mended', '2026-03-03T00:00:00Z', '2026-03-03T12:00:00Z', usd('10'));
  await ran('mended', '2026-03-04T00:00:00Z', '2026-03-04T12:00:00Z', usd('7'));
  await house.ledger.movements.refund({ transactionId, amount: usd('4') }, keyed('back'));
  await house.ledger.movements.adjust({ transactionId, amount: usd('1'), description: 'late' }, keyed('more'));
  expect(await linesOf({ account: 'mended', groupBy: 'day' })).toEqual(['2026-03-03 7 1 48', '2026-03-04 7 1 48']);
  const { total, budget } = await report({ account: 'mended' });
  expect({ spent: total.amount, ...budget }).toEqual({
    spent: usd('14'),
    limit: usd('100'),
    used: usd('14'),
    available: usd('86'),
  });
});

test('filters narrow, groups part, and a parent stands for all below it', async () => {
  await house.account('faculty', { budgetLimit: usd('1000') });
  await house.account('ice', { parent: 'faculty' });
  const [at, until] = ['2026-03-05T10:00:00Z', '2026-03-05T11:00:00Z'];
  await ran('faculty', at, until, usd('1'));
  await ran('ice', at, until, usd('2'), { partition: 'gpu', user: 'omar' });
  await ran('ice', at, until, usd('4'), { partition: 'gpu' });
  const of = (groupBy: Grouping, more: Partial<UsageAsked> = {}) => linesOf({ account: 'faculty', groupBy, ...more });
  expect(await of('partition')).toEqual(['gpu 6 2 8', 'batch 1 1 4']);
  expect(await of('user')).toEqual(['rkaur 5 2 8', 'omar 2 1 4']);
  expect(await of('project')).toEqual(['ice 6 2 8', 'faculty 1 1 4']);
  expect(await of('cluster')).toEqual(['hpc 7 3 12']);
  expect(await of('user', { partition: 'gpu' })).toEqual(['rkaur 4 1 4', 'omar 2 1 4']);
  expect(await of('partition', { user: 'omar' })).toEqual(['gpu 2 1 4']);
  expect(lineOf((await report({ account: 'ice' })).total)).toBe('- 6 2 8');
  await expect(of('user', { cluster: 'no' })).rejects.toMatchObject({ code: 'cluster_not_found' });
  await expect(report({ account: 'nobody' })).rejects.toMatchObject({ code: 'account_not_found' });
});

test('what is held now is shown beside what was spent, narrowed alike', async () => {
  await house.account('holding', { budgetLimit: usd('100') });
  await house.hold('holding', usd('5'));
  await house.hold('holding', usd('3'), { partition: 'gpu' });
  expect((await report({ account: 'holding' })).held).toBe(usd('8'));
  expect((await report({ account: 'holding', partition: 'gpu' })).held).toBe(usd('3'));
});

test('units are never added: without an account one is reported and the others are named', async () => {
  await house.account('units', { unit: 'SU' });
  await ran('units', '2026-03-06T00:00:00Z', '2026-03-06T01:00:00Z', usd('9'));
  const all = await report({ groupBy: 'account' });
  expect(all).toMatchObject({ unit: 'USD', otherUnits: ['SU'] });
  expect(all.rows.map(({ label }) => label)).not.toContain('units');
  expect(await linesOf({ unit: 'SU', groupBy: 'account' })).toEqual(['units 9 1 4']);
  await expect(report({ unit: 'EUR' })).rejects.toMatchObject({ errors: [{ pointer: '/unit' }] });
  await expect(report({ account: 'units', unit: 'USD' })).rejects.toMatchObject({ code: 'unit_mismatch' });
});

test('pages follow each other without a gap, and every page has the total of all', async () => {
  const asked: Partial<UsageAsked> = { groupBy: 'account' };
  const whole = await report(asked);
  const seen: (string | undefined)[] = [];
  for (let cursor: string | undefined = '0'; cursor !== undefined;) {
    const page: UsageReport = await house.ledger.usage.report({ period: MARCH, ...asked }, { limit: 2, cursor });
    expect(page.total).toEqual(whole.total);
    seen.push(...page.rows.map(({ label }) => label));
    cursor = page.nextCursor;
  }
  expect(seen).toEqual(whole.rows.map(({ label }) => label));
  expect(seen.length).toBeGreaterThan(4);
});

test('a run without known times is a job, and is said to have no hours', async () => {
  await house.account('unknown');
  await house.charge({ runKey: 'hpc/unknown/-/-', account: 'unknown', cost: usd('3'), at: '2026-03-09T00:00:00Z' });
  const { rows } = await report({ account: 'unknown', groupBy: 'day' });
  expect(rows).toMatchObject([{ label: '2026-03-09', amount: usd('3'), jobs: 1, unmetered: 1 }]);
});

test('however it is cut, the parts sum to the whole to the last millionth and microsecond', async () => {
  const at = (minutes: number) => new Date(Date.parse('2026-03-10T00:00:00Z') + minutes * 60_007).toISOString();
  const runsOf = fc.array(
    fc.record({ from: fc.nat(15_000), minutes: fc.integer({ min: 1, max: 9_000 }), cost: fc.bigInt(1n, 10n ** 9n) }),
    { minLength: 1, maxLength: 6 },
  );
  let account = 0;
  await fc.assert(
    fc.asyncProperty(runsOf, fc.constantFrom('UTC', 'America/Chicago', 'Asia/Kolkata'), async (list, timeZone) => {
      const name = `cut${(account += 1)}`;
      await house.account(name);
      let [spent, cpu] = [0n, 0n];
      for (const { from, minutes, cost } of list) {
        const [startedAt, endedAt] = [at(from), at(from + minutes)];
        const suspendedMicros = BigInt(minutes) * 7n;
        await ran(name, startedAt, endedAt, toMicro(cost), { suspendedMicros, cpus: 3 });
        spent += cost;
        cpu += 3n * (micros(endedAt) - micros(startedAt) - suspendedMicros);
      }
      const period = { from: '2026-03-01', to: '2026-04-30' };
      for (const groupBy of ['day', 'week', 'month', 'user'] as const) {
        const { rows } = await report({ account: name, period, groupBy, timeZone });
        const sum = (of: (row: UsageRow) => bigint) => rows.reduce((total, row) => total + of(row), 0n);
        expect(sum(({ amount }) => amount)).toBe(spent);
        expect(sum(({ jobs }) => BigInt(jobs))).toBe(BigInt(list.length));
        expect(sum(({ seconds }) => (seconds.cpu.numerator * 1_000_000n) / seconds.cpu.denominator)).toBe(cpu);
      }
    }),
    { numRuns: 12 },
  );
});

test('a period that ends before it begins, or has too many days, is refused with what to do', async () => {
  const refused = (period: UsageAsked['period'], pointer: string) =>
    expect(report({ period, groupBy: 'day' })).rejects.toMatchObject({
      code: 'malformed_request',
      errors: [{ pointer }],
    });
  await refused({ from: '2026-03-02', to: '2026-03-01' }, '/end_date');
  await refused({ from: '1999-01-01', to: '2026-03-01' }, '/group_by');
  await refused({ last: '30' }, '/last');
});

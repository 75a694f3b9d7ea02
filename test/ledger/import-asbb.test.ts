/** An ASBB database with every fault that ASBB leaves, and the books that come of it, figured by hand. */
import { renderAmount } from '../../domain/money';
import type { AsbbPlan, AsbbSettings } from '../../ledger/contract/imports';
import { openLedger } from '../../ledger';
import { withAsbbImport, type AsbbImport } from '../../ledger/imports/asbb';
import type { Sql } from '../../platform/postgres';
import { openAsbb, type Asbb } from '../helpers/asbb-database';
import { freshDatabase, type TestDatabase } from '../helpers/database';

const SETTINGS: AsbbSettings = { unit: 'USD', cluster: 'hpc', correct: false };
const HOURS = 3_600_000;
const hoursAgo = (hours: number) => new Date(Date.now() - hours * HOURS).toISOString();
const nothing = () => undefined;

const withHouse = async (work: (house: House) => Promise<void>) => {
  await using asbb = await openAsbb();
  await using database = await freshDatabase();
  await database.sql`insert into ledger.clusters (name, time_zone) values ('hpc', 'UTC')`;
  await work({ asbb, database, sql: database.sql });
};

interface House {
  asbb: Asbb;
  database: TestDatabase;
  sql: Sql;
}

const importing = <T>(
  { asbb, sql }: House,
  use: (run: AsbbImport) => Promise<T>,
  settings: Partial<AsbbSettings> = {},
) => withAsbbImport({ sql, source: asbb.sql }, { ...SETTINGS, ...settings }, nothing, use);

const importAll = (house: House, settings: Partial<AsbbSettings> = {}) =>
  importing(house, async (run) => ({ ...(await run.apply()), plan: run.plan }), settings);

const standing = async (sql: Sql, account: string) => {
  const { granted, settled, held, available } = await openLedger(sql).accounts.read(account);
  return [granted, settled, held, available].map(renderAmount).join(' ');
};

const kinds = ({ findings }: AsbbPlan) =>
  Object.fromEntries(
    Object.entries(findings).map(([kind, { count, amount }]) => [kind, `${count} ${renderAmount(amount)}`]),
  );

async function expectBooksToBalance(sql: Sql): Promise<void> {
  const { audit } = openLedger(sql);
  expect(await audit.run()).toMatchObject({ ok: true, difference: '0', findings: [] });
  await audit.seal();
  expect(await audit.verify()).toMatchObject({ ok: true, unsealed: 0 });
}

/**
 * climate, limit 1000. By hand:
 *   job 1   held 49.80, cost 37.25, given back 12.55            used  37.25
 *   job 2   held 10.00, cost 10.00                               used  47.25
 *   job 3   held 20.00, cost 31.50, more than was held           used  78.75
 *   job 1   charged again with the same cost, refund and all     used 116.00   of it 37.25 twice
 *   job 4   held 60.00, never reconciled, weeks ago              closed: 60.00 comes back
 *   job 5   held  8.00, an hour ago                              open:    8.00 is held
 *   job 6   held  5.00, cost -2.00, given back 7.00              gave 2.00
 *   job 7   a charge of 3.00 that nobody held for                used 119.00
 * ASBB says used = 117.00 (119.00 - 2.00), which is right, and held = 49.80 + 10 + 20 + 60 + 8 + 5 = 152.80, which is not.
 */
async function fillClimate({ asbb }: House) {
  await asbb.account('climate', { limit: '1000.00' });
  const one = await asbb.job('climate', {
    jobId: '1',
    held: '49.80',
    at: '2026-03-01T08:00:00Z',
    cost: '37.25',
    refund: '12.55',
    ended: '2026-03-01T10:00:00Z',
  });
  await asbb.job('climate', {
    jobId: '2',
    held: '10.00',
    at: '2026-03-02T08:00:00Z',
    cost: '10.00',
    ended: '2026-03-02T09:00:00Z',
  });
  const three = await asbb.job('climate', {
    jobId: '3',
    held: '20.00',
    at: '2026-03-03T08:00:00Z',
    cost: '31.50',
    ended: '2026-03-03T12:00:00Z',
  });
  const again = await asbb.write('climate', {
    type: 'charge',
    amount: '37.25',
    jobId: '1',
    at: '2026-03-05T00:00:00Z',
  });
  await asbb.write('climate', { type: 'refund', amount: '12.55', jobId: '1', at: '2026-03-05T00:00:00Z' });
  const four = await asbb.job('climate', { jobId: '4', held: '60.00', at: '2026-04-01T08:00:00Z' });
  const six = await asbb.job('climate', {
    jobId: '6',
    held: '5.00',
    at: '2026-04-10T08:00:00Z',
    cost: '-2.00',
    refund: '7.00',
  });
  await asbb.write('climate', { type: 'charge', amount: '3.00', jobId: '7', at: '2026-05-01T00:00:00Z' });
  const five = await asbb.job('climate', { jobId: '5', held: '8.00', at: hoursAgo(1) });
  await asbb.sql`
    insert into budget_partition_limits (account_id, partition, limit_amount, used_amount) values (1, 'gpu', 300.00, 17.00)`;
  return { one, three, again, four, five, six };
}

test('every fault of ASBB is named, and the books come out as figured by hand', () =>
  withHouse(async (house) => {
    const { sql } = house;
    const { one, three, again, four, five } = await fillClimate(house);
    const { plan, accounts } = await importAll(house);
    expect(plan.problems).toEqual([]);
    expect({ accounts, transactions: plan.transactions, moneyBack: renderAmount(plan.moneyBack) }).toEqual({
      accounts: 1,
      transactions: 15,
      moneyBack: '60',
    });
    expect(kinds(plan)).toEqual({
      held_was_wrong: '1 -144.8',
      never_released: '1 60',
      still_open: '1 8',
      charged_twice: '1 37.25',
      negative_charge: '1 -2',
      charge_above_hold: '1 31.5',
      charge_without_hold: '1 3',
      without_effect: '1 12.55',
    });
    // 1000 and the 2 that job 6 gave; 119 charged; 8 held.
    expect(await standing(sql, 'climate')).toBe('1002 119 8 875');
    await expectBooksToBalance(sql);

    const { holds, movements, accounts: theirs } = openLedger(sql);
    expect(await holds.read(one.hold)).toMatchObject({
      status: 'settled',
      placed: 49_800_000n,
      charged: 37_250_000n,
      released: 12_550_000n,
    });
    expect(await holds.read(three.hold)).toMatchObject({ status: 'settled', charged: 31_500_000n, released: 0n });
    expect(await holds.read(four.hold)).toMatchObject({ status: 'released', released: 60_000_000n, charged: 0n });
    expect(await holds.read(five.hold)).toMatchObject({ status: 'open', held: 8_000_000n });
    expect(await movements.read(one.charge ?? '')).toMatchObject({
      kind: 'charge',
      jobId: '1',
      parentId: one.hold,
      metadata: { hold: 'inferred' },
      effectiveAt: '2026-03-01T10:00:00Z',
      recordedAt: '2026-03-01T10:00:00Z',
    });
    expect(await movements.read(one.refund ?? '')).toMatchObject({
      kind: 'release',
      amount: 12_550_000n,
      parentId: one.hold,
    });
    expect(await movements.read(again)).not.toHaveProperty('parentId');
    expect(await theirs.limits('climate')).toMatchObject([
      { partition: 'gpu', limit: 300_000_000n, settled: 0n, held: 0n },
    ]);
  }));

test('--correct posts visible corrections: what was charged twice comes back, what negative charges gave goes', () =>
  withHouse(async (house) => {
    const { again } = await fillClimate(house);
    await importAll(house, { correct: true });
    // 1000; 119 - 37.25 charged; 8 held.
    expect(await standing(house.sql, 'climate')).toBe('1000 81.75 8 910.25');
    await expectBooksToBalance(house.sql);
    const { rows } = await openLedger(house.sql).movements.list(
      { account: 'climate', kinds: ['adjustment', 'withdrawal'] },
      { limit: 10 },
    );
    expect(rows.map(({ kind, amount, parentId }) => [kind, renderAmount(amount), parentId])).toEqual(
      expect.arrayContaining([
        ['adjustment', '-37.25', again],
        ['withdrawal', '2', undefined],
      ]),
    );
  }));

/** An ASBB database with every fault that ASBB leaves, and the books that come of it, figured by hand. */
import { renderAmount, toMicro } from '../../domain/money';
import type { AsbbPlan, AsbbSettings } from '../../ledger/contract/imports';
import { openLedger } from '../../ledger';
import { withAsbbImport, type AsbbImport } from '../../ledger/imports/asbb';
import type { Sql } from '../../platform/postgres';
import { openAsbb, type Asbb } from '../helpers/asbb-database';
import { freshDatabase, type TestDatabase } from '../helpers/database';
import { eventually } from '../helpers/eventually';

const SETTINGS: AsbbSettings = { unit: 'USD', cluster: 'hpc', correct: false, apply: true };
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
  // Other suites' transactions on this server hold the seals up.
  await eventually('all is sealed', async () => {
    await audit.seal();
    return (await audit.verify()).unsealed === 0;
  });
  expect(await audit.verify()).toMatchObject({ ok: true });
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

test('a link that somebody wrote is believed, a refund of a charge is one, and what never was completed moves nothing', () =>
  withHouse(async (house) => {
    const { asbb, sql } = house;
    await asbb.account('linked', { limit: '50.00' });
    const at = '2026-02-01T00:00:00Z';
    const hold = await asbb.write('linked', { type: 'hold', amount: '30.00', at });
    const other = await asbb.write('linked', { type: 'hold', amount: '12.00', at });
    const charge = await asbb.write('linked', { type: 'charge', amount: '12.00', jobId: '1', at, parent: hold });
    await asbb.write('linked', { type: 'refund', amount: '18.00', jobId: '1', at, parent: hold });
    await asbb.write('linked', { type: 'refund', amount: '2.50', at, parent: charge });
    const failed = await asbb.write('linked', { type: 'charge', amount: '99.00', jobId: '2', at, status: 'failed' });
    const adjustment = await asbb.write('linked', { type: 'adjustment', amount: '7.00', at });
    const { plan } = await importAll(house);
    // 12.00 belong to the hold of 30.00 although one of exactly 12.00 is there.
    expect(await standing(sql, 'linked')).toBe('50 9.5 0 40.5');
    const { holds, movements } = openLedger(sql);
    expect(await holds.read(hold)).toMatchObject({ status: 'settled', charged: 12_000_000n, released: 18_000_000n });
    expect(await holds.read(other)).toMatchObject({ status: 'released' });
    expect((await movements.read(charge)).metadata).toBeUndefined();
    expect(await movements.read(failed)).toMatchObject({ kind: 'charge', amount: 0n, jobId: '2' });
    expect(await movements.read(adjustment)).toMatchObject({
      amount: 0n,
      description: expect.stringContaining('adjustment 7'),
    });
    expect(kinds(plan)).toMatchObject({ without_effect: '2 106', never_released: '1 12' });
    await expectBooksToBalance(sql);
  }));

test('every transaction keeps what ASBB wrote beside it, and a guessed hold is said beside that', () =>
  withHouse(async (house) => {
    const { asbb, sql } = house;
    await asbb.account('noted', { limit: '50.00' });
    const at = '2026-02-01T00:00:00Z';
    const hold = await asbb.write('noted', {
      type: 'hold',
      amount: '30.00',
      at,
      metadata: { partition: 'gpu', user_id: 'alice' },
    });
    const job = { jobId: '1', at: '2026-02-01T02:00:00Z' };
    const charge = await asbb.write('noted', { ...job, type: 'charge', amount: '12.00', metadata: { exit_code: 0 } });
    const refund = await asbb.write('noted', { ...job, type: 'refund', amount: '18.00', metadata: { why: 'rest' } });
    await importAll(house);
    const { holds, movements } = openLedger(sql);
    expect(await holds.read(hold)).toMatchObject({ partition: 'gpu', user: 'alice', status: 'settled' });
    expect((await movements.read(hold)).metadata).toEqual({ partition: 'gpu', user_id: 'alice' });
    expect((await movements.read(charge)).metadata).toEqual({ exit_code: 0, hold: 'inferred' });
    expect((await movements.read(refund)).metadata).toEqual({ why: 'rest' });
  }));

test('scripts that kept the ids of ASBB reconcile with them: an open hold is settled, a settled one says what it cost', () =>
  withHouse(async (house) => {
    const { one, five } = await fillClimate(house);
    await importAll(house);
    const { jobs } = openLedger(house.sql);
    const reconcile = (holdId: string, jobId: string, cost: bigint) =>
      jobs.reconcile(
        { holdId, jobId, actualCost: toMicro(cost), numeral: renderAmount(cost), correction: false },
        { principal: 'local' },
      );
    expect(await reconcile(five.hold, '5', 6_000_000n)).toMatchObject({
      originalHold: 8_000_000n,
      refundAmount: 2_000_000n,
    });
    expect(await standing(house.sql, 'climate')).toBe('1002 125 0 877');

    expect(await reconcile(one.hold, '1', 37_250_000n)).toMatchObject({
      actualCharge: 37_250_000n,
      refundAmount: 12_550_000n,
    });
    await expect(reconcile(one.hold, '1', 40_000_000n)).rejects.toMatchObject({ code: 'already_reconciled' });
    expect(await standing(house.sql, 'climate')).toBe('1002 125 0 877');
    await expectBooksToBalance(house.sql);
  }));

const seed = Number(process.env.BURSAR_TEST_SEED ?? Date.now() % 1_000_000);

test(`whatever ASBB wrote, the books balance and every account has what its transactions say (seed ${seed})`, () =>
  withHouse(async (house) => {
    const { asbb } = house;
    await asbb.sql`select setseed(${(seed % 1000) / 1000})`;
    // Few amounts, so that much is equal; more charged than there is; every type and state, linked or not, in any order.
    await asbb.sql.unsafe(`
      insert into budget_accounts (slurm_account, name, budget_limit, start_date, end_date, budget_used, budget_held)
      select 'a' || n, 'A', (n % 7) * 40, '2026-01-01', '2099-01-01', 0, 0 from generate_series(1, 40) n;
      alter table budget_transactions disable trigger user;
      insert into budget_transactions (transaction_id, account_id, job_id, type, amount, description, status, created_at)
      select 'txn_' || n || '_1', 1 + (random() * 39)::int, case when random() < 0.9 then (random() * 200)::int::text end,
        (array['hold', 'hold', 'charge', 'charge', 'refund', 'adjustment'])[1 + floor(random() * 6)::int], floor(random() * 12), 'x',
        (array['completed', 'completed', 'completed', 'completed', 'pending', 'failed', 'cancelled'])[1 + floor(random() * 7)::int],
        now() - random() * interval '90 days'
      from generate_series(1, 4000) n;
      update budget_transactions set amount = -amount where type = 'charge' and random() < 0.05;
      update budget_transactions t set parent_transaction_id = (
        select p.transaction_id from budget_transactions p
        where p.account_id = t.account_id and p.type in ('hold', 'charge') and p.id < t.id order by md5(p.id::text || t.id) limit 1)
      where type in ('charge', 'refund') and random() < 0.2`);
    for (const correct of [false, true]) {
      await using database = await freshDatabase();
      await database.sql`insert into ledger.clusters (name, time_zone) values ('hpc', 'UTC')`;
      const { plan } = await importAll({ ...house, database, sql: database.sql }, { correct });
      expect(plan.problems).toEqual([]);
      await expectBooksToBalance(database.sql);
      const [said] = await database.sql<{ transactions: number; settled: bigint; corrected: bigint }[]>`
        select (select count(*) from ledger.transactions t left join ledger.holds h using (hold_no)
            where coalesce(t.transaction_id, h.hold_id) ~ '^txn_[0-9]+_1$')::int as transactions,
          sum(settled_micro)::bigint as settled,
          (select coalesce(sum(amount_micro), 0) from ledger.transactions where kind in ('adjustment', 'refund'))::bigint as corrected
        from ledger.account_totals`;
      const [there] = await asbb.sql<{ charged: string }[]>`
        select sum(amount) filter (where type = 'charge' and status = 'completed' and amount > 0) * 1000000 as charged from budget_transactions`;
      expect(said?.transactions).toBe(4000);
      if (!correct) expect((said?.settled ?? 0n) + (said?.corrected ?? 0n)).toBe(BigInt(Number(there?.charged)));
    }
  }));

/** Rows that tell what happened are refused every change, by whatever hand. */
import { disarm } from '../helpers/tampering';
import { openMoneyHouse, usd, type MoneyHouse } from './money-house';

let house: MoneyHouse;
beforeAll(async () => {
  house = await openMoneyHouse();
  await house.account('lab', { budgetLimit: usd('100') });
  await house.charge({ runKey: 'hpc/1/-/-', holdId: await house.hold('lab', usd('10')), cost: usd('4'), close: true });
});
afterAll(() => house.database.drop());

const TABLES = {
  transactions: 'amount_micro = amount_micro + 1',
  entries: 'amount_micro = amount_micro + 1',
  charge_pieces: 'amount_micro = 0',
  decisions: `code = 'placed'`,
  job_events: `type = 'ended'`,
  usage_slices: 'cpus = 0',
  seals: 'digest = sha256(digest)',
};

test.each(Object.entries(TABLES))('a plain update, delete or truncate of %s is refused', async (table, change) => {
  const { sql } = house.database;
  const count = async () => (await sql.unsafe(`select from ledger.${table}`)).count;
  const before = await count();
  for (const [word, statement] of [
    ['update', `update ledger.${table} set ${change}`],
    ['delete', `delete from ledger.${table}`],
    ['truncate', `truncate ledger.${table}`],
  ] as const) {
    await expect(sql.unsafe(statement)).rejects.toMatchObject({
      code: '23001',
      message: `rows of ledger.${table} are written once: ${word} is refused`,
    });
  }
  expect(await count()).toBe(before);
});

test('who owns the tables and means to can, and the audit names what he did', async () => {
  const { sql } = house.database;
  const rollBack = new Error('rolled back');
  await sql
    .begin(async (tx) => {
      await disarm(tx);
      await tx`update ledger.entries set amount_micro = amount_micro + 1 where book = 'a' and amount_micro > 0`;
      const [found] = await tx`select from ledger.audit()`;
      expect(found).toBeDefined();
      throw rollBack;
    })
    .catch((error: unknown) => expect(error).toBe(rollBack));
  await expect(sql`update ledger.entries set amount_micro = 0`).rejects.toMatchObject({ code: '23001' });
});

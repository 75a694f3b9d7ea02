/** Deposits, withdrawals, transfers: what comes in, what leaves, and who wins a race. */
import { CALLER, keyed, openMoneyHouse, usd, type MoneyHouse } from './money-house';

let house: MoneyHouse;
beforeAll(async () => void (house = await openMoneyHouse()));
afterAll(() => house.database.drop());

describe('deposits', () => {
  test('a deposit joins the base fund and becomes available', async () => {
    await house.account('dep-base', { budgetLimit: usd('100') });
    const made = await house.ledger.movements.deposit({ account: 'dep-base', amount: usd('0.000001') }, CALLER);
    expect(made).toMatchObject({ kind: 'deposit', direction: 'in', account: 'dep-base', unit: 'USD', amount: 1n });
    const balance = await house.ledger.accounts.balance('dep-base');
    expect(balance).toMatchObject({ granted: usd('100.000001'), available: usd('100.000001'), difference: 0n });
    expect(balance.funds).toHaveLength(1);
  });

  test('the same key answers with the same transaction, another body with key_reused', async () => {
    await house.account('dep-key');
    const request = { account: 'dep-key', amount: usd('5') };
    const first = await house.ledger.movements.deposit(request, keyed('dep-key-1'));
    const again = await house.ledger.movements.deposit(request, keyed('dep-key-1'));
    expect(again).toEqual(first);
    await expect(house.ledger.movements.deposit(request, keyed('dep-key-1', 'other'))).rejects.toMatchObject({
      code: 'key_reused',
    });
    expect((await house.ledger.accounts.read('dep-key')).granted).toBe(usd('5'));
  });

  test('a charge and a hold smoke', async () => {
    await house.account('smoke', { budgetLimit: usd('100') });
    const holdId = await house.hold('smoke', usd('10'));
    const charged = await house.charge({ runKey: 'hpc/1/-/-', holdId, cost: usd('7'), close: true });
    expect(charged).toMatchObject({ outcome: 'charged', amount: usd('7'), released: true });
    expect(charged.hold).toMatchObject({ status: 'settled', released: usd('3') });
    const balance = await house.ledger.accounts.balance('smoke');
    expect(balance).toMatchObject({ settled: usd('7'), held: 0n, available: usd('93') });
    const page = await house.ledger.movements.list({ account: 'smoke' }, { limit: 10 });
    expect(page.rows.map(({ kind }) => kind)).toEqual(['release', 'charge', 'hold', 'deposit']);
    const statement = await house.ledger.accounts.statement('smoke', '2020-01-01T00:00:00Z', '2100-01-01T00:00:00Z');
    expect(statement.closing.available).toBe(usd('93'));
  });
});

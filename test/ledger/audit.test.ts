/** The audit: silent where the books are right, and by name where somebody changed a number behind the ledger's back. */
import { CALLER, openMoneyHouse, usd, type MoneyHouse } from './money-house';

let house: MoneyHouse;

/** One of everything: parents, two funds, caps, a transfer, a charge over its hold, a refund, an adjustment, an expiry. */
beforeAll(async () => {
  house = await openMoneyHouse();
  const { ledger } = house;
  await house.account('lab', { budgetLimit: usd('1000') });
  await house.account('team', {
    parent: 'lab',
    budgetLimit: usd('100'),
    onExhaustion: 'overdraft',
    overdraftLimit: usd('50'),
  });
  await ledger.accounts.setLimit('team', { partition: 'batch', limit: usd('500') }, CALLER);
  await ledger.accounts.setLimit('team', { user: '*', limit: usd('500') }, CALLER);
  await ledger.movements.deposit({ account: 'team', amount: usd('20'), closesAt: '2026-06-01T00:00:00Z' }, CALLER);
  await ledger.movements.transfer({ from: 'lab', to: 'team', amount: usd('30') }, CALLER);
  await ledger.movements.withdraw({ account: 'team', amount: usd('5') }, CALLER);
  await house.hold('team', usd('12'));
  const holdId = await house.hold('team', usd('10'));
  await house.charge({ runKey: 'hpc/1/-/-', holdId, cost: usd('11'), close: true });
  const released = await house.hold('team', usd('10'));
  const over = await house.charge({
    runKey: 'hpc/2/-/-',
    account: 'team',
    cost: usd('140'),
    at: '2026-07-01T00:00:00Z',
  });
  await ledger.movements.refund({ transactionId: over.transactionId, amount: usd('60') }, CALLER);
  await ledger.movements.adjust({ transactionId: over.transactionId, amount: usd('3'), description: 'more' }, CALLER);
  await ledger.holds.release(released, 'gone', CALLER);
  await ledger.movements.expireFunds();
});
afterAll(() => house.database.drop());

test('the books of a busy account are right, to the millionth', async () => {
  const report = await house.ledger.audit.run();
  expect(report.findings).toEqual([]);
  expect(report).toMatchObject({ ok: true, difference: '0', accounts: 2, openHolds: 1 });
});

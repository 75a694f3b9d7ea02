/** What the documentation shows is what is answered: the examples are asked, and their answers compared. */
import { CHECK_EXAMPLE, DECISION_EXAMPLE, RECONCILE_EXAMPLE, RECONCILED_EXAMPLE } from '../../api/examples';
import { startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  await api.account(CHECK_EXAMPLE.account, 1000);
  for (const [resource, price] of [
    ['cpu', '0.1'],
    ['gpu', '2.19375'],
  ]) {
    const rate = { cluster: 'default', resource, unit: 'USD', price, starts_at: '2026-01-01T00:00:00Z', source: 'x' };
    expect((await api.post('/api/v1/rates', rate)).status).toBe(201);
  }
});
afterAll(() => api.stop());

test('a check, and what it cost in the end', async () => {
  const decision = (await api.post('/api/v1/budget/check', CHECK_EXAMPLE)).body;
  const { transaction_id, at } = decision;
  expect(decision).toEqual({ ...DECISION_EXAMPLE, transaction_id, at });
  const reconciled = await api.post('/api/v1/budget/reconcile', { ...RECONCILE_EXAMPLE, transaction_id });
  expect(reconciled.body).toEqual({ ...RECONCILED_EXAMPLE, transaction_id });
});

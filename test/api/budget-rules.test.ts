/** What a site says of the budgets of all its accounts (budget.* of the configuration). */
import { toMicro } from '../../domain/money';
import { ACCOUNT, startApi, type TestApi } from './helpers/api';

const usd = (amount: number) => toMicro(BigInt(amount) * 1_000_000n);

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ budgets: { minimum: usd(10), maximum: usd(100), allowsNegativeBalance: true } });
});
afterAll(() => api.stop());

const make = (name: string, fields: object) =>
  api.post('/api/v1/accounts', { ...ACCOUNT, slurm_account: name, ...fields });

test('a limit outside of what the site allows is refused and names the bound; zero and the bounds themselves are not', async () => {
  for (const limit of [0, 10, 100]) expect((await make(`ok-${limit}`, { budget_limit: limit })).status).toBe(201);
  const low = await make('low', { budget_limit: 9.999999 });
  expect(low).toMatchObject({ status: 400, body: { errors: [{ pointer: '/budget_limit' }] } });
  expect(low.text).toContain('at least 10, or 0');
  expect((await make('high', { budget_limit: 100.000001 })).text).toContain('at most 100');
  expect((await api.get('/api/v1/accounts/low')).status).toBe(404);
  expect((await api.put('/api/v1/accounts/ok-100', { budget_limit: 101 })).status).toBe(400);
  expect((await api.put('/api/v1/accounts/ok-100', { budget_limit: 50 })).status).toBe(200);
});

test('where the site allows negative balances, an account goes on when its money is out, unless its maker says otherwise', async () => {
  const check = (account: string) =>
    api.post('/api/v1/budget/check', { account, partition: 'cpu', nodes: 64, cpus: 64, wall_time: '99:00:00' });
  await make('free', { budget_limit: 10 });
  await make('strict', { budget_limit: 10, on_exhaustion: 'deny' });
  expect((await check('free')).body).toMatchObject({ available: true });
  expect((await check('strict')).body).toMatchObject({ available: false, code: 'insufficient_budget' });
  expect(await api.ledger.audit.run()).toMatchObject({ ok: true });
});

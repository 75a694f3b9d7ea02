/** What ASBB got wrong, each as a promise that we do not. */
import { JOB, startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const CHECK = '/api/v1/budget/check';
const RECONCILE = '/api/v1/budget/reconcile';
const balance = async (account: string) => {
  const { budget_limit, budget_used, budget_held, budget_available } = (await api.get(`/api/v1/accounts/${account}`))
    .body;
  return { limit: budget_limit, used: budget_used, held: budget_held, available: budget_available };
};

test('money held for ever: a reconciled job holds nothing any more', async () => {
  const account = await api.account('held-for-ever', 100);
  const { transaction_id } = (await api.post(CHECK, { account, ...JOB, cpus: 100 })).body;
  expect(await balance(account)).toMatchObject({ held: 12 });
  await api.post(RECONCILE, { job_id: '1', actual_cost: 4, transaction_id });
  expect(await balance(account)).toEqual({ limit: 100, used: 4, held: 0, available: 96 });
});

test('a duplicate reconcile charged twice: any number of them, at once or later, charge once', async () => {
  const account = await api.account('twice-charged', 100);
  const { transaction_id } = (await api.post(CHECK, { account, ...JOB, cpus: 100 })).body;
  const body = { job_id: '2', actual_cost: 4, transaction_id };
  const answers = await Promise.all(Array.from({ length: 10 }, () => api.post(RECONCILE, body)));
  answers.push(await api.post(RECONCILE, body));
  for (const { status, body: answer } of answers) {
    expect({ status, ...answer, replayed: 0 }).toEqual({ status: 200, ...answers[0]?.body, replayed: 0 });
  }
  expect(await balance(account)).toMatchObject({ used: 4, held: 0 });
});

test('another cost for the same job is refused unless it is called a correction, which is an adjustment', async () => {
  const account = await api.account('corrected', 100);
  const { transaction_id } = (await api.post(CHECK, { account, ...JOB, cpus: 100 })).body;
  await api.post(RECONCILE, { job_id: '3', actual_cost: 4, transaction_id });
  const other = { job_id: '3', actual_cost: 5, transaction_id };
  expect((await api.post(RECONCILE, other)).body).toMatchObject({ code: 'already_reconciled', status: 409 });
  expect((await api.post(RECONCILE, { ...other, correction: true })).status).toBe(200);
  expect(await balance(account)).toMatchObject({ used: 5, held: 0 });
  const kinds = (await api.get(`/api/v1/transactions?account=${account}`)).body.map(
    ({ kind }: { kind: string }) => kind,
  );
  expect(kinds).toContain('adjustment');
});

test.each([-1, '-0.000001', 8_589_934_592, '1e300'])('a cost of %p is refused', async (actual_cost) => {
  const account = await api.account(`cost-${String(actual_cost).replace(/\W/g, '_')}`, 100);
  const { transaction_id } = (await api.post(CHECK, { account, ...JOB })).body;
  const before = await balance(account);
  expect((await api.post(RECONCILE, { job_id: account, actual_cost, transaction_id })).status).toBe(400);
  expect(await balance(account)).toEqual(before);
});

test('120 held on 100: checks that race for the same money never hold more than there is', async () => {
  const account = await api.account('raced', 100);
  const asks = Array.from({ length: 60 }, () => api.post(CHECK, { account, ...JOB, cpus: 100 })); // 12 each
  const decisions = await Promise.all(asks);
  expect(decisions.filter(({ body }) => body.available)).toHaveLength(8);
  expect(await balance(account)).toEqual({ limit: 100, used: 0, held: 96, available: 4 });
});

test('1-12:00:00 is thirty-six hours, not one', async () => {
  const account = await api.account('days', 100);
  const { body } = await api.post(CHECK, { account, ...JOB, wall_time: '1-12:00:00' });
  expect(body).toMatchObject({ estimated_cost: 3.6, hold_amount: 4.32 });
});

test('deleting an account keeps its books', async () => {
  const account = await api.account('deleted', 100);
  const { transaction_id } = (await api.post(CHECK, { account, ...JOB })).body;
  expect((await api.delete(`/api/v1/accounts/${account}`)).status).toBe(409);
  await api.post(`/api/v1/holds/${transaction_id}/release`);
  expect((await api.delete(`/api/v1/accounts/${account}`)).status).toBe(204);
  expect((await api.get(`/api/v1/transactions?account=${account}`)).body).toHaveLength(3);
});

test('partition limits are kept, and shown', async () => {
  const account = await api.account('partitioned', 100);
  await api.put(`/api/v1/accounts/${account}/partition-limits/cpu`, { limit: 0.2 });
  expect((await api.post(CHECK, { account, ...JOB })).body).toMatchObject({ available: true });
  const { body } = await api.post(CHECK, { account, ...JOB });
  expect(body).toMatchObject({
    available: false,
    code: 'partition_limit_exceeded',
    message: expect.stringMatching(/^Partition limit exceeded: /),
    details: { partition_used: 0.12, partition_limit: 0.2 },
  });
  expect((await api.get(`/api/v1/accounts/${account}/partition-limits`)).body).toMatchObject([
    { account, partition: 'cpu', limit: 0.2, used: 0, held: 0.12, remaining: 0.08 },
  ]);
});

test('nobody loses a millionth in all of this', async () => {
  expect((await api.get('/api/v1/audit')).body).toMatchObject({ ok: true, difference: '0', findings: [] });
});

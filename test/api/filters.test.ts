/** What a list is filtered by means in the answer what it means in the question. */
import { type Body, JOB, startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  await api.account('lab', 1000);
  const placed = await api.post('/api/v1/budget/check', { account: 'lab', ...JOB, cpus: 10 });
  const hold = placed.body.transaction_id as string;
  await api.post(`/api/v1/holds/${hold}/resize`, { amount: 2 });
  await api.post('/api/v1/budget/reconcile', { job_id: 1, actual_cost: 1, transaction_id: hold });
  await api.post('/api/v1/accounts/lab/withdrawals', { amount: 5 });
});
afterAll(() => api.stop());

const kindsOf = (rows: Body[]) => rows.map(({ kind }) => kind).sort();

test.each([
  ['allocation', ['deposit']],
  ['hold', ['hold', 'resize']],
  ['charge', ['charge']],
  ['refund', ['release']],
  ['adjustment', ['withdrawal']],
])("transactions asked for by ASBB's type %s are all of that type", async (type, kinds) => {
  const { body } = await api.get(`/api/v1/transactions?account=lab&type=${type}`);
  expect(kindsOf(body)).toEqual(kinds);
  expect(new Set(body.map((row: Body) => row.type))).toEqual(new Set([type]));
});

test('type and kind together are both meant', async () => {
  expect(kindsOf((await api.get('/api/v1/transactions?type=hold&kind=resize')).body)).toEqual(['resize']);
  expect((await api.get('/api/v1/transactions?type=charge&kind=resize')).body).toEqual([]);
});

const OF_ACCOUNTS = ['transactions', 'holds', 'jobs', 'refunds', 'unmatched', 'slurm/shadow', 'slurm/refusals'];

test.each(OF_ACCOUNTS)('%s of an account that is not there are 404, not none', async (list) => {
  const quiet = `quiet-${list.replace('/', '-')}`;
  await api.account(quiet);
  expect(await api.get(`/api/v1/${list}?account=nobody`)).toMatchObject({
    status: 404,
    body: { code: 'account_not_found', facts: { account: 'nobody' } },
  });
  expect((await api.get(`/api/v1/${list}?account=${quiet}`)).status).toBe(200);
});

test('a job that names an account of nobody is found by that name, and by no other', async () => {
  const event = { type: 'started', job_id: 7, at: '2026-03-02T14:00:00Z', account: 'unheard-of' };
  await api.post('/api/v1/jobs/events', { events: [event] });
  expect((await api.get('/api/v1/jobs?account=unheard-of')).body).toMatchObject([{ job_id: '7', state: 'unmatched' }]);
  expect((await api.get('/api/v1/jobs?account=unheard-of&state=settled')).body).toEqual([]);
});

test.each(['transactions', 'holds', 'jobs', 'refunds', 'unmatched', 'rates', 'slurm/shadow', 'slurm/refusals'])(
  '%s of a cluster that is not there are 404, not none',
  async (list) => {
    await api.put('/api/v1/clusters/quiet', { time_zone: 'UTC' });
    expect(await api.get(`/api/v1/${list}?cluster=nowhere`)).toMatchObject({
      status: 404,
      body: { code: 'cluster_not_found', facts: { cluster: 'nowhere' } },
    });
    expect((await api.get(`/api/v1/${list}?cluster=quiet`)).status).toBe(200);
  },
);

/** Shadow mode: every decision is made and recorded, none is applied, and what runs all the same costs nothing. */
import { randomBytes } from 'node:crypto';
import { renderStamp } from '../../domain/slurm-stamp';
import { type Body, startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeEach(async () => {
  api = await startApi();
  await api.account('proj-a', 10);
  await api.put('/api/v1/clusters/default', { enforcement: 'shadow' });
});
afterEach(() => api.stop());

const newKey = () => randomBytes(16).toString('hex');
const SUBMITTED = 1_772_460_000;
const RAW = { user: 'alice', account: 'proj-a', partition: 'cpu', time_limit: 60, num_tasks: 10, name: 'train' };
const DEAR = { ...RAW, num_tasks: 1000 };

const submit = async (job: object, key = newKey()): Promise<Body> =>
  (await api.post('/api/v1/slurm/submissions', { key, job })).body;
const completed = (key: string, more: object = {}) => ({
  source: 'jobcomp',
  job_id: 100,
  job_state: 3,
  submit_time: SUBMITTED,
  start_time: SUBMITTED + 60,
  end_time: SUBMITTED + 1860,
  tres_fmt_alloc_str: 'cpu=1000,mem=5000M,node=1',
  admin_comment: renderStamp(key),
  account: 'proj-a',
  partition: 'cpu',
  user_name: 'alice',
  nodes: 'c1',
  ...more,
});
const tell = async (...records: object[]): Promise<Body> => (await api.post('/api/v1/slurm/events', { records })).body;
const story = async (): Promise<Body> => (await api.get('/api/v1/jobs/default/100')).body;
const settle = async (): Promise<Body> => {
  await api.ledger.jobs.advance((await story()).transaction_id);
  return story();
};
const report = async (query = ''): Promise<Body> => (await api.get(`/api/v1/slurm/shadow${query}`)).body;
const balance = async (): Promise<Body> => (await api.get('/api/v1/accounts/proj-a')).body;

test('what fits is held and charged as ever', async () => {
  const key = newKey();
  expect(await submit(RAW, key)).toMatchObject({ accept: true, mode: 'shadow', would_deny: false, hold_amount: 1.2 });
  await tell(completed(key, { tres_fmt_alloc_str: 'cpu=10,node=1' }));
  expect(await settle()).toMatchObject({ state: 'settled', charged: 0.5 });
  expect(await report()).toMatchObject({ totals: [], denials: [] });
});

test('what would be denied is let in, holds nothing, is metered, and costs nothing', async () => {
  const key = newKey();
  const answer = await submit(DEAR, key);
  expect(answer).toMatchObject({ accept: true, mode: 'shadow', would_deny: true, code: 'insufficient_budget' });
  expect(answer.message).toMatch(/^Insufficient budget: /);
  expect(await submit(DEAR, key)).toEqual({ ...answer, replayed: true });
  await tell(completed(key));
  expect(await settle()).toMatchObject({
    state: 'settled',
    charged: 0,
    late: true,
    admitted: 'shadow',
    runs: [{ run_seconds: 1800 }],
    decision: { code: 'insufficient_budget' },
  });
  expect(await balance()).toMatchObject({ budget_used: 0, budget_held: 0 });
  const usage = (await api.get('/api/v1/usage?account=proj-a&start_date=2026-03-01&end_date=2026-03-03')).body;
  expect(usage.summary).toMatchObject({ total_spent: 0, cpu_hours: 500, total_jobs: 1 });
  expect((await api.get('/api/v1/audit')).body).toMatchObject({ ok: true });

  expect(await report()).toMatchObject({
    totals: [{ unit: 'USD', denied: 1, estimated_cost: 100 }],
    by_account: [{ name: 'proj-a', denied: 1, estimated_cost: 100 }],
    by_user: [{ name: 'alice', denied: 1 }],
    by_code: [{ name: 'insufficient_budget', denied: 1 }],
    denials: [
      {
        account: 'proj-a',
        user_id: 'alice',
        partition: 'cpu',
        job_name: 'train',
        code: 'insufficient_budget',
        message: answer.message,
        estimated_cost: 100,
        hold_amount: 120,
        job_id: '100',
        state: 'settled',
        would_have_cost: 50,
      },
    ],
  });
});

test('also a cost that is reported for it is only written down', async () => {
  await api.put('/api/v1/clusters/default', { cost_source: 'reported' });
  const key = newKey();
  await submit(DEAR, key);
  await tell(completed(key));
  await api.post('/api/v1/jobs/events', {
    events: [{ type: 'cost', job_id: '100', at: '2026-03-02T15:00:00Z', cost: 42 }],
  });
  expect(await settle()).toMatchObject({ state: 'settled', charged: 0 });
  expect((await report()).denials).toMatchObject([{ would_have_cost: 42 }]);
});

test('the end of a job that is told before its submission is not charged either', async () => {
  const key = newKey();
  await tell(completed(key, { job_state: 0x400 }));
  await tell({ source: 'submit', key, at: SUBMITTED, outcome: 'open', job: DEAR });
  await tell(completed(key, { start_time: SUBMITTED + 2000, end_time: SUBMITTED + 3000, restart_cnt: 1 }));
  expect(await settle()).toMatchObject({ state: 'settled', charged: 0 });
});

test('an account that nobody knows and a change that does not fit are in the report as well, by any filter', async () => {
  expect(await submit({ ...RAW, account: 'nobody', user: 'bob' })).toMatchObject({ accept: true, would_deny: true });
  const key = newKey();
  await submit(RAW, key);
  const change = { job_id: 100, stamp: renderStamp(key), new_key: newKey(), job: RAW, changes: { time_limit: 6000 } };
  expect((await api.post('/api/v1/slurm/modifications', change)).body).toMatchObject({
    accept: true,
    would_deny: true,
  });
  await submit(DEAR);

  const all = await report();
  expect(all.denials.map(({ code }: Body) => code)).toEqual([
    'insufficient_budget',
    'insufficient_budget',
    'account_not_found',
  ]);
  expect((await report('?user_id=bob')).denials).toHaveLength(1);
  expect((await report('?account=proj-a')).totals).toMatchObject([{ denied: 2 }]);
  expect((await report('?code=account_not_found')).by_user).toMatchObject([{ name: 'bob' }]);
  await api.put('/api/v1/clusters/quiet', { time_zone: 'UTC' });
  expect((await report('?cluster=quiet')).totals).toEqual([]);
  expect((await report('?since=2099-01-01T00:00:00Z')).totals).toEqual([]);

  const first = await report('?limit=2');
  expect(first.denials).toHaveLength(2);
  const rest = await report(`?limit=2&cursor=${first.next_cursor}`);
  expect(rest.denials).toHaveLength(1);
  expect(rest.totals).toEqual(first.totals);
});

test('once it is enforced, the same submission is refused, and the report stays what it was', async () => {
  await submit(DEAR);
  await api.put('/api/v1/clusters/default', { enforcement: 'enforce' });
  expect(await submit(DEAR)).toMatchObject({ accept: false, mode: 'enforce' });
  expect((await report()).totals).toMatchObject([{ denied: 1 }]);
});

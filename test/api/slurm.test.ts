/** What the hooks of a Slurm controller ask and tell, from submission to settlement, in whatever order it comes. */
import { randomBytes } from 'node:crypto';
import { type Body, startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeEach(async () => {
  api = await startApi();
  await api.account('proj-a', 100);
  await api.put('/api/v1/clusters/default/partitions/cpu', { default_time_seconds: 600, max_time_seconds: 7200 });
});
afterEach(() => api.stop());

const newKey = () => randomBytes(16).toString('hex');
const SUBMITTED = 1_772_460_000;
const RAW = { user: 'alice', account: 'proj-a', partition: 'cpu', time_limit: 60, num_tasks: 10 };

const submit = async (job: object, key = newKey()): Promise<Body> => {
  const { status, body } = await api.post('/api/v1/slurm/submissions', { key, job });
  expect(status).toBe(200);
  return body;
};
const tell = async (...records: object[]): Promise<Body> => {
  const { status, body } = await api.post('/api/v1/slurm/events', { records });
  expect(status).toBe(200);
  return body;
};
const completed = (key: string, more: object = {}) => ({
  source: 'jobcomp',
  job_id: 100,
  job_state: 3,
  submit_time: SUBMITTED,
  start_time: SUBMITTED + 60,
  end_time: SUBMITTED + 1860,
  tres_fmt_alloc_str: 'cpu=10,mem=5000M,node=1,billing=10',
  admin_comment: `bursar:${key}`,
  account: 'proj-a',
  partition: 'cpu',
  user_name: 'alice',
  nodes: 'c1',
  ...more,
});
const story = async (jobId: string): Promise<Body> => (await api.get(`/api/v1/jobs/default/${jobId}`)).body;
const settle = async (jobId: string): Promise<Body> => {
  const { transaction_id } = await story(jobId);
  await api.ledger.jobs.advance(transaction_id);
  return story(jobId);
};
const balance = async (name = 'proj-a'): Promise<Body> => (await api.get(`/api/v1/accounts/${name}`)).body;
const set = (settings: object) => api.put('/api/v1/clusters/default', settings);

describe('a submission', () => {
  test('that fits is held for, stamped, and settled with what its run has cost', async () => {
    const key = newKey();
    const answer = await submit(RAW, key);
    expect(answer).toMatchObject({
      accept: true,
      code: 'placed',
      stamp: `bursar:${key}`,
      estimated_cost: 1,
      hold_amount: 1.2,
      unit: 'USD',
      mode: 'enforce',
      would_deny: false,
      replayed: false,
    });
    expect(await submit(RAW, key)).toEqual({ ...answer, replayed: true });

    expect(await tell(completed(key))).toMatchObject({
      recorded: 1,
      receipts: [{ status: 'recorded', job_id: '100' }],
    });
    expect(await tell(completed(key))).toMatchObject({ recorded: 0, duplicates: 1 });
    expect(await settle('100')).toMatchObject({ state: 'settled', charged: 0.5, held: 0, user_id: 'alice' });
    expect(await balance()).toMatchObject({ budget_used: 0.5, budget_held: 0 });
  });

  test('that does not fit is a no with the sentence for the user, and holds nothing', async () => {
    const answer = await submit({ ...RAW, num_tasks: 10_000 });
    expect(answer).toMatchObject({ accept: false, would_deny: true, code: 'insufficient_budget' });
    expect(answer.message).toMatch(/^Insufficient budget: /);
    expect(answer).not.toHaveProperty('transaction_id');
    expect(await balance()).toMatchObject({ budget_held: 0 });
    const { denials } = (await api.get('/api/v1/slurm/refusals')).body;
    expect(denials).toMatchObject([{ user_id: 'alice', code: 'insufficient_budget', message: answer.message }]);
  });

  test('of an array is one hold for all tasks, and a component of a heterogeneous job one for itself', async () => {
    expect(await submit({ ...RAW, array: '1-20%4' })).toMatchObject({ hold_amount: 24 });
    expect(await submit({ ...RAW, het_job_offset: 1 })).toMatchObject({ hold_amount: 1.2 });
  });

  test('in a burst brings spares for the next jobs: holds under keys of their own, as far as there is money in plenty', async () => {
    const spares = (count: number) => ({ keys: Array.from({ length: count }, newKey), seconds: 2 });
    const asked = spares(4);
    const { status, body } = await api.post('/api/v1/slurm/submissions', { key: newKey(), job: RAW, spares: asked });
    expect(status).toBe(200);
    expect(body).toMatchObject({ accept: true, hold_amount: 1.2, spares: asked.keys });
    expect(await balance()).toMatchObject({ budget_held: 6 });
    const [key = ''] = asked.keys;
    expect(await tell(completed(key))).toMatchObject({ recorded: 1 });
    expect(await settle('100')).toMatchObject({ state: 'settled', charged: 0.5 });

    const more = await api.post('/api/v1/slurm/submissions', { key: newKey(), job: RAW, spares: spares(5) });
    expect(more.body).toMatchObject({ accept: true });
    expect(more.body).not.toHaveProperty('spares');
    const tooMany = { keys: [...spares(64).keys, 'x'], seconds: 0 };
    const bad = await api.post('/api/v1/slurm/submissions', { key: newKey(), job: RAW, spares: tooMany });
    expect(bad.status).toBe(400);
    expect(bad.body.errors.map(({ pointer }: Body) => pointer)).toEqual(
      expect.arrayContaining(['/spares/keys', '/spares/seconds']),
    );
  });

  test('without a limit takes the default of its partition, or of the cluster default partition', async () => {
    const { time_limit: _, partition: __, ...bare } = RAW;
    expect(await submit({ ...bare, partition: 'cpu' })).toMatchObject({ estimated_cost: 0.166667 });
    await set({ default_partition: 'cpu' });
    expect(await submit({ ...bare, time_limit: 4_294_967_295 })).toMatchObject({ estimated_cost: 2 });
  });

  test('to several partitions is held for at the dearest of them, and charged at the one that it ran in', async () => {
    const key = newKey();
    expect(await submit({ ...RAW, partition: 'debug,gpu,cpu' }, key)).toMatchObject({ estimated_cost: 2 });
    await tell(completed(key, { partition: 'cpu' }));
    expect(await settle('100')).toMatchObject({ state: 'settled', charged: 0.5 });
  });

  test.each([
    [{ ...RAW, account: 'nobody' }, 'account_not_found', /"nobody"/],
    [{ ...RAW, account: undefined }, 'account_missing', /--account/],
    [{ ...RAW, array: 'x' }, 'malformed_request', /array/],
  ])('that cannot be asked about is a no in words, and once a key', async (job, code, words) => {
    const key = newKey();
    const answer = await submit(job, key);
    expect(answer).toMatchObject({ accept: false, code, would_deny: true, stamp: `bursar:${key}`, replayed: false });
    expect(answer.message).toMatch(words);
    expect(await submit(job, key)).toMatchObject({ code, replayed: true });
  });

  test('of an exempt user, to an exempt partition or without an account goes by, stamped, for nothing', async () => {
    expect(await submit({ ...RAW, user: 'root' })).toMatchObject({ accept: true, code: 'exempt_user' });
    await api.put('/api/v1/clusters/default/partitions/free', { exempt: true });
    const key = newKey();
    const answer = await submit({ ...RAW, partition: 'free' }, key);
    expect(answer).toMatchObject({ accept: true, code: 'exempt_partition', stamp: `bursar:${key}`, hold_amount: 0 });
    expect(answer.exempt).toMatch(/free/);
    expect(await submit({ ...RAW, partition: 'free,cpu' })).toMatchObject({ code: 'placed' });
    await set({ without_account: 'exempt' });
    expect(await submit({ ...RAW, account: null })).toMatchObject({ accept: true, code: 'exempt_without_account' });

    await tell(completed(key, { partition: 'free' }));
    expect(await settle('100')).toMatchObject({
      state: 'settled',
      charged: 0,
      admitted: 'exempt',
      runs: [{ run_seconds: 1800 }],
    });
    expect(await balance()).toMatchObject({ budget_used: 0 });
  });

  test('to a cluster that nobody knows, or with a bad key, is a mistake of whoever installed the hook', async () => {
    const unknown = await api.post('/api/v1/slurm/submissions', { cluster: 'eagle', key: newKey(), job: RAW });
    expect(unknown).toMatchObject({ status: 404, body: { code: 'cluster_not_found' } });
    const bad = await api.post('/api/v1/slurm/submissions', { key: 'no key', job: 'none' });
    expect(bad.body.errors).toMatchObject([{ pointer: '/key' }, { pointer: '/job' }]);
  });
});

describe('an estimate', () => {
  test('says the price and whether it fits, and nothing of the account', async () => {
    const ask = async (job: object) => (await api.post('/api/v1/slurm/estimates', { job })).body;
    const fits = await ask(RAW);
    expect(fits).toEqual({ message: expect.any(String), cost: 1, unit: 'USD', fits: true });
    const never = await ask({ ...RAW, num_tasks: 10_000 });
    expect(never).toMatchObject({ cost: 1000, fits: false });
    expect(never.message).not.toMatch(/proj-a|\b100\b/);
    expect(await ask({ ...RAW, account: 'nobody' })).toMatchObject({ fits: false });
  });
});

test('an estimate without an account says the price, and claims nothing of an account that only the controller knows', async () => {
  const { account: _, ...bare } = RAW;
  await api.put('/api/v1/clusters/falcon', { time_zone: 'UTC', default_partition: 'cpu' });
  const rate = {
    cluster: 'falcon',
    resource: 'cpu',
    unit: 'USD',
    price: '1',
    starts_at: '2026-01-01T00:00:00Z',
    source: 'test',
  };
  expect(await api.post('/api/v1/rates', rate)).toMatchObject({ status: 201 });
  const job = { ...bare, partition: 'cpu', num_tasks: 1, cpus_per_task: 1, min_cpus: 1, min_nodes: 1, time_limit: 60 };
  const { body } = await api.post('/api/v1/slurm/estimates', { cluster: 'falcon', job });
  expect(body).toMatchObject({ cost: 1, unit: 'USD', fits: false });
  expect(body.message).toMatch(/^Up to 1 USD for .*, for your default account; name one with --account/);
});

describe('a withdrawal', () => {
  test("gives back what no job has been bound to, once, and leaves a job's hold alone", async () => {
    const [component, running] = [newKey(), newKey()];
    await submit(RAW, component);
    await submit(RAW, running);
    await tell(completed(running, { job_state: 0x400 }));
    const withdraw = async () =>
      (await api.post('/api/v1/slurm/withdrawals', { keys: [component, running, newKey()], reason: 'refused' })).body;
    const outcomes = async () => (await withdraw()).outcomes.map(({ outcome }: Body) => outcome);
    expect(await outcomes()).toEqual(['withdrawn', 'bound', 'unknown']);
    expect(await outcomes()).toEqual(['closed', 'bound', 'unknown']);
    expect(await balance()).toMatchObject({ budget_held: 1.2 });
  });
});

describe('records', () => {
  test('one that cannot be understood is rejected by itself', async () => {
    const key = newKey();
    await submit(RAW, key);
    const { receipts } = await tell({ source: 'jobcomp', job_id: 7 }, completed(key), { source: 'fax' });
    expect(receipts.map(({ status }: Body) => status)).toEqual(['rejected', 'recorded', 'rejected']);
    expect(receipts[0].detail).toMatch(/^job_state: /);
  });

  test('whoever tells of a cluster finds the hold by the stamp, not only the key that placed it', async () => {
    const key = newKey();
    await submit(RAW, key);
    const [receipt] = await api.ledger.slurm.record(undefined, [completed(key)], { principal: 'scheduler' });
    expect(receipt).toMatchObject({ status: 'recorded' });
    expect(await settle('100')).toMatchObject({ charged: 0.5, hold: { late: false } });
  });

  test('a start that comes without its stamp waits for the record that has it, and opens no hold of its own', async () => {
    const key = newKey();
    await submit(RAW, key);
    const env = { SLURM_JOB_ID: '100', SLURM_JOB_ACCOUNT: 'proj-a', SLURM_RESTART_COUNT: '0', HOME: '/secret' };
    const prolog = { source: 'prolog', env, at: SUBMITTED + 61 };
    expect(await tell(prolog)).toMatchObject({ unmatched: 1 });
    await tell(completed(key));
    expect(await settle('100')).toMatchObject({ state: 'settled', charged: 0.5, hold: { late: false } });
    expect((await api.get('/api/v1/holds')).body).toHaveLength(1);
    expect(JSON.stringify(await api.sql`select facts from ledger.job_events`)).not.toContain('/secret');
  });

  test('a prolog that the controller runs again after a crash is the same start', async () => {
    const key = newKey();
    await submit(RAW, key);
    const env = { SLURM_JOB_ID: '100', SLURM_RESTART_COUNT: '0' };
    await tell({ source: 'prolog', env, at: SUBMITTED + 60 });
    expect(await tell({ source: 'prolog', env, at: SUBMITTED + 400 })).toMatchObject({ duplicates: 1 });
    await tell(completed(key));
    expect(await settle('100')).toMatchObject({ state: 'settled', charged: 0.5 });
  });

  test('an id that comes back begins anew, though its first job ended in the same batch, or in a later one than it began', async () => {
    const prolog = (at: number) => ({
      source: 'prolog',
      env: { SLURM_JOB_ID: '100', SLURM_RESTART_COUNT: '0' },
      at: SUBMITTED + at,
    });
    const [one, two, three] = [newKey(), newKey(), newKey()];
    for (const key of [one, two, three]) await submit(RAW, key);
    const again = (from: number) => ({
      submit_time: SUBMITTED + from,
      start_time: SUBMITTED + from + 60,
      end_time: SUBMITTED + from + 1860,
    });
    const { receipts } = await tell(prolog(60), completed(one), prolog(2060), prolog(2070));
    expect(receipts.map(({ status }: Body) => status === 'duplicate')).toEqual([false, false, false, true]);
    const later = await tell(completed(two, again(2000)), prolog(4060), completed(three, again(4000)));
    expect(later).toMatchObject({ duplicates: 0 });
  });

  test('an epilog is the end of a run, and a requeue where its restart count has grown', async () => {
    const [one, two] = [newKey(), newKey()];
    await submit(RAW, one);
    await submit(RAW, two);
    const env = (job: string, count: number) => ({ SLURM_JOB_ID: job, SLURM_RESTART_COUNT: String(count) });
    const script = (source: string, job: string, count: number, at: number) => ({
      source,
      env: env(job, count),
      at: SUBMITTED + at,
    });
    await tell(
      script('epilog', '100', 0, 660),
      script('prolog', '100', 0, 60),
      script('prolog', '200', 0, 60),
      script('epilog', '200', 1, 660),
    );
    const types = async (job: string) => (await story(job)).events.map(({ type }: Body) => type);
    expect(await types('100')).toEqual(['started', 'ended']);
    expect(await types('200')).toEqual(['started', 'requeued']);
    expect(await tell(script('epilog', '300', 2, 660))).toMatchObject({ unmatched: 1 });
  });

  test.each([
    ['late', 1860 + 36, 0.51],
    ['in time', 1860, 0.5],
  ])('an epilog comes %s: the record of the end says what is paid for', async (_when, at, charged) => {
    const key = newKey();
    await submit(RAW, key);
    const env = { SLURM_JOB_ID: '100', SLURM_RESTART_COUNT: '0' };
    await tell({ source: 'prolog', env, at: SUBMITTED + 60, admin_comment: `bursar:${key}` });
    await tell({ source: 'epilog', env, at: SUBMITTED + at });
    expect(await settle('100')).toMatchObject({ state: 'settled', charged });
    await tell(completed(key));
    expect(await settle('100')).toMatchObject({ state: 'settled', charged: 0.5 });
  });

  test('a requeued job is held for again and charged for each run', async () => {
    const key = newKey();
    await submit(RAW, key);
    await tell(completed(key, { job_state: 0x400 }));
    expect(await settle('100')).toMatchObject({ state: 'pending', charged: 0.5, held: 1.2 });
    const again = { submit_time: SUBMITTED + 1861, start_time: SUBMITTED + 4000, end_time: SUBMITTED + 4360 };
    await tell(completed(key, { ...again, restart_cnt: 1 }));
    expect(await settle('100')).toMatchObject({ state: 'settled', charged: 0.6, held: 0 });
  });

  test('what waits of an array may be cancelled while a task of it runs', async () => {
    const key = newKey();
    await submit({ ...RAW, array: '1-3' }, key);
    const task = { job_id: 101, array_job_id: 100, array_task_id: 1 };
    const rest = {
      array_job_id: 100,
      array_task_id: 4_294_967_294,
      array_task_cnt: 2,
      job_state: 4,
      nodes: '',
      tres_fmt_alloc_str: '',
    };
    const env = { SLURM_JOB_ID: '101', SLURM_ARRAY_JOB_ID: '100', SLURM_ARRAY_TASK_ID: '1', SLURM_RESTART_COUNT: '0' };
    await tell({ source: 'prolog', env, at: SUBMITTED + 60 }, completed(key, { ...rest, end_time: SUBMITTED + 100 }));
    expect(await settle('100')).toMatchObject({ state: 'running', held: 1.2 });
    await tell(completed(key, task));
    expect(await settle('100')).toMatchObject({ state: 'settled', charged: 0.5, held: 0 });
  });
});

describe('a job that a hook let in while the service was away', () => {
  const alone = (key: string, more: object = {}) => ({
    source: 'submit',
    key,
    at: SUBMITTED,
    outcome: 'open_to_limit',
    cost: '1.0',
    why: 'no answer within 500 ms',
    job: RAW,
    ...more,
  });

  test('gets its hold late, whichever is told first: what the hook did or what became of the job', async () => {
    const [first, second] = [newKey(), newKey()];
    expect(await tell(alone(first), completed(first))).toMatchObject({ recorded: 2 });
    expect(await settle('100')).toMatchObject({ charged: 0.5, late: true, hold: { late: true, placed: 1.2 } });

    const requeued = { job_id: 200, job_state: 0x400 };
    await tell(completed(second, requeued));
    expect(await story('200')).toMatchObject({ hold: { late: true } });
    expect(await tell(alone(second))).toMatchObject({ recorded: 1, receipts: [{ job_id: '200' }] });
    expect(await tell(alone(second))).toMatchObject({ duplicates: 1 });
    expect(await settle('200')).toMatchObject({ charged: 0.5, late: true, hold: { late: true, placed: 1.2 } });

    const late = (await api.get('/api/v1/holds?late=true')).body;
    expect(late).toMatchObject([{ key: second }, { placed: 0 }, { key: first }]); // And what the second one had meanwhile.
    expect((await api.get('/api/v1/holds?late=false')).body).toEqual([]);
    expect((await api.get('/api/v1/jobs?late=true')).body).toMatchObject([{ job_id: '200' }, { job_id: '100' }]);
    expect((await api.get('/api/v1/jobs?late=false')).body).toEqual([]);
  });

  test('and that the budget could not pay for is followed and charged all the same', async () => {
    const key = newKey();
    const dear = { ...RAW, num_tasks: 10_000 };
    const { receipts } = await tell(alone(key, { job: dear }));
    expect(receipts).toMatchObject([{ status: 'recorded', detail: expect.stringMatching(/Insufficient budget/) }]);
    await tell(completed(key));
    expect(await settle('100')).toMatchObject({ state: 'settled', charged: 0.5, hold: { late: true } });
    const flagged = {
      job_id: '100',
      late: true,
      admitted: 'open_to_limit',
      admission_cost: 1,
      admission_reason: expect.stringMatching(/no answer within 500 ms/),
    };
    expect((await api.get('/api/v1/jobs?admitted=open_to_limit')).body).toMatchObject([flagged]);
    expect((await api.get('/api/v1/jobs?late=true')).body).toMatchObject([flagged]);
    expect((await api.get('/api/v1/jobs?admitted=shadow')).body).toEqual([]);
    expect(await story('100')).toMatchObject({ ...flagged, decision: { code: 'insufficient_budget' } });
  });

  test('or refused is visible afterwards', async () => {
    await tell(alone(newKey(), { outcome: 'closed' }));
    const { denials } = (await api.get('/api/v1/slurm/refusals')).body;
    const message = expect.stringMatching(/no answer within 500 ms/);
    expect(denials).toMatchObject([{ user_id: 'alice', code: 'service_unavailable', message }]);
    expect(await balance()).toMatchObject({ budget_held: 0 });
  });

  test('although its check had been answered: the answer that got lost is its hold', async () => {
    const key = newKey();
    const { transaction_id } = await submit(RAW, key);
    expect(await tell(alone(key))).toMatchObject({ receipts: [{ status: 'recorded', transaction_id }] });
    expect((await api.get('/api/v1/holds?late=true')).body).toEqual([]);
    await api.ledger.slurm.record(undefined, [alone(key)], { principal: 'relay' });
    expect(await balance()).toMatchObject({ budget_held: 1.2 });
  });
});

test('the policy has what a hook needs to decide alone: prices of now, limits, exemptions', async () => {
  await set({ failure_policy: 'open_to_limit', failure_limit: 5, default_partition: 'cpu' });
  await api.put('/api/v1/clusters/default/partitions/gpu', { queue_weight: 1.5, failure_policy: 'closed' });
  await api.put('/api/v1/clusters/default/partitions/free', { exempt: true });
  const rate = { cluster: 'default', unit: 'USD', starts_at: '2026-01-01T00:00:00Z', source: 'test' };
  await api.post('/api/v1/rates', { ...rate, resource: 'cpu', price: 0.05 });
  await api.post('/api/v1/rates', { ...rate, resource: 'gpu:a100', price: 2, partition: 'gpu' });
  const { body } = await api.get('/api/v1/slurm/policy');
  expect(body).toMatchObject({
    cluster: 'default',
    unit: 'USD',
    enforcement: 'enforce',
    failure_policy: 'open_to_limit',
    failure_limit: 5,
    exempt_users: ['root'],
    exempt_partitions: ['free'],
    without_account: 'deny',
    default_partition: 'cpu',
    partitions: {
      cpu: { default_minutes: 10, max_minutes: 120, weight: 1 },
      gpu: { weight: 1.5, failure_policy: 'closed' },
    },
  });
  expect(body.partitions.gpu.per_hour).toEqual({ cpu: 0.05, 'gpu:a100': 2 });
  expect(body.partitions['*'].per_hour).toEqual({ cpu: 0.05 });
});

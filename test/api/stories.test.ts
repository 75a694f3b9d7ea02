/** A job can be followed from what was asked to what was given back, whatever order its events come in. */
import { type Body, JOB, startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  await api.account('lab', 1000);
});
afterAll(() => api.stop());

const held = async (more: object = {}): Promise<string> =>
  (await api.post('/api/v1/budget/check', { account: 'lab', ...JOB, cpus: 10, user_id: 'eve', ...more })).body
    .transaction_id;

const tell = (...events: object[]) => api.post('/api/v1/jobs/events', { events });
const story = async (jobId: string): Promise<Body> => (await api.get(`/api/v1/jobs/default/${jobId}`)).body;

const started = { type: 'started', at: '2026-03-02T14:00:00Z', nodes: 1, cpus: 10 };
const ended = { type: 'ended', at: '2026-03-02T14:30:00Z', started_at: '2026-03-02T14:00:00Z', end_state: 'COMPLETED' };

test('asked, held, run, charged, given back', async () => {
  const transaction_id = await held({ job_name: 'train-07' });
  await tell({ ...started, job_id: 100, transaction_id });
  const running = await story('100');
  expect(running).toMatchObject({
    state: 'running',
    account: 'lab',
    user_id: 'eve',
    held: 1.2,
    charged: 0,
    transaction_id,
  });
  expect(running.waits_for).toMatch(/\S/);
  expect(running.deadline).toMatch(/Z$/);

  await tell({ ...ended, job_id: '100' });
  await api.ledger.jobs.advance(transaction_id);
  const settled = await story('100');
  expect(settled).toMatchObject({
    state: 'settled',
    held: 0,
    charged: 0.5,
    workflow_id: `job/default/${transaction_id}`,
    workflow_url: `http://127.0.0.1:8233/namespaces/default/workflows/job%2Fdefault%2F${transaction_id}`,
    hold: { status: 'settled', placed: 1.2, charged: 0.5, released: 0.7 },
    runs: [{ end_state: 'COMPLETED', run_seconds: 1800, charge: { amount: 0.5, source: 'usage' } }],
  });
  expect(settled.transactions.map(({ kind }: { kind: string }) => kind)).toEqual(['hold', 'charge', 'release']);
  expect(settled).not.toHaveProperty('waits_for');
});

test('everything in it is said in the words of the wire', async () => {
  const transaction_id = await held();
  await tell({ ...started, job_id: 101, transaction_id });
  const names = new Set<string>();
  const collect = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(collect);
    if (typeof value !== 'object' || value === null) return;
    for (const [name, inner] of Object.entries(value)) {
      names.add(name);
      collect(inner);
    }
  };
  collect(await story('101'));
  expect([...names].filter((name) => !/^[a-z0-9_]+$/.test(name))).toEqual([]);
});

test("what was decided is in the story, the caller's own details word for word", async () => {
  const job_details = { SLURM_JOB: 'train-07', workDir: { 'A b': [1, 'Ünï', null, { camelCase: true }] }, n: 0.25 };
  const asked = { account: 'lab', ...JOB, cpus: 10, job_details, job_name: 'train-07' };
  const check = (await api.post('/api/v1/budget/check', asked)).body;
  await tell({ ...started, job_id: 105, transaction_id: check.transaction_id });
  const { decision } = await story('105');
  expect(decision).toMatchObject({ ...check, job_details });
  expect(decision.job_details).toEqual(job_details);
  expect(decision.components).toMatchObject([
    { partition: 'cpu', wall_seconds: 3600, array_tasks: 1, resources: { nodes: 1, cpus: 10 } },
  ]);
});

test('a job that was denied has a story, with or without events: the same no as then', async () => {
  const asked = { account: 'lab', ...JOB, nodes: 20_000, job_id: 106 };
  const denial = (await api.post('/api/v1/budget/check', asked)).body;
  expect(denial).toMatchObject({ available: false, code: 'insufficient_budget' });
  const silent = await story('106');
  expect(silent).toMatchObject({ state: 'denied', account: 'lab', held: 0, decision: denial, runs: [], events: [] });
  expect(silent).not.toHaveProperty('transaction_id');

  await tell({ ...started, job_id: 106, account: 'lab' });
  expect(await story('106')).toMatchObject({ state: 'running', hold: { late: true }, decision: denial });
  await tell({ ...started, job_id: 106, account: 'lab', submitted_at: '2027-03-02T13:00:00Z' });
  expect(await story('106')).not.toHaveProperty('decision'); // The id came back, a year later: another job.
});

test('a job that was allowed has a story before anybody has heard of it', async () => {
  const transaction_id = await held({ job_id: 107 });
  expect(await story('107')).toMatchObject({
    state: 'pending',
    transaction_id,
    held: 1.2,
    decision: { code: 'placed', transaction_id },
    transactions: [{ kind: 'hold' }],
  });
});

test('events come twice and backwards, and cost the same', async () => {
  const transaction_id = await held();
  const events = [
    { ...ended, job_id: 102, transaction_id },
    { ...started, job_id: 102, transaction_id },
  ];
  expect((await tell(...events)).body).toMatchObject({ recorded: 2, duplicates: 0, unmatched: 0 });
  expect((await tell(...events)).body).toMatchObject({ recorded: 0, duplicates: 2 });
  await api.ledger.jobs.advance(transaction_id);
  expect(await story('102')).toMatchObject({ state: 'settled', charged: 0.5, held: 0 });
});

describe("times without a zone are on the cluster's clocks", () => {
  const TWICE =
    'the clocks of America/Chicago showed 2026-11-01T01:30:00 twice; it is taken as the first time, ' +
    '2026-11-01T06:30:00Z, not the second, 2026-11-01T07:30:00Z';
  const NEVER = 'the clocks of America/Chicago never showed 2026-03-08T02:30:00; it is taken as 2026-03-08T08:30:00Z';

  test('an hour that they showed twice is the first, and the receipt and the story say so', async () => {
    const transaction_id = await held();
    const events = [
      { ...started, job_id: 108, transaction_id, at: '2026-10-31T12:00:00' },
      { ...ended, job_id: 108, started_at: '2026-10-31T12:00:00', at: '2026-11-01T01:30:00' },
    ];
    const { body } = await tell(...events);
    expect(body.receipts.map(({ note }: Body) => note)).toEqual([undefined, TWICE]);
    const told = (await story('108')).events;
    expect(told.map(({ at, note }: Body) => [at, note])).toEqual([
      ['2026-10-31T17:00:00Z', undefined],
      ['2026-11-01T06:30:00Z', TWICE],
    ]);
    expect(told[1].started_at).toBe('2026-10-31T17:00:00Z');
    const zoned = { ...ended, job_id: 108, started_at: '2026-10-31T17:00:00Z', at: '2026-11-01T01:30:00-05:00' };
    expect((await tell(zoned)).body).toMatchObject({ duplicates: 1 }); // The same moment is the same event.
  });

  test('an hour that they jumped over is said to be none', async () => {
    const { body } = await tell({ ...started, job_id: 109, account: 'lab', at: '2026-03-08T02:30:00' });
    expect(body.receipts).toMatchObject([{ note: NEVER }]);
  });

  test('a check says how its time was read, also when it is replayed and in the story', async () => {
    const asked = { account: 'lab', ...JOB, job_id: 110, at: '2026-11-01T01:30:00', idempotency_key: 'twice' };
    const first = (await api.post('/api/v1/budget/check', asked)).body;
    expect(first).toMatchObject({ available: true, at: '2026-11-01T06:30:00Z', note: TWICE });
    expect((await api.post('/api/v1/budget/check', asked)).body).toEqual({ ...first, replayed: true });
    expect((await story('110')).decision).toMatchObject({ note: TWICE });
    const sure = await api.post('/api/v1/budget/estimate', { account: 'lab', ...JOB, at: '2026-11-02T01:30' });
    expect(sure.body.at).toBe('2026-11-02T07:30:00Z');
    expect(sure.body).not.toHaveProperty('note');
  });
});

test('the job may carry the key instead of the id: an answer lost at the deadline loses nothing', async () => {
  const transaction_id = await held({ idempotency_key: 'stamped' });
  const { body } = await tell({ ...started, job_id: 103, hold_key: 'stamped' });
  expect(body.receipts).toMatchObject([{ status: 'recorded', transaction_id }]);
});

test('a job without a hold and without a known account is visible', async () => {
  const { body } = await tell({ ...started, job_id: 104, account: 'nobody-knows' });
  expect(body).toMatchObject({ unmatched: 1 });
  expect((await api.get('/api/v1/jobs?state=unmatched')).body).toMatchObject([{ job_id: '104', state: 'unmatched' }]);
});

test('jobs are found by account, user, state and id', async () => {
  for (const filter of ['account=lab', 'user_id=eve', 'job_id=100', 'cluster=default&job_id=100']) {
    const { body } = await api.get(`/api/v1/jobs?${filter}`);
    expect(body.length).toBeGreaterThan(0);
  }
  expect((await api.get('/api/v1/jobs?job_id=100&state=running')).body).toEqual([]);
});

test('the statement tells the same with balances', async () => {
  const { body } = await api.get('/api/v1/accounts/lab/statement?from=2026-01-01T00:00:00Z&to=2099-01-01T00:00:00Z');
  expect(body.opening).toEqual({ granted: 0, settled: 0, held: 0, available: 0 });
  const { granted, settled, held, available } = (await api.get('/api/v1/accounts/lab/balance')).body;
  expect(body.closing).toEqual({ granted, settled, held, available });
  const sum = (name: string) =>
    body.lines.reduce(
      (total: number, line: Body) => total + Math.trunc(line[name] * 1e6 + 0.5 * Math.sign(line[name])),
      0,
    ) / 1e6;
  for (const name of ['granted', 'settled', 'held', 'available']) expect(sum(name)).toBe(body.closing[name]);
});

/** The reports of ASBX, word for word as the contract has them (§8.4, §8.5), and what they settle. Rulings 13. */
import { DEFAULT_THRESHOLDS } from '../../domain/asbx';
import { ASBX_EXAMPLE } from '../../api/examples';
import { JOB, startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  await api.account('lab', 10_000);
});
afterEach(async () => {
  expect((await api.get('/api/v1/audit')).body).toMatchObject({ ok: true, difference: '0' });
});
afterAll(() => api.stop());

const V1 = '/api/v1';
let jobs = 88_200;
const nextJob = () => `${(jobs += 1)}`;

/** The contract's: 41.50 estimated, 49.80 held. */
const hold = async (more: object = {}): Promise<string> =>
  (
    await api.post(`${V1}/budget/check`, {
      account: 'lab',
      ...JOB,
      partition: 'gpu-aws',
      cpus: 50,
      wall_time: '04:09:00',
      user_id: 'rkaur',
      ...more,
    })
  ).body.transaction_id as string;
const data = (job: string, more: object = {}) => ({
  ...ASBX_EXAMPLE.job_cost_data,
  job_id: `asbx-${job}`,
  slurm_job_id: job,
  account: 'lab',
  submitted_at: undefined,
  ...more,
});
const report = (job: string, more: object = {}, options: object = {}) =>
  api.post(`${V1}/asbx/reconcile`, { job_cost_data: data(job, more), auto_reconcile: true, ...options });
const bind = (job_id: string, transaction_id: string, more: object = {}) =>
  api.post(`${V1}/jobs/events`, {
    events: [{ type: 'submitted', job_id, transaction_id, at: '2026-03-02T14:05:11Z', ...more }],
  });
const readHold = async (id: string) => (await api.get(`${V1}/holds/${id}`)).body;
const moves = async (job: string) =>
  (await api.get(`${V1}/transactions?job_id=${job}`)).body.map((row: { kind: string }) => row.kind).toSorted();

test("the contract's request and answer", async () => {
  const [job, id] = [nextJob(), await hold()];
  const { status, body } = await report(
    job,
    { budget_transaction_id: id },
    { update_cost_model: true, generate_report: false, notify_stakeholders: false },
  );
  expect({ status, body }).toEqual({
    status: 200,
    body: {
      success: true,
      status: 'reconciled',
      reconciliation_id: expect.stringMatching(/^asbx_recon_/),
      original_transaction: id,
      unit: 'USD',
      estimated_cost: 41.5,
      actual_cost: 37.25,
      cost_variance: -4.25,
      cost_variance_pct: -10.24,
      refund_amount: 12.55,
      additional_charge: 0,
      estimation_accuracy: 0.898,
      model_update_applied: true,
      message: 'ASBX cost reconciliation completed successfully',
      replayed: false,
    },
  });
  expect(await readHold(id)).toMatchObject({ status: 'settled', charged: 37.25, released: 12.55 });
  const story = await api.get(`${V1}/jobs/default/${job}`);
  expect(story.body.runs).toMatchObject([{ started_at: '2026-03-02T14:09:00Z', ended_at: '2026-03-02T17:44:00Z' }]);
});

test('without a transaction id the job and its account find the hold; the same report again changes nothing', async () => {
  const [job, id] = [nextJob(), await hold()];
  await bind(job, id);
  const first = await report(job);
  const again = await report(job);
  expect(first.body.original_transaction).toBe(id);
  expect(again.body).toEqual({ ...first.body, replayed: true });
  expect(await moves(job)).toEqual(['charge', 'hold', 'release']);
});

test.each([
  ['of another account', { account: 'somebody' }],
  ['of a job that nobody has heard of', {}],
])('a report %s waits, and is applied when its job is bound', async (what, more) => {
  const [job, id] = [nextJob(), await hold()];
  if (what === 'of another account') await bind(job, id);
  const { body } = await report(job, more);
  expect(body).toMatchObject({ success: true, status: 'waiting', refund_amount: 0, unmatched_id: expect.any(Number) });
  expect(await readHold(id)).toMatchObject({ status: 'open' });
  await bind(job, id, { at: '2026-03-02T14:05:12Z' });
  await api.ledger.jobs.advance(id, { scheduler: 'unreachable' });
  const applied = what !== 'of another account';
  expect(await readHold(id)).toMatchObject(applied ? { status: 'settled', charged: 37.25 } : { status: 'open' });
  expect((await api.get(`${V1}/unmatched/${body.unmatched_id}`)).body.status).toBe(applied ? 'applied' : 'waiting');
});

test('for a job that was settled by time and rate the report is an adjustment', async () => {
  const [job, id] = [nextJob(), await hold()];
  await bind(job, id);
  await api.post(`${V1}/jobs/events`, {
    events: [
      {
        type: 'ended',
        job_id: job,
        transaction_id: id,
        started_at: '2026-03-02T14:09:00Z',
        at: '2026-03-02T17:44:00Z',
      },
    ],
  });
  await api.ledger.jobs.advance(id, { scheduler: 'unreachable' });
  const bySlurm = (await readHold(id)).charged as number;
  expect(bySlurm).toBeGreaterThan(30);
  expect((await report(job)).body).toMatchObject({ status: 'reconciled', actual_cost: 37.25 });
  expect((await report(job)).body).toMatchObject({ replayed: true });
  expect(await readHold(id)).toMatchObject({ status: 'settled', charged: 37.25 });
  expect(await moves(job)).toEqual(['adjustment', 'charge', 'hold', 'release']);
});

test('another cost is refused, and changes what was charged only as a correction', async () => {
  const [job, id] = [nextJob(), await hold()];
  await bind(job, id);
  await report(job);
  expect(await report(job, { actual_cost: 40 })).toMatchObject({ status: 409, body: { code: 'already_reconciled' } });
  expect((await report(job, { actual_cost: 40 }, { correction: true })).body).toMatchObject({ status: 'reconciled' });
  expect(await readHold(id)).toMatchObject({ charged: 40 });
});

test('auto_reconcile: false only writes it down', async () => {
  const [job, id] = [nextJob(), await hold()];
  await bind(job, id);
  const { body } = await report(job, {}, { auto_reconcile: false });
  expect(body).toMatchObject({ status: 'recorded', original_transaction: id, cost_variance: -4.25, refund_amount: 0 });
  expect(await readHold(id)).toMatchObject({ status: 'open', charged: 0 });
  const later = await report(job);
  expect(later.body).toMatchObject({ status: 'reconciled', reconciliation_id: body.reconciliation_id });
  const unheard = await report(nextJob(), {}, { auto_reconcile: false });
  expect(unheard.body).toMatchObject({ status: 'recorded' });
  expect(unheard.body).not.toHaveProperty('unmatched_id');
});

test('twenty deliveries at once settle once', async () => {
  const [job, id] = [nextJob(), await hold()];
  await bind(job, id);
  const answers = await Promise.all(Array.from({ length: 20 }, () => report(job)));
  expect(answers.filter(({ body }) => !body.replayed)).toHaveLength(1);
  for (const { status, body } of answers)
    expect({ status, body }).toMatchObject({ status: 200, body: { refund_amount: 12.55 } });
  expect(new Set(answers.map(({ body }) => body.reconciliation_id)).size).toBe(1);
  expect(await moves(job)).toEqual(['charge', 'hold', 'release']);
});

test('the flat form of the exporter is understood, without an estimate of its own', async () => {
  const [job, id] = [nextJob(), await hold()];
  await bind(job, id);
  const flat = {
    job_id: job,
    account: 'lab',
    user_id: 'rkaur',
    partition: 'gpu-aws',
    actual_cost: '37.250000000000004',
    compute_cost: 33.9,
    storage_cost: 1.1,
    network_cost: 2.25,
    spot_savings: 0,
    instance_types: ['p3.2xlarge'],
    duration_hours: 3.58,
    success: false,
    export_time: '2026-03-02T17:45:00Z',
    plugin_version: '0.4.0',
  };
  const { body } = await api.post(`${V1}/asbx/reconcile`, { job_cost_data: flat });
  expect(body).toMatchObject({
    status: 'reconciled',
    original_transaction: id,
    estimated_cost: 41.5,
    actual_cost: 37.25,
    warnings: ['The job ended as FAILED.'],
  });
  expect((await api.post(`${V1}/asbx/reconcile`, { job_cost_data: flat })).body).toMatchObject({ replayed: true });
});

test('what Go and a shell leave empty was not said', async () => {
  const [job, id] = [nextJob(), await hold()];
  await bind(job, id);
  const empty = {
    started_at: '0001-01-01T00:00:00Z',
    completed_at: '',
    partition: '',
    job_state: 'SOMETHING',
    burst_decision: '',
    cpu_efficiency: -1,
    memory_efficiency: 'NaN',
    exit_code: '',
  };
  const { status, body } = await report(job, empty);
  expect({ status, body }).toMatchObject({ status: 200, body: { status: 'reconciled' } });
  expect(body).not.toHaveProperty('recommendations');
});

test.each([
  ['no cost', { actual_cost: undefined }, 'job_cost_data.actual_cost'],
  ['a negative cost', { actual_cost: -1 }, 'job_cost_data.actual_cost'],
  ['a cost that is no number', { actual_cost: 'NaN' }, 'job_cost_data.actual_cost'],
  ['a cost beyond every amount', { actual_cost: '1e400' }, 'job_cost_data.actual_cost'],
  ['no job', { job_id: '', slurm_job_id: '' }, 'job_cost_data.job_id'],
  ['a time without a zone', { completed_at: '2026-03-02 17:44' }, 'job_cost_data.completed_at'],
])('%s is a mistake that names its field', async (_what, more, field) => {
  const { status, body } = await report(nextJob(), more);
  expect(status).toBe(400);
  expect(body.errors.map(({ pointer }: { pointer: string }) => pointer.slice(1).replaceAll('/', '.'))).toContain(field);
});

test('a hold that is named and not known is 404 where its job is not known either, and nothing waits', async () => {
  const before = (await api.get(`${V1}/unmatched`)).body.length as number;
  const id = 'txn_1772460311123456789_123456';
  expect(await report(nextJob(), { budget_transaction_id: id })).toMatchObject({
    status: 404,
    body: { code: 'hold_not_found' },
  });
  const [job, own] = [nextJob(), await hold()];
  await bind(job, own);
  expect((await report(job, { budget_transaction_id: id })).body.original_transaction).toBe(own);
  const deposit = (await api.get(`${V1}/transactions?account=lab&type=allocation`)).body[0].transaction_id as string;
  expect(await report(nextJob(), { budget_transaction_id: deposit })).toMatchObject({
    status: 400,
    body: { code: 'not_a_hold' },
  });
  expect((await api.get(`${V1}/unmatched`)).body).toHaveLength(before);
});

test('a report that names a hold and another account than its own is refused, names both, and books nothing', async () => {
  const [job, id] = [nextJob(), await hold()];
  const mistaken = await report(job, { budget_transaction_id: id, account: 'somebody' });
  expect(mistaken).toMatchObject({
    status: 409,
    body: { code: 'hold_taken', facts: { transaction_id: id, account: 'lab', requested_account: 'somebody' } },
  });
  expect(mistaken.body.detail).toMatch(/'lab'.*'somebody'/);
  const { job_id, status } = await readHold(id);
  expect({ job_id, status }).toEqual({ status: 'open' });
  expect((await report(job, { budget_transaction_id: id })).body.original_transaction).toBe(id);
});

test('reports and notifications that were asked for are said not to be made', async () => {
  const [job, id] = [nextJob(), await hold()];
  const { body } = await report(
    job,
    { budget_transaction_id: id },
    { generate_report: true, notify_stakeholders: true },
  );
  expect(body).toMatchObject({
    compliance_report_generated: false,
    notes: [expect.stringContaining('not in this version')],
  });
});

test('the status counts what really came', async () => {
  await using own = Object.assign(
    await startApi({
      asbx: { spoolDirectories: [], autoReconcile: true, updateCostModel: false, thresholds: DEFAULT_THRESHOLDS },
    }),
    {
      async [Symbol.asyncDispose]() {
        await own.stop();
      },
    },
  );
  const status = async () => (await own.get(`${V1}/asbx/status`)).body;
  expect(await status()).toEqual({
    asbx_version: '0.2.0',
    integration_enabled: true,
    last_data_import: null,
    total_jobs_reconciled: 0,
    successful_reconciliations: 0,
    failed_reconciliations: 0,
    recorded_reports: 0,
    waiting_reports: 0,
    average_reconciliation_time: '0s',
    cost_model_accuracy: null,
    last_health_check: expect.any(String),
    health_status: 'healthy',
  });
  await own.account('lab', 1000);
  const check = { account: 'lab', ...JOB, cpus: 100, wall_time: '04:09:00' };
  const send = async (more: object, options: object = {}) => {
    const id = (await own.post(`${V1}/budget/check`, check)).body.transaction_id as string;
    const job_cost_data = data(nextJob(), { budget_transaction_id: id, ...more });
    await own.post(`${V1}/asbx/reconcile`, { job_cost_data, ...options });
    return { job_cost_data };
  };
  await send({ actual_cost: 41.5 }, { update_cost_model: true });
  await send({ actual_cost: 37.35 }, { update_cost_model: true });
  const untaught = await send({ actual_cost: 1 });
  await own.post(`${V1}/asbx/reconcile`, { job_cost_data: { ...untaught.job_cost_data, actual_cost: 2 } });
  await send({}, { auto_reconcile: false });
  await own.post(`${V1}/asbx/reconcile`, { job_cost_data: data('unheard-of') });
  expect(await status()).toMatchObject({
    total_jobs_reconciled: 4,
    successful_reconciliations: 3,
    failed_reconciliations: 1,
    recorded_reports: 1,
    waiting_reports: 1,
    average_reconciliation_time: expect.stringMatching(/^\d+(\.\d+)?s$/),
    cost_model_accuracy: 0.95,
    last_data_import: expect.any(String),
    health_status: 'degraded',
  });
});

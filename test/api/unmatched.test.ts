/** What is reported of a job without a hold waits, visibly, and is charged once when there is one. Rulings 11, 13. */
import { JOB, startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  await api.account('lab', 1000);
});
afterEach(async () => {
  expect((await api.get('/api/v1/audit')).body).toMatchObject({ ok: true, difference: '0' });
});
afterAll(() => api.stop());

const V1 = '/api/v1';
let jobs = 500;
const nextJob = () => `${(jobs += 1)}`;

const hold = async (more: object = {}): Promise<string> =>
  (await api.post(`${V1}/budget/check`, { account: 'lab', ...JOB, ...more })).body.transaction_id as string;
const bareCost = (job_id: string | number, actual_cost: number | string, more: object = {}) =>
  api.post(`${V1}/budget/reconcile`, { job_id, actual_cost, ...more });
const bind = (job_id: string, transaction_id: string, more: object = {}) =>
  api.post(`${V1}/jobs/events`, {
    events: [{ type: 'submitted', job_id, transaction_id, at: new Date().toISOString(), ...more }],
  });
const readHold = async (id: string) => (await api.get(`${V1}/holds/${id}`)).body;
/** Settled by its story; here whoever asks the ledger to look stands for it. */
const settled = async (id: string) => {
  await api.ledger.jobs.advance(id, { scheduler: 'unreachable' });
  return readHold(id);
};
const chargeCount = async (job_id: string) =>
  (await api.sql<{ count: number }[]>`select count(*)::int as count from ledger.charges where job_id = ${job_id}`)[0]
    ?.count;

test('the bare v0.1.0 epilog settles a job that is bound', async () => {
  const [job, id] = [nextJob(), await hold()];
  await bind(job, id);
  const { status, body } = await bareCost(Number(job), 0.05);
  expect({ status, body }).toMatchObject({
    status: 200,
    body: { success: true, status: 'settled', transaction_id: id },
  });
  expect(await readHold(id)).toMatchObject({ status: 'settled', charged: 0.05 });
});

test('for a job without a hold its cost waits, can be seen, and is charged when the job is bound', async () => {
  const [job, id] = [nextJob(), await hold()];
  const waiting = await bareCost(Number(job), '0.050000000000000004', { job_metadata: '{"exit_code":0}' });
  expect(waiting).toMatchObject({
    status: 200,
    body: { success: true, status: 'waiting', actual_charge: 0, message: expect.stringContaining(`job ${job}`) },
  });
  const { unmatched_id } = waiting.body;
  const listed = await api.get(`${V1}/unmatched?job_id=${job}`);
  expect(listed.body).toMatchObject([
    { id: unmatched_id, source: 'reconcile', status: 'waiting', why: 'no_hold', cluster: 'default', cost: 0.05 },
  ]);
  expect((await api.get(`${V1}/unmatched/${unmatched_id}`)).body.evidence).toMatchObject({
    actual_cost: '0.050000000000000004',
    job_metadata: { exit_code: 0 },
  });

  await bind(job, id);
  expect(await settled(id)).toMatchObject({ status: 'settled', charged: 0.05 });
  expect((await api.get(`${V1}/unmatched/${unmatched_id}`)).body).toMatchObject({
    status: 'applied',
    transaction_id: id,
    closed_by: 'bursar',
  });
  expect((await bareCost(job, 0.05)).body).toMatchObject({ status: 'settled', actual_charge: 0.05 });
  expect(await chargeCount(job)).toBe(1);
});

test('the same cost twice waits once; another one needs a correction, and both count in their order', async () => {
  const [job, id] = [nextJob(), await hold()];
  const first = await bareCost(job, 0.05);
  expect((await bareCost(job, '0.050')).body.unmatched_id).toBe(first.body.unmatched_id);
  expect(await bareCost(job, 0.07)).toMatchObject({ status: 409, body: { code: 'already_reconciled' } });
  expect((await bareCost(job, 0.07, { correction: true })).body.status).toBe('waiting');
  await bind(job, id);
  expect(await settled(id)).toMatchObject({ status: 'settled', charged: 0.07 });
});

test('two that report a job without a hold cannot both have the last word: another cost is refused, whoever brings it', async () => {
  const asbx = (job_id: string, actual_cost: number, more: object = {}) =>
    api.post(`${V1}/asbx/reconcile`, { job_cost_data: { job_id, account: 'lab', actual_cost }, ...more });
  const [job, id] = [nextJob(), await hold()];
  expect((await bareCost(job, 0.04)).body.status).toBe('waiting');
  expect(await asbx(job, 0.05)).toMatchObject({ status: 409, body: { code: 'already_reconciled' } });
  expect((await asbx(job, 0.04)).body.status).toBe('waiting');
  expect((await asbx(job, 0.06, { correction: true })).body.status).toBe('waiting');
  await bind(job, id);
  expect(await settled(id)).toMatchObject({ status: 'settled', charged: 0.06 });

  const [other, its] = [nextJob(), await hold()];
  expect((await asbx(other, 0.05)).body.status).toBe('waiting');
  expect(await bareCost(other, 0.04)).toMatchObject({ status: 409, body: { code: 'already_reconciled' } });
  await bind(other, its);
  expect(await settled(its)).toMatchObject({ status: 'settled', charged: 0.05 });
});

test('a key of a cost that waits keeps its body, and is answered as settled once it is', async () => {
  const [job, id] = [nextJob(), await hold()];
  const keyed = (cost: number) => bareCost(job, cost, { idempotency_key: `bare-${job}` });
  expect((await keyed(0.05)).body.status).toBe('waiting');
  expect((await keyed(0.05)).body.status).toBe('waiting');
  expect(await keyed(0.06)).toMatchObject({ status: 409 });
  await bind(job, id);
  expect((await keyed(0.05)).body).toMatchObject({ status: 'settled', transaction_id: id });
  expect(await keyed(0.06)).toMatchObject({ status: 409, body: { code: 'key_reused' } });
});

test('twenty costs and twenty bindings at once: nothing waits for a hold that is there, nothing is charged twice', async () => {
  for (let round = 0; round < 5; round += 1) {
    const [job, id] = [nextJob(), await hold()];
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? bareCost(job, 0.03) : bind(job, id))),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(await settled(id)).toMatchObject({ status: 'settled', charged: 0.03 });
    expect((await api.get(`${V1}/unmatched?job_id=${job}`)).body).toEqual([]);
    expect(await chargeCount(job)).toBe(1);
  }
});

test('a cost is not given to a job that was submitted after it had arrived: ids come back', async () => {
  const [job, id] = [nextJob(), await hold()];
  await bareCost(job, 0.05);
  const later = new Date(Date.now() + 600_000).toISOString();
  await bind(job, id, { at: later, submitted_at: later });
  expect(await settled(id)).toMatchObject({ status: 'open', charged: 0 });
  expect((await api.get(`${V1}/unmatched?job_id=${job}`)).body).toHaveLength(1);
});

test('somebody gives an unmatched cost to its hold, once, and the change says who and why', async () => {
  const [job, id] = [nextJob(), await hold()];
  const { unmatched_id } = (await bareCost(job, 0.05)).body;
  const resolve = () =>
    api.post(`${V1}/unmatched/${unmatched_id}/resolve`, {
      transaction_id: id,
      reason: 'seen in the log',
      idempotency_key: `resolve-${job}`,
    });
  const answers = await Promise.all(Array.from({ length: 10 }, resolve));
  for (const { status, body } of answers)
    expect({ status, body }).toMatchObject({ status: 200, body: { status: 'resolved' } });
  expect(await readHold(id)).toMatchObject({ status: 'settled', charged: 0.05, job_id: job });
  expect(await chargeCount(job)).toBe(1);
  expect((await api.get(`${V1}/changes?subject=unmatched&name=${unmatched_id}`)).body).toEqual([
    expect.objectContaining({
      action: 'resolve_unmatched',
      actor: 'local',
      before: { status: 'waiting', source: 'reconcile', job_id: job, cost: '0.05' },
      after: {
        status: 'resolved',
        source: 'reconcile',
        job_id: job,
        cost: '0.05',
        reason: 'seen in the log',
        transaction_id: id,
      },
    }),
  ]);
  const again = await api.post(`${V1}/unmatched/${unmatched_id}/dismiss`, { reason: 'x' });
  expect(again).toMatchObject({ status: 409, body: { code: 'unmatched_closed' } });
});

test('or charges an account without a hold', async () => {
  const job = nextJob();
  const { unmatched_id } = (await bareCost(job, 0.05)).body;
  const used = async () => (await api.get(`${V1}/accounts/lab`)).body.budget_used as number;
  const before = await used();
  const { body } = await api.post(`${V1}/unmatched/${unmatched_id}/resolve`, { account: 'lab' });
  expect(body.status).toBe('resolved');
  expect(await readHold(body.transaction_id)).toMatchObject({ late: true, status: 'settled', charged: 0.05 });
  expect((await used()) - before).toBeCloseTo(0.05, 6);
});

test('or dismisses it, and says why; then it is not applied', async () => {
  const [job, id] = [nextJob(), await hold()];
  const { unmatched_id } = (await bareCost(job, 0.05)).body;
  expect(await api.post(`${V1}/unmatched/${unmatched_id}/dismiss`, {})).toMatchObject({ status: 400 });
  const { body } = await api.post(`${V1}/unmatched/${unmatched_id}/dismiss`, { reason: 'not a job of ours' });
  expect(body).toMatchObject({ status: 'dismissed', reason: 'not a job of ours', closed_by: 'local' });
  await bind(job, id);
  expect(await settled(id)).toMatchObject({ status: 'open', charged: 0 });
});

test.each([
  ['neither hold nor account', {}, 400, 'malformed_request'],
  ['both', { transaction_id: 'txn_x', account: 'lab' }, 400, 'malformed_request'],
  ['an unknown hold', { transaction_id: 'txn_nothing' }, 404, 'hold_not_found'],
  ['an unknown account', { account: 'nobody' }, 404, 'account_not_found'],
])('resolving it with %s is refused and it goes on waiting', async (_what, body, status, code) => {
  const { unmatched_id } = (await bareCost(nextJob(), 0.05)).body;
  expect(await api.post(`${V1}/unmatched/${unmatched_id}/resolve`, body)).toMatchObject({ status, body: { code } });
  expect((await api.get(`${V1}/unmatched/${unmatched_id}`)).body.status).toBe('waiting');
});

test('the hold of another job is not given away', async () => {
  const [taken, job] = [await hold(), nextJob()];
  await bind(nextJob(), taken);
  const { unmatched_id } = (await bareCost(job, 0.05)).body;
  const refused = await api.post(`${V1}/unmatched/${unmatched_id}/resolve`, { transaction_id: taken });
  expect(refused).toMatchObject({ status: 409, body: { code: 'hold_taken' } });
  expect((await api.get(`${V1}/unmatched/${unmatched_id}`)).body.status).toBe('waiting');
});

test('the metrics say how many wait', async () => {
  const waiting = (await api.get(`${V1}/unmatched?limit=1000`)).body.length as number;
  expect(waiting).toBeGreaterThan(0);
  expect((await api.get('/metrics')).text).toContain(`bursar_unmatched_waiting ${waiting}`);
});

test('the list is paged and filtered, and what waits is shown unless something else is asked for', async () => {
  const page = await api.get(`${V1}/unmatched?limit=1`);
  expect(page.body).toHaveLength(1);
  const next = /<([^>]+)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1] ?? '';
  expect((await api.get(next)).body[0].id).toBeLessThan(page.body[0].id);
  for (const status of ['applied', 'resolved', 'dismissed', 'waiting']) {
    const { body } = await api.get(`${V1}/unmatched?status=${status}`);
    expect(new Set(body.map((row: { status: string }) => row.status))).toEqual(new Set([status]));
  }
  expect((await api.get(`${V1}/unmatched?source=asbx`)).body).toEqual([]);
  expect(await api.get(`${V1}/unmatched/4711`)).toMatchObject({ status: 404, body: { code: 'unmatched_not_found' } });
});

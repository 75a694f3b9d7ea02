/** The epilogs that sites of ASBB run, as they are, settle their jobs (contract §8.3, §8.4; rulings 13, 18). */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ASBX_EXAMPLE } from '../../api/examples';
import { DEFAULT_THRESHOLDS } from '../../domain/asbx';
import { removeScratch, scratchFolder } from '../helpers/scratch';
import { JOB, startApi, type TestApi } from './helpers/api';

let api: TestApi;
let outside: string;
let spool: string;
beforeAll(async () => {
  outside = scratchFolder();
  spool = join(outside, 'spool');
  mkdirSync(spool);
  api = await startApi({
    asbx: { spoolDirectories: [spool], autoReconcile: true, updateCostModel: true, thresholds: DEFAULT_THRESHOLDS },
  });
  await api.account('lab', 100_000);
  await api.ledger.catalog.putCluster(
    'reporting',
    { timeZone: 'UTC', costSource: 'reported', reconciliationTimeoutSeconds: 1_000_000_000 },
    { principal: 'test' },
  );
});
afterEach(async () => {
  expect((await api.get('/api/v1/audit')).body).toMatchObject({ ok: true, difference: '0' });
});
afterAll(async () => {
  await api.stop();
  await removeScratch(outside);
});

const V1 = '/api/v1';
const SUBMITTED = 1_772_460_311; // 2026-03-02T14:05:11Z
const [STARTED, ENDED] = [1_772_460_540, 1_772_473_440]; // 14:09:00 to 17:44:00

let made = 0;
const nextUser = () => `user${(made += 1)}`;
const nextJob = () => `${(made += 1) + 700_000}`;
const at = (seconds: number) => new Date(seconds * 1000).toISOString();

/** Four hours of ten CPUs: 4.00, of which 4.80 is held. */
const hold = async (user_id: string, more: object = {}): Promise<string> => {
  const request = { account: 'lab', ...JOB, cpus: 10, wall_time: '04:00:00', user_id, at: at(SUBMITTED), ...more };
  return (await api.post(`${V1}/budget/check`, request)).body.transaction_id as string;
};
const epilogOf = (user_id: string, more: object = {}) => ({
  job_id: nextJob(),
  account: 'lab',
  partition: 'cpu',
  user_id,
  job_state: '0',
  submit_time: SUBMITTED,
  start_time: STARTED,
  end_time: ENDED,
  allocated_nodes: 1,
  allocated_cpus: 10,
  ...more,
});
const end = (body: object) => api.post(`${V1}/asbx/epilog`, body);
const readHold = async (id: string) => (await api.get(`${V1}/holds/${id}`)).body;
const moves = async (job: string) =>
  (await api.get(`${V1}/transactions?job_id=${job}`)).body.map((row: { kind: string }) => row.kind).toSorted();
const COST = { charged: 3.583333, released: 1.216667 };

/** The body of the sample, word for word: bash fills it in, CPUs and times without quotation marks. */
const SAMPLE = `
cat <<END
{
    "job_id": "\${SLURM_JOB_ID}",
    "account": "\${SLURM_JOB_ACCOUNT}",
    "partition": "\${SLURM_JOB_PARTITION}",
    "user_id": "\${SLURM_JOB_USER}",
    "job_state": "\${SLURM_JOB_EXIT_CODE}",
    "submit_time": \${SLURM_JOB_SUBMIT_TIME:-0},
    "start_time": \${SLURM_JOB_START_TIME:-0},
    "end_time": \${SLURM_JOB_END_TIME:-0},
    "allocated_nodes": \${SLURM_JOB_NUM_NODES:-0},
    "allocated_cpus": \${SLURM_JOB_CPUS_PER_NODE:-0},
    "asbx_data_path": "\${ASBX_DATA_PATH}"
}
END`;
const sample = (environment: Record<string, string>): string =>
  execFileSync('bash', ['--norc', '-c', SAMPLE], {
    env: { PATH: '/usr/bin:/bin', SHLVL: '1', ...environment },
    encoding: 'utf8',
  });

test('the documented sample settles its job, though 16(x2) makes it no JSON', async () => {
  const [user, job] = [nextUser(), nextJob()];
  const id = await hold(user, { nodes: 2, cpus: 32 });
  const raw = sample({
    SLURM_JOB_ID: job,
    SLURM_JOB_ACCOUNT: 'lab',
    SLURM_JOB_PARTITION: 'cpu',
    SLURM_JOB_USER: user,
    SLURM_JOB_EXIT_CODE: '0',
    SLURM_JOB_SUBMIT_TIME: `${SUBMITTED + 1}`,
    SLURM_JOB_START_TIME: `${STARTED}`,
    SLURM_JOB_END_TIME: `${ENDED}`,
    SLURM_JOB_NUM_NODES: '2',
    SLURM_JOB_CPUS_PER_NODE: '16(x2)',
    ASBX_DATA_PATH: join(spool, `job_${job}_cost.json`),
  });
  expect(() => JSON.parse(raw)).toThrow();
  const { status, body } = await api.post(`${V1}/asbx/epilog`, undefined, { raw });
  expect({ status, body }).toEqual({
    status: 200,
    body: {
      success: true,
      job_id: job,
      reconciliation_triggered: true,
      data_import_status: 'no_data',
      error_details: 'there is no file at asbx_data_path on the machine of the API',
      message: `Job ${job} was settled: 11.466667 USD charged, 19.253333 USD given back`,
      next_steps: [expect.stringContaining('asbx_data_path')],
      transaction_id: id,
      state: 'settled',
      unit: 'USD',
      charged: 11.466667,
    },
  });
  expect(await readHold(id)).toMatchObject({ status: 'settled', job_id: job });
});

test('in the environment that Slurm really gives an epilog it does too: no submit time, an exit code that is no state', async () => {
  const [user, job] = [nextUser(), nextJob()];
  const id = await hold(user);
  const raw = sample({
    SLURM_JOB_ID: job,
    SLURM_JOB_ACCOUNT: 'lab',
    SLURM_JOB_PARTITION: 'cpu',
    SLURM_JOB_USER: user,
    SLURM_JOB_START_TIME: `${STARTED}`,
    SLURM_JOB_END_TIME: `${ENDED}`,
    SLURM_JOB_CPUS_PER_NODE: '10',
  });
  const { body } = await api.post(`${V1}/asbx/epilog`, undefined, { raw });
  expect(body).toMatchObject({ reconciliation_triggered: true, transaction_id: id, charged: COST.charged });
  expect(await readHold(id)).toMatchObject({ status: 'settled', ...COST });
});

test('the report that ASBX left is its cost', async () => {
  const [user, job] = [nextUser(), nextJob()];
  const id = await hold(user);
  const asbx_data_path = join(spool, `job_${job}_cost.json`);
  const job_cost_data = { ...ASBX_EXAMPLE.job_cost_data, job_id: `asbx-${job}`, slurm_job_id: job, actual_cost: 3.1 };
  writeFileSync(asbx_data_path, `\uFEFF${JSON.stringify({ job_cost_data, auto_reconcile: true })}`);
  const epilog = epilogOf(user, { job_id: job, asbx_data_path });
  const { body } = await end(epilog);
  expect(body).toMatchObject({
    reconciliation_triggered: true,
    reconciliation_id: expect.stringMatching(/^asbx_recon_/),
    data_import_status: 'completed',
    transaction_id: id,
    charged: 3.1,
  });
  // ASBX posts the same report itself, and the epilog comes again.
  const posted = await api.post(`${V1}/asbx/reconcile`, { job_cost_data: { ...job_cost_data, account: 'lab' } });
  expect(posted.body).toMatchObject({
    status: 'reconciled',
    replayed: true,
    reconciliation_id: body.reconciliation_id,
  });
  expect((await end(epilog)).body).toMatchObject({ reconciliation_triggered: true, charged: 3.1 });
  expect(await moves(job)).toEqual(['charge', 'hold', 'release']);
});

test('a report that is only to be written down does not become the cost because an epilog brings it', async () => {
  const [user, job] = [nextUser(), nextJob()];
  const id = await hold(user);
  const asbx_data_path = join(spool, `job_${job}_cost.json`);
  const job_cost_data = { ...ASBX_EXAMPLE.job_cost_data, job_id: `asbx-${job}`, slurm_job_id: job, actual_cost: 3.1 };
  writeFileSync(asbx_data_path, JSON.stringify({ job_cost_data, auto_reconcile: false }));
  const recorded = async () => (await api.get(`${V1}/asbx/status`)).body.recorded_reports as number;
  const before = await recorded();
  const { body } = await end(epilogOf(user, { job_id: job, asbx_data_path }));
  expect(body).toMatchObject({
    data_import_status: 'skipped',
    error_details: 'the report at asbx_data_path was only written down, as auto_reconcile is false',
    transaction_id: id,
    charged: COST.charged,
  });
  expect(await readHold(id)).toMatchObject({ status: 'settled', ...COST });
  expect(await recorded()).toBe(before + 1);
});

test('a report that is half written is said to be none, and its job is settled without it', async () => {
  const [user, job] = [nextUser(), nextJob()];
  const id = await hold(user);
  const asbx_data_path = join(spool, `job_${job}_cost.json`);
  writeFileSync(asbx_data_path, '{"job_id": "1');
  expect((await end(epilogOf(user, { job_id: job, asbx_data_path }))).body).toMatchObject({
    data_import_status: 'failed',
    error_details: 'asbx_data_path is no report of ASBX: Invalid JSON format',
    charged: COST.charged,
  });
  expect(await readHold(id)).toMatchObject({ status: 'settled', ...COST });
});

test('twenty epilogs of one job at once, and of twenty equal jobs at once: each settles one hold', async () => {
  const one = nextUser();
  const id = await hold(one);
  const epilog = epilogOf(one);
  const same = await Promise.all(Array.from({ length: 20 }, () => end(epilog)));
  for (const { body } of same) expect(body).toMatchObject({ transaction_id: id, charged: COST.charged });
  expect(await moves(epilog.job_id)).toEqual(['charge', 'hold', 'release']);

  const many = nextUser();
  const ids = await Promise.all(Array.from({ length: 20 }, () => hold(many)));
  const each = await Promise.all(ids.map(() => end(epilogOf(many))));
  expect(each.map(({ body }) => body.transaction_id).toSorted()).toEqual(ids.toSorted());
  for (const hold of ids) expect(await readHold(hold)).toMatchObject({ status: 'settled', ...COST });
});

test('an epilog that comes again takes no second hold, also where it knows no time', async () => {
  for (const times of [{}, { submit_time: 0 }, { submit_time: 0, start_time: 0, end_time: 0, transaction_id: 'x' }]) {
    const user = nextUser();
    const ids = [await hold(user), await hold(user)];
    const epilog = epilogOf(user, times);
    const first = await end(epilog);
    await api.post(`${V1}/budget/reconcile`, { job_id: epilog.job_id, actual_cost: COST.charged });
    expect((await end(epilog)).body.transaction_id).toBe(first.body.transaction_id);
    const states = await Promise.all(ids.map(async (id) => (await readHold(id)).status));
    expect(states.toSorted()).toEqual(['open', 'settled']);
  }
});

test('among holds that differ nobody guesses: the report waits, and whoever knows says which', async () => {
  const user = nextUser();
  const [small, large] = [await hold(user), await hold(user, { cpus: 20 })];
  const epilog = epilogOf(user);
  const { body } = await end(epilog);
  expect(body).toMatchObject({
    success: true,
    reconciliation_triggered: false,
    unmatched_id: expect.any(Number),
    message: expect.stringContaining('Several open holds that differ may be that of job'),
    next_steps: [expect.stringContaining('bursar unmatched show')],
  });
  expect((await end(epilog)).body.unmatched_id).toBe(body.unmatched_id);
  const shown = await api.get(`${V1}/unmatched/${body.unmatched_id}`);
  expect(shown.body).toMatchObject({
    why: 'several_holds',
    source: 'epilog',
    user_id: user,
    evidence: { allocated_cpus: 10 },
    candidates: [
      { transaction_id: small, held: 4.8 },
      { transaction_id: large, held: 9.6 },
    ],
  });
  await api.post(`${V1}/unmatched/${body.unmatched_id}/resolve`, { transaction_id: small });
  expect(await readHold(small)).toMatchObject({ status: 'settled', job_id: epilog.job_id, ...COST });
  expect(await readHold(large)).toMatchObject({ status: 'open' });
});

test.each([
  ['ten seconds apart', { submit_time: SUBMITTED + 10 }, true],
  ['eleven seconds apart', { submit_time: SUBMITTED + 11 }, false],
  ['of another user', { user_id: 'somebody' }, false],
  ['of another partition', { partition: 'gpu' }, false],
  ['that started before the hold was placed', { submit_time: 0, start_time: SUBMITTED - 60 }, false],
])('an epilog %s is or is not that of the hold', async (_what, more, isIts) => {
  const user = nextUser();
  const id = await hold(user);
  const { body } = await end(epilogOf(user, more));
  expect(body.transaction_id === id).toBe(isIts);
  // What was used is charged in any case: its account is known.
  expect(body).toMatchObject({ reconciliation_triggered: true, charged: expect.any(Number) });
});

test('the hold is known by its id, its key, or the job id of its check, whatever else the epilog says', async () => {
  const user = nextUser();
  const [byId, job] = [await hold(user), nextJob()];
  const byKey = await hold(user, { idempotency_key: `key-${user}`, cpus: 11 });
  const byJob = await hold(user, { job_id: job, cpus: 12 });
  const elsewhere = { submit_time: 0, user_id: 'someone-else' };
  expect((await end(epilogOf(user, { ...elsewhere, transaction_id: byId }))).body.transaction_id).toBe(byId);
  expect((await end(epilogOf(user, { ...elsewhere, hold_key: `key-${user}` }))).body.transaction_id).toBe(byKey);
  expect((await end(epilogOf(user, { ...elsewhere, job_id: job }))).body.transaction_id).toBe(byJob);
});

test('the tasks of an array are those of the hold of the whole array', async () => {
  const [user, array_job_id] = [nextUser(), nextJob()];
  const id = await hold(user, { array_tasks: 3 });
  for (const array_task_id of ['1', '2', '3']) {
    expect(await readHold(id)).toMatchObject({ status: 'open' });
    const { body } = await end(epilogOf(user, { array_job_id, array_task_id }));
    expect(body.transaction_id).toBe(id);
  }
  expect(await readHold(id)).toMatchObject({ status: 'settled', job_id: array_job_id, charged: 10.749999 });
});

test('an account that nobody knows keeps the report waiting', async () => {
  const { body } = await end(epilogOf(nextUser(), { account: 'nobody' }));
  expect(body).toMatchObject({ reconciliation_triggered: false, unmatched_id: expect.any(Number) });
  const resolved = await api.post(`${V1}/unmatched/${body.unmatched_id}/resolve`, { account: 'lab' });
  expect(await readHold(resolved.body.transaction_id)).toMatchObject({ late: true, charged: COST.charged });
});

test.each(['COMPLETED', 'FAILED', 'CANCELLED', 'TIMEOUT', 'NODE_FAIL', 'OUT_OF_MEMORY', 'PREEMPTED', '256', 'CG', ''])(
  'a job that ended as "%s" is settled',
  async (job_state) => {
    const user = nextUser();
    const id = await hold(user);
    expect((await end(epilogOf(user, { job_state }))).body).toMatchObject({ state: 'settled', transaction_id: id });
    expect(await readHold(id)).toMatchObject({ status: 'settled', ...COST });
  },
);

test('one that never started gives its hold back', async () => {
  const user = nextUser();
  const id = await hold(user);
  const { body } = await end(epilogOf(user, { job_state: 'CANCELLED', start_time: 0 }));
  expect(body).toMatchObject({
    reconciliation_triggered: false,
    state: 'released',
    charged: 0,
    message: expect.stringContaining('never ran'),
  });
  expect(await readHold(id)).toMatchObject({ status: 'released', charged: 0, released: 4.8 });
});

test('one that has not ended is left alone', async () => {
  const user = nextUser();
  const id = await hold(user);
  expect((await end(epilogOf(user, { job_state: 'RUNNING' }))).body).toMatchObject({ data_import_status: 'skipped' });
  expect(await readHold(id)).toMatchObject({ status: 'open' });
  expect((await readHold(id)).job_id).toBeUndefined();
});

test('where nobody says when it began it waits for that, and the answer says what to send', async () => {
  const user = nextUser();
  const id = await hold(user);
  const { body } = await end(epilogOf(user, { start_time: 0, end_time: Math.floor(Date.now() / 1000) }));
  expect(body).toMatchObject({ reconciliation_triggered: false, transaction_id: id, state: 'awaiting_cost' });
  expect(body.next_steps[0]).toContain('start_time');
  expect(await readHold(id)).toMatchObject({ status: 'open' });
});

test('one that does not know the end is charged to its arrival, and corrected once somebody does', async () => {
  const [user, started] = [nextUser(), Math.floor(Date.now() / 1000) - 7_200];
  const id = await hold(user);
  const epilog = epilogOf(user, { submit_time: SUBMITTED, start_time: started, end_time: 0 });
  const { body } = await end(epilog);
  expect(body).toMatchObject({ state: 'settled', transaction_id: id });
  expect(body.charged).toBeGreaterThanOrEqual(2);
  const told = { type: 'ended', job_id: epilog.job_id, started_at: at(started), at: at(started + 3_600) };
  for (let again = 0; again < 2; again++) {
    await api.post(`${V1}/jobs/events`, { events: [told] });
    await api.ledger.jobs.advance(id, { scheduler: 'unreachable' });
    expect((await end(epilog)).body).toMatchObject({ transaction_id: id, charged: 1 });
  }
  expect(await readHold(id)).toMatchObject({ status: 'settled', charged: 1 });
  expect(await moves(epilog.job_id)).toEqual(['adjustment', 'charge', 'hold', 'release']);
  const { body: usage } = await api.get(`${V1}/usage?account=lab&user=${user}&group_by=user`);
  expect(JSON.stringify(usage)).toContain('"cpu_hours":10,');
});

test('a cluster that waits for reported costs waits, and the report settles it', async () => {
  const [user, cluster] = [nextUser(), 'reporting'];
  const id = await hold(user, { cluster });
  const epilog = epilogOf(user, { cluster });
  const { body } = await end(epilog);
  expect(body).toMatchObject({
    state: 'awaiting_cost',
    reconciliation_triggered: false,
    message: expect.stringContaining('cost'),
  });
  expect(await readHold(id)).toMatchObject({ status: 'open', charged: 0 });
  const job_cost_data = { job_id: epilog.job_id, account: 'lab', actual_cost: 3 };
  expect((await api.post(`${V1}/asbx/reconcile`, { job_cost_data, cluster })).body).toMatchObject({
    original_transaction: id,
  });
  expect(await readHold(id)).toMatchObject({ status: 'settled', charged: 3 });
});

test('what an epilog does not know of its resources is what was asked for', async () => {
  await api.post(`${V1}/rates`, {
    cluster: 'reporting',
    resource: 'gpu:a100',
    unit: 'USD',
    price: 1,
    source: 'x',
    starts_at: '2020-01-01T00:00:00Z',
  });
  await api.ledger.catalog.putCluster('reporting', { costSource: 'usage' }, { principal: 'test' });
  const user = nextUser();
  const id = await hold(user, { cluster: 'reporting', tres: 'cpu=10,node=1,gres/gpu:a100=2' });
  await end(epilogOf(user, { cluster: 'reporting', allocated_cpus: 20 }));
  expect(await readHold(id)).toMatchObject({ status: 'settled', charged: 7.166667 });
});

// Which files may be read ---------------------------------------------------------------------------------------------------

const content = (job: string) => JSON.stringify({ job_id: job, account: 'lab', actual_cost: 2 });

test.each([
  ['outside the spool', (job: string) => [join(outside, `${job}.json`), content(job)]],
  ['outside by its dots', (job: string) => [`${spool}/../${job}.json`, content(job)]],
  ['that is not called .json', (job: string) => [join(spool, `${job}.txt`), content(job)]],
  ['that is not there', (job: string) => [join(spool, `${job}.json`)]],
])('a file %s is no data, and the job is settled by its usage', async (_what, place) => {
  const [user, job] = [nextUser(), nextJob()];
  const id = await hold(user);
  const [asbx_data_path = '', text] = place(job);
  if (text !== undefined) writeFileSync(asbx_data_path, text);
  const { body } = await end(epilogOf(user, { job_id: job, asbx_data_path }));
  expect(body).toMatchObject({
    data_import_status: 'no_data',
    charged: COST.charged,
    error_details: expect.stringContaining('asbx_data_path'),
  });
  expect(await readHold(id)).toMatchObject({ status: 'settled', ...COST });
});

test.each([
  [
    'a symbolic link',
    (job: string) => {
      writeFileSync(join(outside, `${job}.json`), content(job));
      symlinkSync(join(outside, `${job}.json`), join(spool, `${job}.json`));
    },
  ],
  [
    'below a folder that is a symbolic link',
    (job: string) => {
      writeFileSync(join(outside, `${job}.json`), content(job));
      symlinkSync(outside, join(spool, job));
      return join(spool, job, `${job}.json`);
    },
  ],
  ['a pipe', (job: string) => void execFileSync('mkfifo', [join(spool, `${job}.json`)])],
  ['half written', (job: string) => writeFileSync(join(spool, `${job}.json`), content(job).slice(0, 20))],
  ['NaN', (job: string) => writeFileSync(join(spool, `${job}.json`), `{"job_id": "${job}", "actual_cost": NaN}`)],
  ['of another job', (job: string) => writeFileSync(join(spool, `${job}.json`), content('1'))],
  ['huge', (job: string) => writeFileSync(join(spool, `${job}.json`), content(job) + ' '.repeat(2_000_000))],
])(
  'a file that is %s is refused, says why, repeats nothing of it, and the job is settled by its usage',
  async (what, write) => {
    const [user, job] = [nextUser(), nextJob()];
    const id = await hold(user);
    const asbx_data_path = write(job) ?? join(spool, `${job}.json`);
    const { body } = await end(epilogOf(user, { job_id: job, asbx_data_path }));
    const status = what.startsWith('below') ? 'no_data' : 'failed';
    expect(body).toMatchObject({
      data_import_status: status,
      error_details: expect.stringContaining('asbx_data_path'),
    });
    expect(JSON.stringify(body)).not.toContain('actual_cost":');
    expect(await readHold(id)).toMatchObject({ status: 'settled', ...COST });
  },
);

test('a mistake in an epilog names its field', async () => {
  const { status, body } = await end({ account: 'lab', submit_time: 'yesterday', allocated_cpus: 'many' });
  expect(status).toBe(400);
  expect(body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
    '/job_id',
    '/submit_time',
    '/allocated_cpus',
  ]);
  expect(await api.post(`${V1}/asbx/epilog`, undefined, { raw: '{"job_id": 1' })).toMatchObject({ status: 400 });
});

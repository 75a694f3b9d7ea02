/** quick-check, remaining, status and job-context: short answers for prompts, login scripts and the scripts of jobs. */
import { runBursar, startCli, type TestCli } from './helpers/cli';

let cli: TestCli;
beforeAll(async () => {
  cli = await startCli();
  await cli.api.account('lab', 100);
});
afterAll(() => cli.stop());

const within = (env: Record<string, string>, ...args: string[]) => runBursar(args, { endpoint: cli.url, env });

const JOB = ['--nodes', '2', '--cpus', '10', '--time', '01:00:00'];

test('quick-check answers in one line and holds nothing', async () => {
  const before = await cli.api.rowCounts();
  const { out } = await cli.works('quick-check', '--account', 'lab', '--partition', 'cpu', ...JOB);
  expect(out).toBe('Yes: it would cost 2.00 USD; 2.40 USD would be held, and 97.60 USD of lab remain.\n');
  const denied = await cli.bursar('quick-check', '--account=lab', '--partition=cpu', '--cpus=5000', '--time=60');
  expect(denied).toMatchObject({ code: 3, out: '', err: expect.stringMatching(/^Insufficient budget: /) });
  expect(await cli.api.rowCounts()).toEqual(before);
});

test.each([
  { ASBB_ACCOUNT: 'lab', ASBB_DEFAULT_PARTITION: 'cpu' },
  { BURSAR_ACCOUNT: 'lab', BURSAR_DEFAULT_PARTITION: 'cpu', ASBB_ACCOUNT: 'x', ASBB_DEFAULT_PARTITION: '' },
])('account and partition come from %j', async (env) => {
  expect(await within(env, 'quick-check', ...JOB)).toMatchObject({ code: 0, err: '' });
  expect((await within(env, 'remaining')).out).toBe('100.00 USD\n');
});

test('what neither the command nor the environment says is named, all of it', async () => {
  const { code, err } = await cli.bursar('quick-check', ...JOB);
  expect({ code, err }).toEqual({
    code: 2,
    err: expect.stringMatching(/--account or BURSAR_ACCOUNT.*--partition or BURSAR_DEFAULT_PARTITION/),
  });
  expect(await cli.bursar('remaining')).toMatchObject({ code: 2 });
  expect(await cli.bursar('remaining', 'nobody')).toMatchObject({ code: 4 });
});

test('remaining is an amount and nothing else, in the words of who asks', async () => {
  expect((await cli.works('remaining', 'lab')).out).toBe('100.00 USD\n');
  expect((await cli.asbb('remaining', 'lab')).out).toBe('$100.00\n');
  expect((await cli.works('remaining', 'lab', '--json')).json).toMatchObject({ budget_available: 100 });
});

test('status adds the account that the environment names, and is about the server all the same', async () => {
  expect((await cli.works('status')).out).not.toContain('Account');
  const named = await within({ ASBB_ACCOUNT: 'lab' }, 'status');
  expect(named.out).toMatch(/is healthy\.[^]*Account: +lab has 100\.00 USD of 100\.00 USD left\n/);
  const unknown = await within({ ASBB_ACCOUNT: 'nobody' }, 'status');
  expect(unknown).toMatchObject({ code: 0, out: expect.stringContaining('nobody: the server tells nothing of it') });
  expect((await cli.works('status', '--account', 'lab', '--json')).json).toMatchObject({
    status: 'healthy',
    account: { budget_available: 100 },
  });
});

describe('job-context', () => {
  let hold: string;
  const START = new Date(Date.now() - 30 * 60_000).toISOString();

  beforeAll(async () => {
    await cli.api.account('runs', 50);
    const job = ['--account', 'runs', '--partition', 'cpu', '--cpus', '10', '--time', '02:00:00', '--user', 'rkaur'];
    const { json } = await cli.works('check', ...job, '--hold', '--json');
    hold = (json as { transaction_id: string }).transaction_id;
    await cli.works('job', 'event', 'default/701', 'submitted', '--at', START, '--hold', hold);
  });

  const context = async (...args: string[]) =>
    (await cli.works('job-context', '--json', ...args)).json as Record<string, number | string | undefined>;

  test('before it starts: what was asked for, held, and what an hour of it costs', async () => {
    expect(await context('--job-id', '701')).toMatchObject({
      cluster: 'default',
      state: 'pending',
      account: 'runs',
      unit: 'USD',
      user_id: 'rkaur',
      transaction_id: hold,
      held: 2.4,
      left: 2.4,
      price_per_hour: 1,
      time_limit_seconds: 7200,
      time_left_seconds: 7200,
      money_left_seconds: 8640,
      account_available: 47.6,
    });
  });

  test('while it runs: priced by what it was given, with the time and the money that are left', async () => {
    await cli.works('job', 'event', 'default/701', 'started', '--at', START, '--tres', 'cpu=20,node=1');
    const left = () => 7200 - (Date.now() - Date.parse(START)) / 1000;
    const most = left();
    const running = await context('--job-id', '701', '--cluster', 'default');
    expect(running).toMatchObject({ state: 'running', price_per_hour: 2, held: 2.4 });
    expect(running.time_left_seconds).toBeLessThanOrEqual(Math.ceil(most));
    expect(running.time_left_seconds).toBeGreaterThanOrEqual(Math.floor(left()));
    expect(Number(running.accrued) + Number(running.left)).toBeCloseTo(2.4, 6);
    expect(running.accrued).toBeGreaterThanOrEqual(1);
    await cli.works('job', 'event', 'default/701', 'resized', '--time-limit', '03:00:00');
    expect((await context('--job-id', '701')).time_limit_seconds).toBe(10_800);
  });

  test('within a job the scheduler says which one it is', async () => {
    for (const env of [
      { SLURM_JOB_ID: '701', SLURM_CLUSTER_NAME: 'default' },
      { SLURM_ARRAY_JOB_ID: '701', SLURM_JOB_ID: '709' },
      { PBS_JOBID: '701' },
    ]) {
      const { out } = await within(env, 'job-context');
      expect(out).toMatch(
        /Job: +default\/701\nState: +running\nAccount: +runs[^]*Price per hour: +2\.00 USD[^]*Started: +\d{4}-\d\d-\d\d [\d:]{8} \S+\n[^]*Time left: +\d\d:\d\d:\d\d/,
      );
    }
    expect(await cli.bursar('job-context')).toMatchObject({ code: 2, err: expect.stringContaining('SLURM_JOB_ID') });
    expect(await cli.bursar('job-context', '--job-id', '999')).toMatchObject({ code: 4 });
  });

  test('after its end: what was charged, and no time any more', async () => {
    await cli.works('job', 'event', 'default/701', 'ended', '--end-state', 'COMPLETED');
    await cli.api.ledger.jobs.advance(hold);
    const ended = await context('--job-id', '701');
    expect(ended).toMatchObject({ state: 'settled', held: 0, left: 0 });
    expect(ended.charged).toBeGreaterThanOrEqual(1);
    for (const field of ['price_per_hour', 'time_left_seconds', 'money_left_seconds'])
      expect(ended[field]).toBeUndefined();
  });
});

/** The hooks in a real controller: changes to a job, heterogeneous jobs, a script of the site's own, and Bursar away. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { startCli, type TestCli } from '../cli/helpers/cli';
import { eventually } from '../helpers/eventually';
import { startCluster, type SlurmCluster } from './cluster';
import { bePatient } from './hooks';

let cli: TestCli;
let cluster: SlurmCluster;
beforeAll(async () => {
  [cli, cluster] = await Promise.all([startCli(), startCluster({ name: 'heron', nodes: ['c1'] })]);
  await cli.api.put('/api/v1/clusters/heron', {
    time_zone: 'UTC',
    price_preset: 'none',
    default_partition: 'cpu',
    hold_multiplier: 1,
  });
  await cli.api.put('/api/v1/clusters/heron/partitions/cpu', { max_time_seconds: 7200, default_time_seconds: 600 });
  await cli.api.post('/api/v1/rates', {
    cluster: 'heron',
    resource: 'cpu',
    unit: 'USD',
    price: '0.6',
    starts_at: '2026-01-01T00:00:00Z',
    source: 'test',
  });
  // A CPU for a minute is 0.01.
  await cli.api.account('proj-a', 1);
  await cli.api.account('proj-b', '0.2');
  writeFileSync(
    join(cluster.conf, 'job_submit.lua'),
    'function slurm_job_submit(job) if job.name == "forbidden" then slurm.log_user("not here") return slurm.ERROR end return slurm.SUCCESS end\n' +
      'function slurm_job_modify() return slurm.SUCCESS end\nreturn slurm.SUCCESS\n',
  );
  const { code, err } = await cli.bursar('slurm', 'install', '--slurm-conf', cluster.conf, '--prefix', cluster.folder);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  bePatient(cluster.folder);
  await cluster.kill('slurmctld', 'SIGTERM');
  await cluster.start('slurmctld');
});
afterAll(async () => {
  await cluster.stop();
  await cli.stop();
});
afterEach(async () => {
  expect((await cli.api.get('/api/v1/audit')).body).toMatchObject({ ok: true });
});

const heldBy = async (account: string): Promise<number> =>
  (await cli.api.get(`/api/v1/accounts/${account}`)).body.budget_held;
const pending = (account: string, minutes: number) =>
  cluster.sbatch(['-H', '-A', account, '-t', String(minutes), '--wrap', 'true']);
const update = (job: number, ...what: string[]) => cluster.run('scontrol', ['update', `JobId=${job}`, ...what]);
const stampOf = async (job: number) => (await cluster.job(job))?.AdminComment;

test('more time is held or refused, less frees nothing before the end, and the job keeps its stamp', async () => {
  const job = await pending('proj-a', 10);
  const stamp = await stampOf(job);
  expect(await heldBy('proj-a')).toBe(0.1);
  expect(await update(job, 'TimeLimit=60')).toMatchObject({ code: 0 });
  expect(await heldBy('proj-a')).toBe(0.6);
  const refused = await update(job, 'TimeLimit=110');
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain('Job violates accounting/QOS policy');
  expect(cluster.log('slurmctld', { match: /bursar: change of job/ })).toContain('Insufficient budget');
  expect(await cluster.job(job)).toMatchObject({ TimeLimit: '01:00:00' });
  expect((await update(job, 'TimeLimit=1', 'ReqNodeList=nosuch')).code).not.toBe(0);
  expect(await heldBy('proj-a')).toBe(0.6);
  expect(await update(job, 'TimeLimit=20')).toMatchObject({ code: 0 });
  expect(await heldBy('proj-a')).toBe(0.6);
  expect(await update(job, 'Comment=mine')).toMatchObject({ code: 0 });
  expect(await stampOf(job)).toBe(stamp);
  await cluster.run('scancel', [String(job)]);
});

test('another account pays from then on, and only if it can', async () => {
  const job = await pending('proj-a', 20);
  const before = await heldBy('proj-a');
  expect(await update(job, 'Account=proj-b')).toMatchObject({ code: 0 });
  expect(await heldBy('proj-b')).toBe(0.2);
  expect(await heldBy('proj-a')).toBeCloseTo(before - 0.2, 6);
  const second = await pending('proj-a', 10);
  expect((await update(second, 'Account=proj-b')).code).not.toBe(0);
  expect(await heldBy('proj-b')).toBe(0.2);
  await cluster.run('scancel', [String(job), String(second)]);
});

test("one waiting task of an array moves by itself, in its user's name, and a running job keeps its account", async () => {
  await cli.api.post('/api/v1/accounts/proj-b/deposits', { amount: '0.05' });
  const before = { a: await heldBy('proj-a'), b: await heldBy('proj-b') };
  const holds = async () => [(await heldBy('proj-a')) - before.a, (await heldBy('proj-b')) - before.b];
  const array = await cluster.sbatch(['-H', '-A', 'proj-a', '-t', '1', '--array=1-4', '--wrap', 'true']);
  expect(await cluster.run('scontrol', ['update', `JobId=${array}_4`, 'Account=proj-b'])).toMatchObject({ code: 0 });
  expect((await holds()).map((amount) => amount.toFixed(6))).toEqual(['0.030000', '0.010000']);
  expect((await cli.api.get(`/api/v1/jobs/heron/${array}_4`)).body).toMatchObject({
    account: 'proj-b',
    user_id: 'alice',
  });
  expect(await cluster.run('scontrol', ['update', `JobId=${array}`, 'Account=proj-b'])).toMatchObject({ code: 0 });
  // For as many tasks as it ever had, until its story, which nobody advances here, has looked.
  expect((await holds()).map((amount) => amount.toFixed(6))).toEqual(['0.000000', '0.050000']);

  const running = await cluster.sbatch(['-A', 'proj-a', '-t', '2', '--wrap', 'sleep 600']);
  await cluster.jobIs(running, 'RUNNING');
  expect((await update(running, 'Account=proj-b')).code).not.toBe(0);
  expect(cluster.log('slurmctld', { match: new RegExp(`change of job ${running} refused`) })).toContain(
    'not waiting any more',
  );
  expect((await holds()).map((amount) => amount.toFixed(6))).toEqual(['0.020000', '0.050000']);
  await cluster.run('scancel', [String(array), String(running)]);
});

test("a stranger's change is refused by Slurm after the hook, and moves no money; an operator's is not asked about", async () => {
  const job = await pending('proj-a', 10);
  const holds = async () => [await heldBy('proj-a'), await heldBy('proj-b')];
  const before = await holds();
  const asBob = (...what: string[]) => cluster.run('scontrol', ['update', `JobId=${job}`, ...what], { user: 'bob' });
  expect((await asBob('Account=proj-b', 'TimeLimit=5')).stderr).toContain('Invalid user id');
  expect(await holds()).toEqual(before);
  const level = (name: string) =>
    cluster.ask('sacctmgr', ['-iQ', 'modify', 'user', 'bob', 'set', `adminlevel=${name}`], { user: 'root' });
  await level('Operator');
  expect(await asBob('TimeLimit=5')).toMatchObject({ code: 0 });
  expect(await holds()).toEqual(before);
  await level('None');
  await cluster.run('scancel', [String(job)]);
});

test("an administrator's own comment keeps the stamp", async () => {
  const job = await pending('proj-a', 1);
  const stamp = await stampOf(job);
  await cluster.ask('scontrol', ['update', `JobId=${job}`, 'AdminComment=watched'], { user: 'root' });
  expect(await stampOf(job)).toBe(`watched ${stamp}`);
  await cluster.run('scancel', [String(job)]);
});

test('a refused component of a heterogeneous job gives back what those before it held, at once', async () => {
  const before = await heldBy('proj-a');
  const args = ['-A', 'proj-a', '-t', '10', ':', '-A', 'proj-b', '-t', '100', '--wrap', 'true'];
  const no = await cluster.run('sbatch', args);
  expect(no.code).not.toBe(0);
  expect(no.stderr).toContain('Insufficient budget');
  expect(await heldBy('proj-a')).toBe(before);
});

test("the site's own script is asked first, and its no holds nothing", async () => {
  const before = await heldBy('proj-a');
  const no = await cluster.run('sbatch', ['-J', 'forbidden', '-A', 'proj-a', '--wrap', 'true']);
  expect(no.code).not.toBe(0);
  expect(no.stderr).toContain('not here');
  expect(await heldBy('proj-a')).toBe(before);
});

test('root is exempt: stamped, and nothing is held', async () => {
  const before = await heldBy('proj-a');
  const job = await cluster.sbatch(['-H', '--wrap', 'true'], { user: 'root' });
  expect(await stampOf(job)).toMatch(/^bursar:/);
  expect(await heldBy('proj-a')).toBe(before);
  await cluster.run('scancel', [String(job)], { user: 'root' });
});

test('while Bursar is away the failure policy decides, within the deadline, and the job is stamped all the same', async () => {
  const file = join(cluster.folder, 'etc/bursar/slurm.json');
  const config = readFileSync(file, 'utf8');
  const policy = join(cluster.folder, 'var/lib/bursar/policy.json');
  // A service that takes the connection and says nothing.
  const deaf = createServer(() => undefined);
  await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
  const address = deaf.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  try {
    writeFileSync(file, JSON.stringify({ ...JSON.parse(config), url: `http://127.0.0.1:${port}`, deadline_ms: 500 }));
    const began = Date.now();
    const closed = await cluster.run('sbatch', ['-A', 'proj-a', '--wrap', 'true']);
    expect(closed.stderr).toContain('Bursar, which keeps the budgets, cannot be asked now');
    // The rest is a busy machine's; without a deadline nobody is answered before ten seconds have passed.
    expect(Date.now() - began).toBeLessThan(6_000);
    writeFileSync(policy, JSON.stringify({ ...JSON.parse(readFileSync(policy, 'utf8')), failure_policy: 'open' }));
    const job = await pending('proj-a', 10);
    expect(await stampOf(job)).toMatch(/^bursar:/);
    const spooled = readFileSync(join(cluster.folder, 'var/spool/bursar/submit.ndjson'), 'utf8');
    expect(spooled.match(/"outcome":"(closed|open)"/g)).toEqual(['"outcome":"closed"', '"outcome":"open"']);
    expect(await update(job, 'TimeLimit=20')).toMatchObject({ code: 0 });
    const record = readFileSync(join(cluster.folder, 'var/spool/bursar/submit.ndjson'), 'utf8')
      .trim()
      .split('\n')
      .at(-1);
    const change: unknown = JSON.parse(record ?? '');
    expect(change).toMatchObject({ source: 'modify', job_id: job, outcome: 'open', changes: { time_limit: 20 } });
    const told = await cli.api.post('/api/v1/slurm/events', { cluster: 'heron', records: [change] });
    expect(told.body).toMatchObject({ recorded: 1, receipts: [{ job_id: String(job) }] });
    await cluster.run('scancel', [String(job)]);
  } finally {
    writeFileSync(file, config);
    deaf.close();
  }
  // The breaker is open for ten seconds; then it is asked again.
  await eventually(
    'the service is asked again',
    async () => {
      const job = await pending('proj-a', 1);
      await cluster.run('scancel', [String(job)]);
      return cluster.log('slurmctld', { match: /bursar/ }).includes('answers again');
    },
    60_000,
  );
});

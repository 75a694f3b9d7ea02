/** The cluster that the other tests stand on. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identify, isAlive } from '../../platform/embedded/processes';
import { eventually } from '../helpers/eventually';
import { startCluster, type SlurmCluster } from './cluster';

let cluster: SlurmCluster;
beforeAll(async () => {
  cluster = await startCluster({ name: 'first' });
});
afterAll(() => cluster?.stop());

test('a job on CPUs and one on GPUs run as who submitted them, and accounting has them', async () => {
  const cpu = await cluster.sbatch(['--wrap=id -un', '--output=said']);
  const gpu = await cluster.sbatch(['-p', 'gpu', '--gres=gpu:a100:2', '-A', 'proj-b', '--wrap=sleep 0'], {
    user: 'bob',
  });
  await cluster.jobIs(cpu, 'COMPLETED');
  await cluster.jobIs(gpu, 'COMPLETED');
  expect(await cluster.ask('cat', ['said'])).toBe('alice\n');
  // The controller knows of an end before accounting does.
  const job = await eventually(
    'accounting has its end',
    async () => {
      const [row] = await cluster.sacct(['User', 'Account', 'State', 'AllocTRES'], ['-X', '-j', String(gpu)]);
      return row?.State === 'COMPLETED' && row;
    },
    60_000,
  );
  expect(job).toMatchObject({ User: 'bob', Account: 'proj-b' });
  expect(job.AllocTRES).toContain('gres/gpu:a100=2');
});

test('a killed controller comes back on its port, and two clusters do not see each other', async () => {
  const other = await startCluster({ name: 'second', nodes: ['c1'] });
  try {
    const job = await other.sbatch(['--job-name=elsewhere']);
    await other.jobIs(job, 'RUNNING');
    await cluster.kill('slurmctld');
    await cluster.start('slurmctld');
    expect(await cluster.ask('squeue', ['-h', '--name=elsewhere'])).toBe('');
    expect(await other.ask('squeue', ['-h', '-o', '%A'])).toBe(`${job}\n`);
  } finally {
    await other.stop();
  }
  expect(existsSync(other.folder)).toBe(false);
});

test('the REST service answers who has a token', async () => {
  const { url, headers } = await cluster.rest();
  expect((await fetch(`${url}/slurm/v0.0.38/ping`, { headers })).status).toBe(200);
});

test('a daemon that cannot start is named, with the end of its log', async () => {
  await expect(startCluster({ nodes: ['c1'], extraConf: 'JobSubmitPlugins=lua' })).rejects.toThrow(
    /^slurmctld ended with 1.*job_submit/s,
  );
});

test('when the test is killed, whatever detached itself from it dies too, and its folder goes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bursar-keeper-'));
  const script = `setsid sh -c 'echo $$ > ${folder}/pid; exec sleep 600' & wait`;
  const order = { argv: ['/bin/sh', '-c', script], env: {}, cwd: '/', log: '/dev/null' };
  const program = `const { spawn } = require('node:child_process');
    const keeper = spawn('python3', ${JSON.stringify([join(__dirname, 'keeper.py'), folder])}, { stdio: ['pipe', 'ignore', 'inherit'], detached: true });
    keeper.stdin.write(${JSON.stringify(`${JSON.stringify(order)}\n`)});`;
  const test = spawn(process.execPath, ['-e', program], { stdio: 'ignore' });
  const runs = () => identify(Number(readFileSync(join(folder, 'pid'), 'utf8').trim()));
  const detached = await eventually('it runs', runs, 60_000);
  test.kill('SIGKILL');
  await eventually('it is gone', () => !isAlive(detached) && !existsSync(folder), 60_000);
});

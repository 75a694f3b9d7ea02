/** `bursar slurm install` on a real controller: from nothing to a denied sbatch, checked by the doctor, and back to nothing. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding } from '../../cli/slurm/doctor/finding';
import { startCli, type Ended, type TestCli } from '../cli/helpers/cli';
import { eventually } from '../helpers/eventually';
import { startCluster, type SlurmCluster } from './cluster';
import { bePatient } from './hooks';

let cli: TestCli;
let cluster: SlurmCluster;
beforeAll(async () => {
  [cli, cluster] = await Promise.all([startCli(), startCluster({ name: 'eagle', nodes: ['c1', 'g1'] })]);
  await cli.api.put('/api/v1/clusters/eagle', { time_zone: 'UTC', price_preset: 'none', default_partition: 'cpu' });
  for (const partition of ['cpu', 'gpu']) {
    const times = { max_time_seconds: 7200, default_time_seconds: 600 };
    await cli.api.put(`/api/v1/clusters/eagle/partitions/${partition}`, times);
  }
  await cli.api.post('/api/v1/rates', {
    cluster: 'eagle',
    resource: 'cpu',
    unit: 'USD',
    price: '0.36',
    starts_at: '2026-01-01T00:00:00Z',
    source: 'test',
  });
  await cli.api.account('proj-a', 100);
  await cli.api.account('proj-b', '0.01');
});
afterAll(async () => {
  await cluster.stop();
  await cli.stop();
});

const slurm = (command: string, ...more: string[]): Promise<Ended> =>
  cli.bursar('slurm', command, '--slurm-conf', cluster.conf, '--prefix', cluster.folder, ...more);
const works = async (ended: Promise<Ended>): Promise<string> => {
  const { code, out, err } = await ended;
  expect({ code, err, out }).toMatchObject({ code: 0 });
  return out;
};
const findings = async (...more: string[]): Promise<Finding[]> => {
  const { out } = await slurm('doctor', '--json', ...more);
  return (JSON.parse(out) as { findings: Finding[] }).findings;
};
const restart = async () => {
  await cluster.kill('slurmctld', 'SIGTERM');
  await cluster.start('slurmctld');
};
const relay = join('usr/lib/bursar/slurm/bursar-relay.py');

test('from nothing to a denied sbatch, and back', async () => {
  await works(slurm('install', '--cli-filter'));
  const patience = bePatient(cluster.folder);

  // The controller has not been restarted, and nobody has started the relay: the doctor says so.
  const early = await findings();
  expect(
    early
      .filter(({ state }) => state === 'failed')
      .map(({ check }) => check)
      .toSorted(),
  ).toEqual(['relay', 'slurmctld']);
  expect(early.find(({ check }) => check === 'slurmctld')?.mend).toContain('Restart slurmctld');

  await restart();
  const argv = [
    '/usr/bin/python3',
    join(cluster.folder, relay),
    '--config',
    join(cluster.folder, 'etc/bursar/slurm.json'),
  ];
  await cluster.launch('relay', argv, { user: 'slurm' });
  await eventually(
    'the doctor is content',
    async () => (await slurm('doctor', '--account', 'proj-a')).code === 0,
    90_000,
  );
  const all = await findings('--account', 'proj-a', '--partition', 'cpu');
  // A busy machine may be slow to answer.
  expect(all.filter(({ check, state }) => state !== 'ok' && check !== 'service')).toEqual([]);
  expect(all.map(({ check }) => check)).toEqual(
    expect.arrayContaining([
      'submission hook',
      'jobcomp hook',
      'hook key',
      'estimate key',
      'clock',
      'relay',
      'policy file',
      'cli_filter',
    ]),
  );
  expect((await cli.api.get('/api/v1/holds?status=open')).body).toEqual([]);

  // Yes: stamped, held, and the price was said.
  const said = await cluster.run('sbatch', ['--parsable', '-A', 'proj-a', '-t', '10', '--wrap', 'true']);
  expect(said).toMatchObject({ code: 0 });
  expect(said.stderr).toBe('sbatch: Up to 0.06 USD for 00:10:00 on eagle; the budget covers it.\n');
  const quiet = await cluster.run('sbatch', ['-Q', '-A', 'proj-a', '-t', '10', '--wrap', 'true']);
  expect(quiet).toMatchObject({ code: 0, stderr: '' });
  const job = Number.parseInt(said.stdout, 10);
  const { AdminComment: stamp } = await cluster.jobIs(job, 'COMPLETED');
  expect(stamp).toMatch(/^bursar:[0-9a-f]{32}$/);
  const ended = await eventually(
    'its start and its end have come through the spool',
    async () => {
      const { body } = await cli.api.get(`/api/v1/jobs/eagle/${job}`);
      return body.state === 'awaiting_cost' && body;
    },
    60_000,
  );
  expect(ended).toMatchObject({ account: 'proj-a', user_id: 'alice', partition: 'cpu' });

  // No: in the words of the service, from all three commands.
  for (const [command, ...args] of [
    ['sbatch', '--wrap', 'true'],
    ['srun', 'true'],
    ['salloc', 'true'],
  ] as const) {
    const no = await cluster.run(command, ['-A', 'proj-b', '-t', '60', ...args]);
    expect(no.code).not.toBe(0);
    expect(no.stderr).toMatch(/error: Insufficient budget: in account 'proj-b' 0\.01 USD is left/);
  }

  const spool = join(cluster.folder, 'var/spool/bursar');
  expect(existsSync(join(spool, 'rejected.ndjson')) ? readFileSync(join(spool, 'rejected.ndjson'), 'utf8') : '').toBe(
    '',
  );

  // Until the controller has been restarted the hooks stay whole, and say what they always do.
  expect(await works(slurm('uninstall'))).toContain('slurmctld runs with the hooks');
  const still = await cluster.run('sbatch', ['-A', 'proj-b', '-t', '60', '--wrap', 'true']);
  expect(still.stderr).toContain('Insufficient budget');
  await restart();
  await cluster.killProgram('relay', 'SIGTERM');
  // What was changed by hand would stay.
  patience.undo();
  await works(slurm('uninstall'));
  const plain = await cluster.sbatch(['-A', 'proj-b', '-t', '60', '--wrap', 'true']);
  const facts = await cluster.jobIs(plain, ['COMPLETED', 'RUNNING', 'PENDING']);
  expect(facts.AdminComment).toBeUndefined();
  expect(
    readdirSync(cluster.conf).filter((name) => /lua|bursar/.test(name) && !name.startsWith('slurm.conf.bursar-')),
  ).toEqual([]);
});

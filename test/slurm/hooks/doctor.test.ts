/** `bursar slurm doctor`: whatever is broken on purpose is found, with what to do. No controller runs here. */
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Finding } from '../../../cli/slurm/doctor/finding';
import { PACKAGE_ROOT } from '../../../platform/paths';
import { startCli, type TestCli } from '../../cli/helpers/cli';
import { removeScratch, scratchFolder } from '../../helpers/scratch';

let cli: TestCli;
let scratch: string;
let place: string;
let made = 0;
beforeAll(async () => {
  scratch = scratchFolder();
  // Else nobody but root could enter it.
  chmodSync(scratch, 0o755);
  cli = await startCli();
  await cli.api.account('lab', 1000);
});
beforeEach(async () => {
  place = join(scratch, String((made += 1)));
  mkdirSync(join(place, 'slurm'), { recursive: true });
  writeFileSync(join(place, 'slurm/slurm.conf'), 'ClusterName=x\nSlurmUser=slurm\n');
  await cli.api.put(`/api/v1/clusters/owl${made}`, { time_zone: 'UTC' });
  expect(await slurm('install', '--cluster', `owl${made}`, '--cli-filter')).toMatchObject({ code: 0, err: '' });
  // A busy machine is none of what is looked for here.
  for (const file of ['slurm.json', 'cli.json']) change(`etc/bursar/${file}`, { deadline_ms: 5000 });
  relaySays({});
});
afterAll(async () => {
  await cli.stop();
  await removeScratch(scratch);
});

const slurm = (command: string, ...more: string[]) =>
  cli.bursar('slurm', command, '--slurm-conf', join(place, 'slurm'), '--prefix', place, ...more);
const at = (path: string) => join(place, path);
const read = (path: string) => readFileSync(at(path), 'utf8');
const change = (path: string, more: object) =>
  writeFileSync(at(path), JSON.stringify({ ...(JSON.parse(read(path)) as object), ...more }));
const relaySays = (more: object) =>
  writeFileSync(
    at('var/lib/bursar/relay.json'),
    JSON.stringify({ pid: 1, at: Date.now() / 1000, backlog_bytes: 0, dropped: 0, rejected: 0, trouble: [], ...more }),
  );
/** What is not well, but for the controller, which does not run here. */
async function troubles(...more: string[]): Promise<string[]> {
  const { out, code } = await slurm('doctor', '--json', ...more);
  const { ok, findings } = JSON.parse(out) as { ok: boolean; findings: Finding[] };
  expect({ code, ok }).toEqual({ code: ok ? 0 : 1, ok: findings.every(({ state }) => state !== 'failed') });
  for (const { state, mend } of findings) expect(state === 'ok').toBe(mend === undefined);
  return findings
    .filter(({ check, state }) => state !== 'ok' && check !== 'slurmctld')
    .map(({ check, state, detail }) => `${state}: ${check}: ${detail}`.replaceAll(place, ''));
}

test('where all is well it says so, and what it has tried leaves nothing behind', async () => {
  const before = await cli.api.rowCounts();
  expect(await troubles('--account', 'lab', '--partition', 'cpu')).toEqual([]);
  expect((await cli.api.get('/api/v1/holds?status=open')).body).toEqual([]);
  expect((await cli.api.get('/api/v1/audit')).body).toMatchObject({ ok: true });
  expect((await cli.api.rowCounts()).holds).toBe((before.holds ?? 0) + 1);
  expect((await slurm('doctor')).out).toMatch(/slurmctld +unknown +/);
});

test('an account that cannot pay is an answer too', async () => {
  await cli.api.account('poor', '0.000001');
  const { out } = await slurm('doctor', '--account', 'poor', '--json');
  expect(out).toContain('Insufficient budget');
  expect(await troubles('--account', 'poor')).toEqual([]);
});

test('a service that is away, a key that is none, and clocks that differ', async () => {
  change('etc/bursar/slurm.json', { url: 'http://127.0.0.1:9' });
  expect(await troubles()).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^failed: service: .*:9 does not answer/),
      expect.stringMatching(/^failed: submission hook: the service was not reached/),
    ]),
  );
  change('etc/bursar/slurm.json', { url: cli.url });
  const [key] = (await cli.api.get('/api/v1/keys')).body.filter(
    ({ name }: { name: string }) => name === `owl${made}-hook`,
  ) as { key_id: string }[];
  await cli.works('key', 'revoke', key?.key_id ?? '');
  expect(await troubles()).toEqual(
    expect.arrayContaining([expect.stringMatching(/^failed: hook key: the service answered 401: .*revoked/)]),
  );

  const late = createServer((_request, response) => {
    response.setHeader('Date', new Date(Date.now() - 3_600_000).toUTCString());
    response.end('{"version":"0.0.9"}');
  });
  late.listen(0, '127.0.0.1');
  await once(late, 'listening');
  change('etc/bursar/slurm.json', { url: `http://127.0.0.1:${(late.address() as AddressInfo).port}` });
  expect(await troubles()).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^warning: version: the service is 0\.0\.9, this package is/),
      expect.stringMatching(/^warning: clock: this machine and the service are 3[56]\d\d s apart/),
    ]),
  );
  late.closeAllConnections();
  late.close();
});

test('files that are gone, changed, not read again, or not to be written', async () => {
  rmSync(at('usr/lib/bursar/slurm/epilog.sh'));
  appendFileSync(at('usr/lib/bursar/slurm/bursar-relay.py'), '# more\n');
  appendFileSync(at('slurm/jobcomp.lua'), '-- more\n');
  writeFileSync(at('slurm/slurm.conf'), 'ClusterName=x\nSlurmUser=slurm\n');
  chownSync(at('var/spool/bursar'), 0, 0);
  expect(await troubles()).toEqual(
    expect.arrayContaining([
      'failed: /usr/lib/bursar/slurm/epilog.sh: it is not there',
      'warning: /usr/lib/bursar/slurm/bursar-relay.py: it was changed since it was installed',
      expect.stringMatching(/^warning: \/slurm\/jobcomp.lua: it is not what version/),
      expect.stringMatching(/^failed: slurm.conf: .* does not say JobSubmitPlugins=lua, JobCompType=jobcomp\/lua/),
      'failed: rights: /var/spool/bursar cannot be written by slurm',
    ]),
  );
});

test('files that SlurmUser may not use, which root would never notice', async () => {
  chownSync(at('etc/bursar/slurm.json'), 0, 0);
  chownSync(at('etc/bursar/hook.key'), 0, 0);
  chmodSync(at('usr/lib/bursar/slurm/epilog.sh'), 0o644);
  expect(await troubles()).toEqual([
    'failed: rights: /etc/bursar/slurm.json cannot be read by slurm',
    'failed: rights: /etc/bursar/hook.key cannot be read by slurm',
    'failed: rights: /usr/lib/bursar/slurm/epilog.sh cannot be executed by slurm',
  ]);
  expect((await slurm('doctor')).out).toContain(`chown root:slurm ${at('etc/bursar/slurm.json')} && chmod 0640`);
  chmodSync(at('etc/bursar'), 0o700);
  expect(await troubles()).toContainEqual('failed: rights: slurm may not enter /etc/bursar');
});

test('a prolog that cannot do its work', async () => {
  writeFileSync(at('usr/lib/bursar/slurm/prolog.sh'), "#!/bin/sh\nspool='/nowhere'\nexit 0\n");
  expect(await troubles()).toContainEqual(expect.stringMatching(/^failed: prolog: it wrote no record/));
});

test('a configuration that lacks something or says what makes no sense is all that is said of it', async () => {
  change('etc/bursar/slurm.json', { url: 5, deadline_ms: 'soon', spool: undefined });
  expect(await troubles()).toEqual([
    'failed: configuration: /etc/bursar/slurm.json lacks spool; has 5 for url, which is an address (http://…); has "soon" for deadline_ms, which is a number above 0',
  ]);
  writeFileSync(at('etc/bursar/slurm.json'), '[]');
  expect(await troubles()).toEqual(['failed: configuration: /etc/bursar/slurm.json is no JSON object']);
  change('etc/bursar/slurm.json', {});
});

test('whoever is not root is told to be', () => {
  chmodSync(at('etc/bursar/slurm.json'), 0o600);
  for (const command of ['doctor', 'install', 'uninstall']) {
    const places = ['--slurm-conf', at('slurm'), '--prefix', place];
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(PACKAGE_ROOT, 'bin/bursar.js'), '--endpoint', cli.url, 'slurm', command, ...places],
      { encoding: 'utf8', uid: 65534, gid: 65534, env: { PATH: process.env.PATH, BURSAR_HOME: '/nonexistent' } },
    );
    expect({ command, status, stderr }).toEqual({
      command,
      status: 2,
      stderr: expect.stringMatching(/permission denied.*\n.*root/),
    });
  }
});

test('a script of the site that Slurm has not read', async () => {
  rmSync(at('slurm/job_submit.lua'));
  writeFileSync(at('slurm/job_submit.lua'), 'function slurm_job_submit() return slurm.SUCCESS end\n');
  await slurm('install', '--cluster', `owl${made}`, '--cli-filter');
  expect(await troubles()).toEqual([]);
  const { mtimeMs } = statSync(at('slurm/job_submit.lua'));
  utimesSync(at('slurm/job_submit.site.lua'), mtimeMs / 1000 + 60, mtimeMs / 1000 + 60);
  expect(await troubles()).toEqual([
    'warning: /slurm/job_submit.lua: job_submit.site.lua is newer, and Slurm has not read it',
  ]);
});

test('a relay that is silent, in trouble or behind, and a policy file that is old or none', async () => {
  relaySays({
    at: Date.now() / 1000 - 600,
    backlog_bytes: 5_000_000,
    dropped: 3,
    rejected: 1,
    trouble: [{ what: 'send the spool', why: 'HTTP 503' }],
  });
  change('var/lib/bursar/policy.json', { fetched_at: 1 });
  const found = await troubles();
  expect(found).toEqual([
    expect.stringMatching(/^failed: relay: it has said nothing for 6\d\d s/),
    'failed: relay: cannot send the spool: HTTP 503',
    'warning: backlog: 5000000 bytes wait to be sent',
    'warning: spool: 3 records were dropped because it was full',
    'warning: spool: 1 records could not be taken',
    expect.stringMatching(/^warning: policy file: \d+ s old; with the service away: closed/),
  ]);
  rmSync(at('var/lib/bursar/policy.json'));
  rmSync(at('var/lib/bursar/relay.json'));
  expect(await troubles()).toEqual([
    'failed: relay: it has never run',
    expect.stringMatching(/^failed: policy file: .* with the service away every job is refused/),
  ]);
});

test('a submit host without the script refuses every job, and a key that can more than estimate is for nobody to read', async () => {
  expect(await troubles('--submit-host')).toEqual([]);
  change('etc/bursar/cli.json', { token: read('etc/bursar/hook.key').trim() });
  expect(await troubles('--submit-host')).toEqual([
    'failed: estimate key: it may do more than ask for prices, and every user can read it',
  ]);
  rmSync(at('slurm/cli_filter.lua'));
  expect(await troubles('--submit-host')).toEqual([
    'failed: cli_filter: /slurm/cli_filter.lua is not there, and slurm.conf asks for it: sbatch refuses every job',
  ]);
});

test('where nothing is installed it says what to do', async () => {
  rmSync(at('etc/bursar'), { recursive: true });
  const { code, out } = await slurm('doctor');
  expect({ code, out }).toEqual({ code: 1, out: expect.stringContaining('bursar slurm install') });
});

test('a total of the hour that keeps jobs out, of a clock that was ahead or cut off, is named with what mends it', async () => {
  const file = 'var/lib/bursar/policy.json.hour';
  const hour = Math.floor(Date.now() / 3_600_000);
  const write = (of: number, micro: object) => writeFileSync(at(file), JSON.stringify({ hour: of, micro }));
  write(hour - 1, { cluster: 4_999_999 });
  expect(await troubles()).toEqual([]);
  write(598_816, { cluster: 4_999_999 });
  expect(await troubles()).toEqual([
    expect.stringMatching(
      /^warning: hour file: .* counts the hour of 2038-04-24T16:00Z, by a clock that was far ahead/,
    ),
  ]);
  expect((await slurm('doctor')).out).toContain(`\`rm ${at(file)}\` begins the hour anew`);
  write(hour + 2, {});
  expect(await troubles()).toEqual([expect.stringContaining('which is to come')]);
  writeFileSync(at(file), '{"hou');
  expect(await troubles()).toEqual([expect.stringContaining('cannot be read')]);
});

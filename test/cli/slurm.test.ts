/** `bursar slurm`: what it writes on a machine of Slurm's, and that it takes back exactly that. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { removeScratch, scratchFolder } from '../helpers/scratch';
import { runBursar, startCli, type Ended, type TestCli } from './helpers/cli';

let cli: TestCli;
let scratch: string;
let place: string;
let made = 0;
beforeAll(async () => {
  scratch = scratchFolder();
  cli = await startCli();
});
beforeEach(async () => {
  place = join(scratch, String((made += 1)));
  mkdirSync(join(place, 'slurm'), { recursive: true });
  conf(SLURM_CONF);
  await cli.api.put(`/api/v1/clusters/eagle${made}`, { time_zone: 'Europe/Berlin' });
});
afterAll(async () => {
  await cli.stop();
  await removeScratch(scratch);
});

const SLURM_CONF = `ClusterName=whatever
SlurmUser=${userInfo().username}
# The plugins of this site
SelectType=select/cons_tres
`;
const conf = (text: string) => writeFileSync(join(place, 'slurm/slurm.conf'), text);
const read = (path: string) => readFileSync(join(place, path), 'utf8');
const slurm = (...args: string[]): Promise<Ended> => {
  const [command = '', ...more] = args;
  return cli.bursar('slurm', command, '--slurm-conf', join(place, 'slurm'), '--prefix', place, ...more);
};
const install = (...more: string[]) => slurm('install', '--cluster', `eagle${made}`, ...more);
/** Every file below the place, with what is in it. */
const everything = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(place, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(place.length + 1), readFileSync(path, 'utf8')]),
  );
const keyNames = async () => {
  const keys = (await cli.api.get('/api/v1/keys')).body as { name: string; status: string }[];
  return keys
    .filter(({ name, status }) => name.startsWith(`eagle${made}-`) && status === 'active')
    .map(({ name }) => name);
};
const works = async (ended: Promise<Ended>): Promise<Ended> => {
  const { code, err } = await ended;
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return ended;
};

test('a dry run shows everything and writes nothing', async () => {
  const before = everything();
  const { out } = await works(install('--dry-run', '--cli-filter'));
  expect(out).toContain('+JobSubmitPlugins=lua\n+JobCompType=jobcomp/lua\n');
  expect(out).toContain(`new      ${join(place, 'slurm/job_submit.lua')}  0644 root:root`);
  expect(out).toContain(`key      eagle${made}-estimate (estimate)`);
  expect(everything()).toEqual(before);
  expect((await cli.api.get('/api/v1/keys')).body).toEqual([]);
});

test('it writes hooks with this site’s paths, keys that only root and Slurm read, and a block into slurm.conf', async () => {
  const { out } = await works(install('--cli-filter'));
  expect(out).toContain('Restart slurmctld');
  expect(read('slurm/slurm.conf')).toBe(`${SLURM_CONF}
# BEGIN bursar: written by \`bursar slurm install\`, taken out by \`bursar slurm uninstall\`
JobSubmitPlugins=lua
JobCompType=jobcomp/lua
PrologSlurmctld=${place}/usr/lib/bursar/slurm/prolog.sh
EpilogSlurmctld=${place}/usr/lib/bursar/slurm/epilog.sh
CliFilterPlugins=lua
# END bursar
`);
  const config = JSON.parse(read('etc/bursar/slurm.json')) as Record<string, string>;
  expect(config).toMatchObject({
    url: cli.url,
    cluster: `eagle${made}`,
    deadline_ms: 500,
    spool: join(place, 'var/spool/bursar'),
    token_file: join(place, 'etc/bursar/hook.key'),
  });
  expect(read('slurm/job_submit.lua')).toContain(`"${place}/etc/bursar/slurm.json"`);
  expect(read('slurm/job_submit.lua')).not.toContain('dofile(PLACE');
  expect(read('usr/lib/bursar/slurm/epilog.sh')).toContain(`spool='${place}/var/spool/bursar'`);
  expect(read('etc/systemd/system/bursar-relay.service')).toContain(
    `-B ${place}/usr/lib/bursar/slurm/bursar-relay.py\n`,
  );
  for (const [path, mode] of Object.entries({
    'etc/bursar/hook.key': 0o640,
    'etc/bursar/slurm.json': 0o640,
    'etc/bursar/cli.json': 0o644,
    'var/spool/bursar': 0o750,
    'usr/lib/bursar/slurm/prolog.sh': 0o755,
  })) {
    expect([path, (statSync(join(place, path)).mode & 0o777).toString(8)]).toEqual([path, mode.toString(8)]);
  }
  const keys = (await cli.api.get('/api/v1/keys')).body as { name: string; scope: string; cluster?: string }[];
  expect(keys).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ name: `eagle${made}-hook`, scope: 'hook', cluster: `eagle${made}` }),
      expect.objectContaining({ name: `eagle${made}-estimate`, scope: 'estimate' }),
    ]),
  );
  expect(JSON.parse(read('var/lib/bursar/policy.json'))).toMatchObject({
    cluster: `eagle${made}`,
    failure_policy: 'closed',
  });
  for (const script of ['prolog.sh', 'epilog.sh'])
    execFileSync('sh', ['-n', join(place, 'usr/lib/bursar/slurm', script)]);
  // It runs from there, and root who tries it by hand leaves nothing behind that nobody would take back.
  const relay = join(place, 'usr/lib/bursar/slurm/bursar-relay.py');
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '' };
  expect(execFileSync('python3', [relay, '--version'], { env, encoding: 'utf8' })).toMatch(/^bursar-relay \d+\n$/);
  expect(readdirSync(join(place, 'usr/lib/bursar/slurm/relay')).filter((name) => !name.endsWith('.py'))).toEqual([]);
});

test('installing again changes nothing, keeps what the site has set, and leaves out what is not wanted any more', async () => {
  await works(install('--cli-filter'));
  const first = everything();
  const again = await works(install('--cli-filter'));
  expect(again.out).toContain('Installed already; nothing has changed.');
  const { 'var/lib/bursar/policy.json': _policy, ...same } = everything();
  expect(same).toEqual(Object.fromEntries(Object.entries(first).filter(([path]) => !path.endsWith('policy.json'))));

  const config = JSON.parse(read('etc/bursar/slurm.json')) as object;
  writeFileSync(join(place, 'etc/bursar/slurm.json'), JSON.stringify({ ...config, deadline_ms: 250 }));
  const { out } = await works(install('--without', 'prolog', 'cli-filter'));
  expect(out).toContain(`revoked  eagle${made}-estimate`);
  expect(await keyNames()).toEqual([`eagle${made}-hook`]);
  expect(JSON.parse(read('etc/bursar/slurm.json'))).toMatchObject({ deadline_ms: 250 });
  expect(read('slurm/slurm.conf')).toMatch(/JobSubmitPlugins=lua\nJobCompType=jobcomp\/lua\n# END bursar/);
  expect(existsSync(join(place, 'slurm/cli_filter.lua'))).toBe(false);
  expect(existsSync(join(place, 'usr/lib/bursar/slurm/prolog.sh'))).toBe(false);
});

test('what it was told goes on when it is run again, until something else is said', async () => {
  await works(install('--cli-filter', '--without', 'jobcomp', '--hook-url', 'http://127.0.0.2:1'));
  conf(`${read('slurm/slurm.conf')}JobCompType=jobcomp/filetxt\n`);
  const before = everything();
  const { out } = await works(slurm('install'));
  expect(out).toContain('Installed already; nothing has changed.');
  expect({ ...everything(), 'var/lib/bursar/policy.json': '' }).toEqual({
    ...before,
    'var/lib/bursar/policy.json': '',
  });
  expect(await slurm('install', '--with', 'jobcomp')).toMatchObject({
    code: 1,
    err: expect.stringContaining('JobCompType=jobcomp/filetxt'),
  });
});

test('a key that does not work any more is made anew, under another name', async () => {
  await works(install());
  const old = read('etc/bursar/hook.key');
  await cli.works('key', 'revoke', `eagle${made}-hook`);
  writeFileSync(join(place, 'etc/bursar/hook.key'), 'bursar_lost\n');
  await works(install());
  expect(read('etc/bursar/hook.key')).not.toBe(old);
  expect(read('etc/bursar/hook.key')).not.toBe('bursar_lost\n');
});

test('lines of the site that stand in the way are all named, with what to do, and nothing is written', async () => {
  writeFileSync(join(place, 'slurm/more.conf'), 'JobCompType = jobcomp/elasticsearch # logs\n');
  conf(`${SLURM_CONF}JobSubmitPlugins=all_partitions\nInclude more.conf\nPrologSlurmctld=/opt/site/\\\nprolog\n`);
  const before = everything();
  const { code, err } = await install();
  expect(code).toBe(1);
  expect(err).toContain('3 lines of slurm.conf are in the way. Nothing was written.');
  expect(err).toContain(
    'slurm.conf:5: JobSubmitPlugins=all_partitions: write JobSubmitPlugins=all_partitions,lua there',
  );
  expect(err).toContain('more.conf:1: JobCompType=jobcomp/elasticsearch: Slurm has one of them at a time');
  expect(err).toContain('PrologSlurmctld=/opt/site/prolog: let that script run');
  expect(everything()).toEqual(before);

  conf(`${SLURM_CONF}JobSubmitPlugins=all_partitions,lua\n`);
  await works(install('--without', 'prolog', 'jobcomp'));
  expect(read('slurm/slurm.conf')).not.toContain('bursar');
});

test('a script of the site is kept and asked first, and gets its name back', async () => {
  const own = 'function slurm_job_submit() return slurm.SUCCESS end\n';
  writeFileSync(join(place, 'slurm/job_submit.lua'), own);
  const before = everything();
  await works(install());
  await works(install());
  expect(read('slurm/job_submit.site.lua')).toBe(own);
  expect(read('slurm/job_submit.lua')).toContain(`local SITE = "${place}/slurm/job_submit.site.lua"`);
  await works(slurm('uninstall'));
  const { backups, rest } = withoutBackups();
  expect(rest).toEqual(before);
  expect(backups).toEqual([SLURM_CONF]);
});

/** Backups of slurm.conf stay, for people. */
function withoutBackups(): { backups: string[]; rest: Record<string, string> } {
  const [backups, rest] = [[] as string[], {} as Record<string, string>];
  for (const [path, text] of Object.entries(everything())) {
    if (path.includes('slurm.conf.bursar-')) backups.push(text);
    else rest[path] = text;
  }
  return { backups, rest };
}

test('uninstalling takes back what was written, keys included, and nothing that was changed since', async () => {
  mkdirSync(join(place, 'var/spool'), { recursive: true });
  const before = everything();
  await works(install('--cli-filter'));
  const more = '# a line that came later\n';
  conf(read('slurm/slurm.conf') + more);
  writeFileSync(join(place, 'slurm/jobcomp.lua'), '-- ours now\n');
  const dry = await works(slurm('uninstall', '--dry-run'));
  expect(dry.out).toContain(`would go  ${place}/slurm/job_submit.lua`);
  expect(existsSync(join(place, 'slurm/job_submit.lua'))).toBe(true);
  const { out } = await works(slurm('uninstall'));
  expect(out).toContain(`kept     ${place}/slurm/jobcomp.lua`);
  expect(withoutBackups().rest).toEqual({
    ...before,
    'slurm/slurm.conf': SLURM_CONF + more,
    'slurm/jobcomp.lua': '-- ours now\n',
  });
  // What install made is gone, with the folders around it; what was there stays, and be it empty.
  expect([readdirSync(place).toSorted(), readdirSync(join(place, 'var'))]).toEqual([['slurm', 'var'], ['spool']]);
  expect(await keyNames()).toEqual([]);
  expect(await slurm('uninstall')).toMatchObject({ code: 1, err: expect.stringContaining('nothing is installed') });
});

test('while the controller runs with the hooks only slurm.conf is changed, until it was restarted or somebody insists', async () => {
  await works(install());
  const bin = join(place, 'bin');
  mkdirSync(bin);
  const controllerHas = (...lines: string[]) =>
    writeFileSync(join(bin, 'scontrol'), `#!/bin/sh\nprintf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')}\n`, {
      mode: 0o755,
    });
  const uninstall = (...more: string[]) =>
    runBursar(['slurm', 'uninstall', '--slurm-conf', join(place, 'slurm'), '--prefix', place, ...more], {
      endpoint: cli.url,
      env: { PATH: `${bin}:/usr/bin:/bin` },
    });
  controllerHas('JobCompType             = jobcomp/lua', 'JobSubmitPlugins        = lua');
  const files = () => Object.keys(withoutBackups().rest).filter((path) => path !== 'slurm/slurm.conf');
  const installed = [files(), await keyNames()];
  const dry = await works(uninstall('--dry-run'));
  expect(dry.out).toContain(
    'Only slurm.conf would be changed: slurmctld runs with the hooks (JobSubmitPlugins, JobCompType)',
  );
  expect(read('slurm/slurm.conf')).toContain('JobSubmitPlugins=lua');

  const { out } = await works(uninstall());
  expect(out).toContain('Restart slurmctld (systemctl restart slurmctld), then run `bursar slurm uninstall` again.');
  expect([files(), await keyNames()]).toEqual(installed);
  expect(read('slurm/slurm.conf')).toBe(SLURM_CONF);
  expect(await uninstall()).toMatchObject({
    code: 1,
    err: expect.stringContaining('Nothing was removed: slurmctld runs'),
  });
  expect([files(), await keyNames()]).toEqual(installed);

  // A site that has the plugin for a script of its own has it still.
  conf(`${SLURM_CONF}JobSubmitPlugins=lua\n`);
  controllerHas('JobCompType             = jobcomp/none', 'JobSubmitPlugins        = lua');
  const done = await works(uninstall());
  expect(done.out).toMatch(/kept {5}.*slurm\.conf\.bursar-\S+: slurm\.conf as it was/);
  expect(files()).toEqual(['bin/scontrol']);

  conf(SLURM_CONF);
  await works(install());
  controllerHas('JobSubmitPlugins        = lua');
  expect((await works(uninstall('--force'))).out).toContain('it refuses every submission');
  expect(files()).toEqual(['bin/scontrol']);
});

test('records that have not reached the service are not thrown away by mistake', async () => {
  await works(install());
  writeFileSync(join(place, 'var/spool/bursar/jobcomp.ndjson'), '\n{"source":"jobcomp"}\n');
  expect(await slurm('uninstall')).toMatchObject({
    code: 1,
    err: expect.stringContaining('have not reached the service'),
  });
  await works(slurm('uninstall', '--force'));
  expect(existsSync(join(place, 'var/spool/bursar'))).toBe(false);
});

test('what cannot be is said before anything is written', async () => {
  expect(await install('--hook-url', 'https://budget.example.org')).toMatchObject({
    code: 2,
    err: expect.stringContaining('speak plain HTTP'),
  });
  for (const more of [[], ['--dry-run']]) {
    const unknown = await slurm('install', '--cluster', 'nowhere', ...more);
    expect(unknown).toMatchObject({ code: 4, err: expect.stringContaining('There is no cluster "nowhere"') });
  }
  expect(await install('--slurm-user', 'nobody-of-that-name')).toMatchObject({ code: 2 });
  rmSync(join(place, 'slurm/slurm.conf'));
  expect(await install()).toMatchObject({ code: 2, err: expect.stringContaining('There is no') });
  expect(readdirSync(place)).toEqual(['slurm']);
});

test.each(['slurm/slurm.conf', 'slurm/eagle.conf'])('--slurm-conf may name the file: %s', async (named) => {
  rmSync(join(place, 'slurm/slurm.conf'));
  const command = (name: string, file: string, ...more: string[]) =>
    cli.bursar('slurm', name, '--slurm-conf', join(place, file), '--prefix', place, ...more);
  const missing = await command('install', named);
  expect(missing).toMatchObject({ code: 2, err: expect.stringContaining(`There is no ${join(place, named)}.\n`) });
  writeFileSync(join(place, named), SLURM_CONF);
  await works(command('install', named, '--cluster', `eagle${made}`));
  expect(read(named)).toContain('JobSubmitPlugins=lua');
  expect(existsSync(join(place, 'slurm/job_submit.lua'))).toBe(true);
  await works(command('uninstall', named));
  expect(read(named)).toBe(SLURM_CONF);
});

test('`asbb slurm configure` is the same command', async () => {
  const { code, out } = await cli.asbb(
    'slurm',
    'configure',
    '--slurm-conf',
    join(place, 'slurm'),
    '--prefix',
    place,
    '--cluster',
    `eagle${made}`,
    '--dry-run',
  );
  expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('Nothing is written.') });
});

test('below a root the paths that are written do not know of it', async () => {
  const root = join(place, 'root');
  mkdirSync(join(root, 'etc/slurm'), { recursive: true });
  writeFileSync(join(root, 'etc/slurm/slurm.conf'), SLURM_CONF);
  await works(
    cli.bursar('slurm', 'install', '--root', root, '--slurm-conf', '/etc/slurm', '--cluster', `eagle${made}`),
  );
  expect(read('root/etc/bursar/slurm.json')).toContain('"spool": "/var/spool/bursar"');
  expect(read('root/etc/slurm/slurm.conf')).toContain('PrologSlurmctld=/usr/lib/bursar/slurm/prolog.sh\n');
});

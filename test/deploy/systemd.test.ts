/** The units, by systemd itself where it is on this machine, and by reading them anywhere. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig, searchPath } from '../../platform/config';
import { findProgram } from '../../platform/embedded/go-install';
import { PACKAGE_ROOT } from '../../platform/paths';

const FOLDER = join(PACKAGE_ROOT, 'deploy/systemd');
const units = readdirSync(FOLDER).filter((name) => /\.(service|target)$/.test(name));
/** The relay runs beside Slurm's controller, as its user, and is none of the processes of the service. */
const services = units.filter((name) => name.endsWith('.service') && name !== 'bursar-relay.service');
const read = (name: string) => readFileSync(join(FOLDER, name), 'utf8');

/** `Service.ExecStart` and the like, with its values. */
function settingsOf(name: string): Map<string, string[]> {
  const settings = new Map<string, string[]>();
  let section = '';
  for (const line of read(name).split('\n')) {
    const heading = /^\[(\w+)\]$/.exec(line)?.[1];
    if (heading !== undefined) section = heading;
    if (heading !== undefined || /^(#.*)?$/.test(line)) continue;
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined) throw new Error(`${name}: ${line}`);
    settings.set(`${section}.${key}`, [...(settings.get(`${section}.${key}`) ?? []), value]);
  }
  return settings;
}

const analyze = findProgram('systemd-analyze', searchPath());

test(`${analyze === undefined ? 'read by this test' : 'read by systemd-analyze'}, the units have no mistake`, () => {
  expect(units.sort()).toEqual([
    'bursar-api.service',
    'bursar-dispatcher.service',
    'bursar-relay.service',
    'bursar-worker.service',
    'bursar.target',
  ]);
  for (const name of units)
    expect([...settingsOf(name).keys()].every((key) => /^(Unit|Service|Install)\./.test(key))).toBe(true);
  if (analyze === undefined) return;
  const { stdout, stderr } = spawnSync(analyze, ['verify', ...units.map((name) => join(FOLDER, name))], {
    encoding: 'utf8',
  });
  // Where Node is, is the site's affair.
  const said = `${stdout}${stderr}`
    .split('\n')
    .filter(
      (line) =>
        line !== '' && !/(\/usr\/bin\/node|\/usr\/lib\/bursar\/slurm\/bursar-relay\.py).* not executable/.test(line),
    );
  expect(said).toEqual([]);
});

test.each(services)('%s runs a program that the package has, as a user of its own, and reloads by SIGHUP', (name) => {
  const settings = settingsOf(name);
  const [program] = /(?<=node_modules\/bursar\/dist\/)\S+/.exec(settings.get('Service.ExecStart')?.[0] ?? '') ?? [];
  expect(existsSync(join(PACKAGE_ROOT, program?.replace(/\.js$/, '.ts') ?? 'nothing'))).toBe(true);
  expect(settings.get('Service.User')).toEqual(['bursar']);
  expect(settings.get('Service.ExecReload')).toEqual(['/bin/kill -HUP $MAINPID']);
  expect(settings.get('Unit.PartOf')).toEqual(['bursar.target']);
  expect(settings.get('Install.WantedBy')).toEqual(['bursar.target']);
  // Else it would be killed while it finishes what it was asked.
  expect(Number(settings.get('Service.TimeoutStopSec')?.[0]) * 1000).toBeGreaterThan(
    readConfig([], {}).shutdownTimeoutMs,
  );
});

test('all are confined alike', () => {
  const confinement = (name: string) =>
    read(name).split('needs nothing else of this machine.')[1]?.split('[Install]')[0];
  expect(confinement('bursar-api.service')).toContain('ProtectSystem=strict');
  for (const name of services) expect(confinement(name)).toBe(confinement('bursar-api.service'));
});

test('the example of their environment is a configuration without a mistake', () => {
  const lines = read('bursar.env.example').split('\n');
  const set = (pattern: RegExp) =>
    Object.fromEntries(
      lines
        .map((line) => pattern.exec(line))
        .filter((found) => found !== null)
        .map(([, name = '', value = '']) => [name, value]),
    );
  const env = {
    ...set(/^#?([A-Z_]+)=(.*)$/),
    DATABASE_URL: 'postgres://bursar@db.example.org/bursar',
    HOME: '/nowhere',
  };
  expect(set(/^([A-Z_]+)=(.*)$/).DATABASE_URL).toMatch(/^file:/);
  expect(readConfig(['databaseUrl', 'temporalAddress'], env).warnings).toEqual([]);
});

/** What variables make of a configuration: all mistakes at once, and no secret in anything that is printed. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { clientSettings, readConfig, readSettings } from '../../platform/config';
import { shownValues } from '../../platform/config/render';
import { connectPostgres } from '../../platform/postgres';
import { scratchFolder } from '../helpers/scratch';
import { mistakesOf, openConfigFolder, read } from './configuring';

const { fileWith, found } = openConfigFolder();

test('nothing set at all is a good configuration', () => {
  const config = read({});
  expect(config).toMatchObject({
    host: '127.0.0.1',
    port: 8080,
    temporalNamespace: 'default',
    defaultCluster: 'default',
  });
  expect(config.home).toMatch(/\/\.bursar$/);
  expect(config.databaseUrl).toBeUndefined();
});

test('every mistake is named at once, each with what to write instead', () => {
  const mistakes = mistakesOf(
    {
      BURSAR_PORT: 'eighty',
      BURSAR_HOST: 'all of them',
      BURSAR_HOST_NAMES: 'bursar.example.org,,',
      BURSAR_LOG_LEVEL: 'loud',
      BURSAR_TIME_ZONE: 'Mars/Olympus',
      BURSAR_POOL_SIZE: '0',
      TEMPORAL_ADDRESS: 'http://temporal',
      DATABASE_URL: 'mysql://me:hunter2@db/x',
    },
    ['databaseUrl', 'temporalAddress'],
  );
  expect(mistakes).toHaveLength(8);
  expect(mistakes).toEqual(
    expect.arrayContaining([
      'BURSAR_PORT cannot be "eighty": it must be a port number, 0 to 65535 (0 takes any free one)',
      expect.stringContaining('BURSAR_HOST cannot be "all of them"'),
      expect.stringContaining('Europe/Berlin'),
      expect.stringContaining('host:port'),
    ]),
  );
  expect(mistakes.join()).not.toContain('hunter2');
});

test('what a process cannot do without is a mistake when it is missing, in the same message', () => {
  expect(mistakesOf({ BURSAR_PORT: '-1' }, ['databaseUrl', 'temporalAddress'])).toEqual([
    expect.stringContaining('BURSAR_PORT'),
    expect.stringContaining('DATABASE_URL is missing'),
    expect.stringContaining('TEMPORAL_ADDRESS is missing'),
  ]);
});

test('an empty variable is one that is not set', () => {
  expect(read({ BURSAR_PORT: '', DATABASE_URL: '' })).toMatchObject({ port: 8080, portIsChosen: false });
});

test('a wrong address of the database is not repeated, however it is written', () => {
  for (const dsn of ['host=db password=hunter2', 'mysql://me:hunter2@db/x', 'env:NOBODY']) {
    const mistakes = mistakesOf({ ASBB_DATABASE_DSN: dsn });
    expect(mistakes).toEqual([expect.stringContaining('ASBB_DATABASE_DSN')]);
    expect(mistakes.join()).not.toContain('hunter2');
  }
});

test('an address whose password would be shown in part is refused', () => {
  for (const dsn of [
    'postgres://me:p@hunter2/x@db/bursar',
    'postgres://me:12#hunter2@db/bursar',
    'postgres://me:12/hunter2@db/bursar',
    'postgres://me:12?hunter2@db/bursar',
  ]) {
    const mistakes = mistakesOf({ DATABASE_URL: dsn });
    expect(mistakes).toEqual([expect.stringMatching(/^DATABASE_URL .* \/ \? # are written %2F %3F %23$/)]);
    expect(mistakes.join()).not.toContain('hunter2');
  }
  for (const dsn of ['postgres://me:p@12@db/bursar', 'postgres:///bursar?host=/tmp&user=a', 'postgres://me:a%2Fb@db/x'])
    expect(mistakesOf({ DATABASE_URL: dsn })).toEqual([]);
});

test('however it is printed, no password is in it', () => {
  const config = read({ DATABASE_URL: 'postgres://bursar:hunter2@db:5432/bursar?sslpassword=hunter2' });
  expect(config.databaseUrl).toContain('hunter2');
  // oxlint-disable-next-line typescript/no-base-to-string -- it has a toString of its own, which is what is tested
  for (const printed of [JSON.stringify(config), String(config), inspect(config), inspect({ config })]) {
    expect(printed).not.toContain('hunter2');
    expect(printed).toContain('db:5432/bursar');
  }
});

test('the headers of an advisor are a group in the file, and no key or header is ever printed', () => {
  const file = fileWith('advisor:\n  api_key: hunter2\n  headers:\n    X-Site: hpc\n    X-Token: hunter3\n');
  const config = readConfig([], {}, { file });
  expect(config.integration.advisor.headers).toEqual({ 'X-Site': 'hpc', 'X-Token': 'hunter3' });
  const shown = JSON.stringify(shownValues(readSettings({}, { file })));
  // oxlint-disable-next-line typescript/no-base-to-string -- it has a toString of its own, which is what is tested
  for (const printed of [JSON.stringify(config), String(config), inspect(config), shown]) {
    expect(printed).not.toMatch(/hunter/);
  }
  expect(found('advisor:\n  headers:\n    Host: x\n').mistakes).toEqual([
    expect.stringContaining(':2: advisor.headers cannot be what it is now: it must be a group of header names'),
  ]);
  expect(found('advisor:\n  url: http://me:hunter2@a\n  headers: [x]\n').mistakes.join()).not.toContain('hunter2');
});

test('a configuration does not change after it was read', () => {
  const config = read({});
  expect(() => Object.assign(config, { port: 1 })).toThrow(TypeError);
});

test('a slip of the pen is warned about, what Kubernetes adds is not', () => {
  const { warnings } = read({
    BURSAR_PROT: '1',
    BURSAR_SERVICE_HOST: '10.0.0.1',
    BURSAR_PORT_8080_TCP: 'tcp://10.0.0.1',
  });
  expect(warnings).toEqual([expect.stringContaining('BURSAR_PROT is no setting of Bursar')]);
});

test('a client finds the API by BURSAR_URL, else by the port', () => {
  const home = '/nonexistent';
  expect(clientSettings({ BURSAR_HOME: home, BURSAR_URL: 'https://budget.example.org/' }).url).toBe(
    'https://budget.example.org',
  );
  expect(clientSettings({ BURSAR_HOME: home, BURSAR_PORT: '9000' }).url).toBe('http://127.0.0.1:9000');
  expect(clientSettings({ BURSAR_HOME: home }).url).toBe('http://127.0.0.1:8080');
});

test('a port that is named goes before what runs in the home, and 0, which names none, does not', () => {
  const home = scratchFolder();
  writeFileSync(join(home, 'stack.json'), JSON.stringify({ addresses: { api: 'http://127.0.0.1:18480' } }));
  expect(clientSettings({ BURSAR_HOME: home, BURSAR_PORT: '19999' }).url).toBe('http://127.0.0.1:19999');
  for (const port of ['0', '', undefined]) {
    expect(clientSettings({ BURSAR_HOME: home, BURSAR_PORT: port }).url).toBe('http://127.0.0.1:18480');
  }
});

test('a secret that is no address is printed nowhere', () => {
  const secret = 'hunter2-hunter2-hunter2-hunter2-hunter2';
  const env = { BURSAR_AUTH_ENABLED: 'true', BURSAR_AUTH_JWT_SECRET: secret };
  const config = readConfig([], env, { file: '/dev/null' });
  const shown = shownValues(readSettings(env, { file: '/dev/null' }));
  for (const printed of [JSON.stringify(config), inspect(config, { depth: 9 }), JSON.stringify(shown)]) {
    expect(printed).not.toContain('hunter2');
  }
  expect(shown).toContainEqual(expect.objectContaining({ key: 'auth.jwt_secret', value: '***', secret: true }));
});

test('without a host, as ASBB has it by default, every address of the machine is meant', () => {
  const file = fileWith('service:\n  listen_addr: ":8080"\n');
  expect(readConfig([], {}, { file })).toMatchObject({ host: '0.0.0.0', port: 8080 });
});

test('BURSAR_HOST and BURSAR_PORT each replace their part of listen_addr', () => {
  const file = fileWith('service:\n  listen_addr: 127.0.0.2:9000\n');
  expect(readConfig([], { BURSAR_PORT: '1' }, { file })).toMatchObject({ host: '127.0.0.2', port: 1 });
  expect(readConfig([], { BURSAR_HOST: '::1' }, { file })).toMatchObject({ host: '::1', port: 9000 });
});

test('the lifetime of database connections reaches the pool', () => {
  const url = 'postgres://nobody@127.0.0.1:1/x';
  expect(connectPostgres({ url, lifetimeSeconds: 300 }).options.max_lifetime).toBe(300);
  expect(connectPostgres({ url }).options.max_lifetime).toBeNull();
});

/** The configuration file: where it is looked for, what goes before what, its mistakes by line, and how it is shown. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configArgument, readConfig, readSettings } from '../../platform/config';
import { NEVER, NOT_YET } from '../../platform/config/asbb-keys';
import { isKey, KEY_NAMES, variableOf } from '../../platform/config/keys';
import { findFile, placesOf } from '../../platform/config/read-file';
import { commentedFile, shownValues } from '../../platform/config/render';
import { mistakesOf, openConfigFolder } from './configuring';

const { fileWith, found, inFolder } = openConfigFolder();

test('an option goes before BURSAR_*, that before ASBB_*, that before the file, that before the default', () => {
  const file = fileWith('logging:\n  level: warn\n');
  const flags = { 'logging.level': { text: 'trace', option: '--level' } };
  const env = { BURSAR_LOGGING_LEVEL: 'debug', ASBB_LOGGING_LEVEL: 'error' };
  const level = (...[some, commandLine]: [Record<string, string>, Parameters<typeof readConfig>[2]?]) =>
    readConfig([], some, commandLine).logLevel;
  expect(level(env, { file, flags })).toBe('trace');
  expect(level(env, { file })).toBe('debug');
  expect(level({ ASBB_LOGGING_LEVEL: 'error' }, { file })).toBe('error');
  expect(level({ BURSAR_CONFIG: file })).toBe('warn');
  expect(level({ BURSAR_CONFIG: '/nowhere' }, { file: '/dev/null' })).toBe('info');
});

test('an older name goes before the one of the key, and a difference is said', () => {
  const { values, warnings } = readSettings(
    { BURSAR_POOL_SIZE: '3', BURSAR_DATABASE_MAX_OPEN_CONNS: '4' },
    { file: '/dev/null' },
  );
  expect(values['database.max_open_conns']).toBe(3);
  expect(warnings).toEqual(['BURSAR_POOL_SIZE and BURSAR_DATABASE_MAX_OPEN_CONNS differ; BURSAR_POOL_SIZE is used']);
});

test('all mistakes of file and environment are told at once, each with its line or its variable', () => {
  const text = `service:
  listen_addr: "8080"
  read_timeout: 30
  write_timout: 5s
database:
  driver: mysql
  dsn: mysql://me:hunter2@db/x
  max_open_conns: [25]
budget: 7
logging:
  level: {a: b}
loging:
  level: info
metrics:
  path: /health
`;
  const { file, mistakes } = found(text, { BURSAR_TIME_ZONE: 'Mars/Olympus', ASBB_METRICS_ACCOUNTS: '-1' });
  const at = (line: number, words: string) => expect.stringContaining(`${file}:${line}: ${words}`) as unknown;
  expect(mistakes).toHaveLength(12);
  expect(mistakes).toEqual(
    expect.arrayContaining([
      at(2, 'service.listen_addr cannot be "8080"'),
      at(3, 'service.read_timeout cannot be "30": it must be a duration with its unit'),
      at(4, 'service.write_timout is no key of Bursar (the nearest that is: service.write_timeout)'),
      at(6, 'database.driver cannot be "mysql": it must be postgres, because'),
      at(7, 'database.dsn cannot be what it is now'),
      at(8, 'database.max_open_conns takes one value, not a list'),
      at(9, 'budget is a group of keys, not a key'),
      at(11, 'logging.level takes one value, not a group'),
      at(12, 'loging is no key of Bursar'),
      at(15, 'metrics.path cannot be "/health"'),
      expect.stringContaining('BURSAR_TIME_ZONE cannot be "Mars/Olympus"'),
      expect.stringContaining('ASBB_METRICS_ACCOUNTS cannot be "-1"'),
    ]),
  );
  expect(mistakes.join()).not.toContain('hunter2');
});

test.each([
  ['what is no YAML', 'service:\n  listen_addr: "127.0.0.1:80\n', 3],
  ['a key that comes twice', 'logging:\n  level: info\n  level: warn\n', 3],
  ['a list', '- a\n', 1],
  ['a sentence', 'hello\n', 1],
  ['a tab', 'database:\n\tdsn: postgres://me:hunter2@db/x\n', 2],
  ['a password out of place', 'database:\n  dsn: x\n}hunter2: 1\n- hunter2\n', 3],
])('%s is a mistake with its line', (_what, text, line) => {
  const { file, mistakes } = found(text);
  expect(mistakes.join('\n')).toMatch(new RegExp(`^${file}:${line}: \\w`, 'm'));
  expect(mistakes.join('\n')).not.toContain('hunter2');
});

test('a file that was named and is not there is a mistake, one that was looked for is not', () => {
  expect(mistakesOf({ BURSAR_CONFIG: '/nowhere/bursar.yaml' })).toEqual([
    '/nowhere/bursar.yaml cannot be read: there is no such file',
  ]);
  expect(configArgument(['-c', 'a.yaml'])).toEqual({ file: 'a.yaml' });
  expect(configArgument(['--config=b.yaml'])).toEqual({ file: 'b.yaml' });
  expect(configArgument([])).toEqual({});
});

test("keys of ASBB's that change nothing are each named, in the file and in the environment", () => {
  for (const pattern of [...NOT_YET, ...Object.keys(NEVER)]) {
    const key = pattern.replace(/\.\*$/, '.anything');
    expect(isKey(key)).toBe(false);
    const inFile = found(
      key
        .split('.')
        .map((part, depth) => `${'  '.repeat(depth)}${part}:`)
        .join('\n') + ' 1\n',
    );
    expect(inFile.mistakes).toEqual([]);
    expect(inFile.warnings).toEqual([expect.stringMatching(new RegExp(`^${inFile.file}:\\d: .* changes nothing: `))]);
    if (pattern !== key) continue;
    for (const name of [`BURSAR_${variableOf(key)}`, `ASBB_${variableOf(key)}`]) {
      expect(readSettings({ [name]: '1' }, { file: '/dev/null' }).warnings).toEqual([
        expect.stringContaining(`${name}: ${key} changes nothing: `),
      ]);
    }
  }
});

test('the exceptions say why in one line', () => {
  const { warnings } = found('database:\n  migrations_path: m\nlogging:\n  sampling:\n    initial: 1\n');
  expect(warnings).toEqual([
    expect.stringContaining(':2: database.migrations_path changes nothing: a version brings its schema along'),
    expect.stringContaining(':4: logging.sampling changes nothing: the line that is left out'),
  ]);
});

test('a secret may be somewhere else, and a reference that leads nowhere is a mistake', () => {
  const secret = fileWith('postgres://a:hunter2@db/x\n', 'secret');
  const dsn = (text: string, env: Record<string, string> = {}) =>
    readConfig([], env, { file: fileWith(`database:\n  dsn: ${text}\n`) }).databaseUrl;
  expect(dsn(`file:${secret}`)).toBe('postgres://a:hunter2@db/x');
  expect(dsn('env:THE_DSN', { THE_DSN: 'postgres://b@db/x' })).toBe('postgres://b@db/x');
  expect(mistakesOf({ DATABASE_URL: 'file:/nowhere' })).toEqual([
    'DATABASE_URL refers to file:/nowhere, which cannot be read, or is empty',
  ]);
  expect(found('database:\n  dsn: env:NOBODY\n').mistakes).toEqual([
    expect.stringContaining(':2: database.dsn refers to env:NOBODY, which is not set'),
  ]);
});

test('what is shown says where each value comes from, and no secret', () => {
  const file = fileWith('database:\n  dsn: env:THE_DSN\nlogging:\n  level: warn\n');
  const shown = shownValues(readSettings({ THE_DSN: 'postgres://a:hunter2@db/x?sslpassword=hunter2' }, { file }));
  expect(shown).toHaveLength(KEY_NAMES.length);
  expect(JSON.stringify(shown)).not.toContain('hunter2');
  expect(shown).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ key: 'database.dsn', from: `${file}:2 (env:THE_DSN)`, secret: true }),
      expect.objectContaining({ key: 'logging.level', value: 'warn', from: `${file}:4` }),
      expect.objectContaining({ key: 'metrics.path', value: '/metrics', from: 'default' }),
    ]),
  );
});

test('the commented file names every key, and with its keys uncommented it says what holds without it', () => {
  const text = commentedFile();
  const nothing = readSettings({}, { file: '/dev/null' });
  expect(found(text)).toMatchObject({ mistakes: [], warnings: [] });
  expect(readSettings({}, { file: fileWith(text) }).given.size).toBe(0);
  const all = fileWith(text.replace(/^( *)# ([a-z_]+:)/gm, '$1$2'));
  const { given, values } = readSettings({}, { file: all });
  expect(values).toEqual(nothing.values);
  expect([...given.keys()].sort()).toEqual([...nothing.texts.keys()].sort());
  for (const key of KEY_NAMES) expect(text).toMatch(new RegExp(`^ *# ${key.split('.').at(-1)}:`, 'm'));
});

test("the file is looked for where Bursar's and ASBB's users expect it, and the first is read", () => {
  const places = { home: '/h', userHome: '/u', here: '/w' };
  expect(placesOf(places)).toEqual([
    '/w/bursar.yaml',
    '/h/bursar.yaml',
    '/etc/bursar/bursar.yaml',
    '/w/config.yaml',
    '/etc/asbb/config.yaml',
    '/u/.asbb/config.yaml',
  ]);
  const at = (name: string) => {
    mkdirSync(inFolder(name), { recursive: true });
    return inFolder(name);
  };
  const here = at('here');
  const home = at('home');
  const userHome = at('user');
  mkdirSync(join(userHome, '.asbb'));
  const look = () => findFile({ here, home, userHome });
  writeFileSync(join(here, 'config.yaml'), 'plugins:\n  - somebody-elses\n');
  expect(look()).toBeUndefined();
  writeFileSync(join(userHome, '.asbb/config.yaml'), 'budget:\n');
  expect(look()).toBe(join(userHome, '.asbb/config.yaml'));
  writeFileSync(join(here, 'config.yaml'), 'database:\n');
  expect(look()).toBe(join(here, 'config.yaml'));
  writeFileSync(join(home, 'bursar.yaml'), '');
  expect(look()).toBe(join(home, 'bursar.yaml'));
  expect(readSettings({ BURSAR_HOME: home }).file).toBe(join(home, 'bursar.yaml'));
  writeFileSync(join(here, 'bursar.yaml'), '');
  expect(look()).toBe(join(here, 'bursar.yaml'));
});

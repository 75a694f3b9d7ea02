import { inspect } from 'node:util';
import { clientSettings, ConfigError, readConfig } from '../../platform/config';

const read = (env: Record<string, string>) => readConfig([], env);

const mistakesOf = (env: Record<string, string>, needs: ('databaseUrl' | 'temporalAddress')[] = []): string[] => {
  try {
    readConfig(needs, env);
  } catch (error) {
    if (error instanceof ConfigError) return [...error.mistakes];
    throw error;
  }
  return [];
};

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

test('however it is printed, no password is in it', () => {
  const config = read({ DATABASE_URL: 'postgres://bursar:hunter2@db:5432/bursar?sslpassword=hunter2' });
  expect(config.databaseUrl).toContain('hunter2');
  // oxlint-disable-next-line typescript/no-base-to-string -- it has a toString of its own, which is what is tested
  for (const printed of [JSON.stringify(config), String(config), inspect(config), inspect({ config })]) {
    expect(printed).not.toContain('hunter2');
    expect(printed).toContain('db:5432/bursar');
  }
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

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { clientSettings, configArgument, ConfigError, readConfig, readSettings } from '../../platform/config';
import type { Config } from '../../platform/config';
import { NEVER, NOT_YET } from '../../platform/config/asbb-keys';
import { isKey, KEY_NAMES, variableOf, type KeyName } from '../../platform/config/keys';
import { bursarNames } from '../../platform/config/read-env';
import { findFile, placesOf } from '../../platform/config/read-file';
import { commentedFile, shownValues } from '../../platform/config/render';
import { connectPostgres } from '../../platform/postgres';
import { removeScratch, scratchHome } from '../helpers/scratch';

const read = (env: Record<string, string>) => readConfig([], env);

let folder: string;
beforeAll(async () => {
  folder = await scratchHome();
});
afterAll(() => removeScratch(folder));

/** Writes a file and answers with its path. */
function fileWith(text: string, name = 'some.yaml'): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const found = (text: string, env: Record<string, string> = {}) => {
  const file = fileWith(text);
  try {
    return { file, mistakes: [], warnings: readSettings(env, { file }).warnings };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { file, mistakes: error.mistakes, warnings: error.warnings };
  }
};

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

// The file ------------------------------------------------------------------------------------------------------------

const ASBX: Config['asbx'] = {
  autoReconcile: true,
  updateCostModel: true,
  spoolDirectories: ['/var/spool/asbx', '/var/spool/asbb/costs', '/var/spool/asbb/reconciliation'],
  accuracyThreshold: '0.8',
  varianceThreshold: '20',
};

const MAIL = { smtpUrl: 'smtps://mail', from: 'bursar@example.edu', address: '{user}@{account}.example.edu' };

/** A part of what the configuration says about who may reach the API. */
const exposed = (exposure: object) => ({ exposure }) as Partial<Config>;

/** For every key a value that is not its default, what becomes of it, and what it is nothing without. */
const SOMETHING_ELSE: Record<
  KeyName,
  [
    string,
    Partial<Omit<Config, 'integration' | 'slurm'>> & { integration?: object; slurm?: object },
    Partial<Record<KeyName, string>>?,
  ]
> = {
  default_cluster: ['eagle', { defaultCluster: 'eagle' }],
  time_zone: ['Asia/Tokyo', { timeZone: 'Asia/Tokyo' }],
  'service.listen_addr': ['[::1]:9090', { host: '::1', port: 9090, portIsChosen: true }],
  'service.host_names': ['bursar.example.org, b', { hostNames: ['bursar.example.org', 'b'] }],
  'service.tls_enabled': [
    'true',
    exposed({ tlsEnabled: true }),
    { 'service.tls_cert_file': '/c.pem', 'service.tls_key_file': '/k.pem' },
  ],
  'service.tls_cert_file': [
    '/c.pem',
    exposed({ tlsCertFile: '/c.pem' }),
    { 'service.tls_enabled': 'true', 'service.tls_key_file': '/k.pem' },
  ],
  'service.tls_key_file': [
    '/k.pem',
    exposed({ tlsKeyFile: '/k.pem' }),
    { 'service.tls_enabled': 'true', 'service.tls_cert_file': '/c.pem' },
  ],
  'service.cors_enabled': ['true', exposed({ corsEnabled: true }), { 'service.cors_origins': '*' }],
  'service.cors_origins': [
    'https://a.example, http://b:8',
    exposed({ corsOrigins: ['https://a.example', 'http://b:8'] }),
  ],
  'service.trusted_proxies': ['10.0.0.7, fd00::/8', exposed({ trustedProxies: ['10.0.0.7', 'fd00::/8'] })],
  'rate_limit.per_ip': ['7', exposed({ rateLimits: { perIp: 7, perKey: 1000, burst: 200, submitPath: false } })],
  'rate_limit.per_key': ['7', exposed({ rateLimits: { perIp: 100, perKey: 7, burst: 200, submitPath: false } })],
  'rate_limit.burst': ['0', exposed({ rateLimits: { perIp: 100, perKey: 1000, burst: 0, submitPath: false } })],
  'rate_limit.submit_path': [
    'yes',
    exposed({ rateLimits: { perIp: 100, perKey: 1000, burst: 200, submitPath: true } }),
  ],
  'auth.enabled': ['true', exposed({ authEnabled: true })],
  'auth.jwt_secret': ['x'.repeat(32), exposed({ jwtSecret: expect.anything() }), { 'auth.enabled': 'true' }],
  'auth.jwt_public_key_file': ['/p.pem', exposed({ jwtPublicKeyFile: '/p.pem' }), { 'auth.enabled': 'true' }],
  'auth.jwt_audience': ['bursar', exposed({ jwtAudience: 'bursar' }), { 'auth.enabled': 'true' }],
  'auth.jwt_expiry': ['8h', exposed({ jwtLifeSecondsMax: 28_800 })],
  'service.read_timeout': ['1m30s', { readTimeoutMs: 90_000 }],
  'service.write_timeout': ['250ms', { writeTimeoutMs: 250 }],
  'service.shutdown_timeout': ['1.5s', { shutdownTimeoutMs: 1_500 }],
  'database.dsn': ['postgres://me:hunter2@db/x', { databaseUrl: 'postgres://me:hunter2@db/x' }],
  'database.driver': ['postgres', {}],
  'database.max_open_conns': ['25', { poolSize: 25 }],
  'database.conn_max_lifetime': ['5m', { connectionSeconds: 300 }],
  'database.auto_migrate': ['yes', { autoMigrate: true }],
  'temporal.address': ['t.example.org:7233', { temporalAddress: 't.example.org:7233' }],
  'temporal.namespace': ['hpc', { temporalNamespace: 'hpc' }],
  'temporal.ui_url': ['https://t.example.org', { temporalUiUrl: 'https://t.example.org' }],
  'temporal.cli_path': ['/opt/temporal', { temporalCliPath: '/opt/temporal' }],
  'budget.default_hold_percentage': [
    '1.50',
    { clusterDefaults: { holdMultiplier: '1.50', reconciliationTimeoutSeconds: 86_400 } },
  ],
  'budget.reconciliation_timeout': [
    '48h',
    { clusterDefaults: { holdMultiplier: '1.2', reconciliationTimeoutSeconds: 172_800 } },
  ],
  'budget.min_budget_amount': ['0.5', { budgets: { allowsNegativeBalance: false, minimum: '0.5' } }],
  'budget.max_budget_amount': ['1000', { budgets: { allowsNegativeBalance: false, maximum: '1000' } }],
  'budget.allow_negative_balance': ['true', { budgets: { allowsNegativeBalance: true } }],
  'budget.auto_recovery_enabled': ['false', { autoRecovery: false }],
  'budget.recovery_check_interval': ['1h', { recoveryEveryMs: 3_600_000 }],
  'slurm.default_partition': [
    'batch',
    { clusterDefaults: { holdMultiplier: '1.2', reconciliationTimeoutSeconds: 86_400, defaultPartition: 'batch' } },
  ],
  'slurm.job_monitor_enabled': ['true', { slurm: { clusters: ['default'] } }],
  'slurm.clusters': [
    'eagle, heron',
    { slurm: { clusters: ['eagle', 'heron'] } },
    { 'slurm.job_monitor_enabled': 'true' },
  ],
  'slurm.monitor_interval': ['1m', { slurm: { everyMs: 60_000 } }],
  'slurm.hold_grace': ['10m', { slurm: { graceSeconds: 600 }, holdGraceSeconds: 600 }],
  'slurm.bin_path': ['/opt/slurm/bin', { slurm: { binPath: '/opt/slurm/bin' } }],
  'slurm.config_path': ['/etc/slurm', { slurm: { configFile: '/etc/slurm/slurm.conf' } }],
  'slurm.command_timeout': ['5s', { slurm: { timeoutMs: 5_000 } }],
  'slurm.rest_url': [
    'http://slurm:6820',
    { slurm: { rest: { url: 'http://slurm:6820', user: 'slurm', tokenFile: '/t' } } },
    { 'slurm.rest_token_file': '/t' },
  ],
  'slurm.rest_user': [
    'bursar',
    { slurm: { rest: { user: 'bursar' } } },
    { 'slurm.rest_url': 'http://slurm:6820', 'slurm.rest_token_file': '/t' },
  ],
  'slurm.rest_token_file': [
    '/run/secrets/slurm',
    { slurm: { rest: { tokenFile: '/run/secrets/slurm' } } },
    { 'slurm.rest_url': 'http://slurm:6820' },
  ],
  'slurm.wall_interval': ['5m', { wallEveryMs: 300_000 }],
  'advisor.url': ['https://a.example.org/x', { integration: { advisor: { url: 'https://a.example.org/x' } } }],
  'advisor.api_key': ['hunter2', { integration: { advisor: { apiKey: 'hunter2' } } }],
  'advisor.headers': [
    '{"X-Site": "hpc", "X-No": 1}',
    { integration: { advisor: { headers: { 'X-Site': 'hpc', 'X-No': '1' } } } },
  ],
  'advisor.unit': ['SU', { integration: { advisor: { unit: 'SU' } } }],
  'advisor.submit_timeout': ['1s', { integration: { advisor: { submitTimeoutMs: 1_000 } } }],
  'advisor.timeout': ['30s', { integration: { advisor: { timeoutMs: 4_000 } } }],
  'advisor.retry_attempts': ['0', { integration: { advisor: { retries: 0 } } }],
  'advisor.retry_delay': ['20ms', { integration: { advisor: { retryDelayMs: 20 } } }],
  'advisor.cache_enabled': ['false', { integration: { advisor: {} } }],
  'advisor.cache_ttl': ['1m', { integration: { advisor: { cacheMs: 60_000 } } }],
  'integration.advisor_enabled': ['false', { integration: { advisor: { enabled: false } } }],
  'integration.failure_mode': ['STRICT', { integration: { advisor: { failureMode: 'STRICT' } } }],
  'integration.advisor_fallback': ['STATIC', { integration: { advisor: { fallback: 'STATIC' } } }],
  'integration.fallback_cost_rate': ['0.25', { integration: { advisor: { fallbackRate: '0.25' } } }],
  'integration.circuit_breaker_enabled': ['false', { integration: { advisor: { hasBreaker: false } } }],
  'integration.health_check_interval': ['5m', { integration: { lookEveryMs: 300_000 } }],
  'integration.retry_attempts': ['1', { integration: { failuresMax: 1 } }],
  'integration.asbx_enabled': ['true', { integration: { asbx: { enabled: true } } }],
  'integration.asbx_endpoint': ['http://asbx:1', { integration: { asbx: { url: 'http://asbx:1' } } }],
  'integration.asbx_timeout': ['1s', { integration: { asbx: { timeoutMs: 1_000 } } }],
  'integration.asbx_api_key': ['hunter2', { integration: { asbx: { apiKey: 'hunter2' } } }],
  'integration.asba_enabled': ['true', { integration: { asba: { enabled: true } } }],
  'integration.asba_endpoint': ['http://asba:1', { integration: { asba: { url: 'http://asba:1' } } }],
  'integration.asba_timeout': ['1s', { integration: { asba: { timeoutMs: 1_000 } } }],
  'asbx_integration.auto_reconcile': ['false', { asbx: { ...ASBX, autoReconcile: false } }],
  'asbx_integration.update_cost_model': ['no', { asbx: { ...ASBX, updateCostModel: false } }],
  'asbx_integration.spool_directories': ['/a, /b c', { asbx: { ...ASBX, spoolDirectories: ['/a', '/b c'] } }],
  'asbx_integration.cost_model_learning.accuracy_threshold': ['0.9', { asbx: { ...ASBX, accuracyThreshold: '0.9' } }],
  'asbx_integration.cost_model_learning.variance_threshold': ['12.5', { asbx: { ...ASBX, varianceThreshold: '12.5' } }],
  'notifications.smtp_url': [
    'smtp://me:hunter2@mail:25',
    { notifications: { ...MAIL, smtpUrl: 'smtp://me:hunter2@mail:25' } },
    { 'notifications.from': MAIL.from, 'notifications.address': MAIL.address },
  ],
  'notifications.from': [
    'Bursar <b@c.example>',
    { notifications: { ...MAIL, from: 'Bursar <b@c.example>' } },
    { 'notifications.smtp_url': MAIL.smtpUrl, 'notifications.address': MAIL.address },
  ],
  'notifications.address': [
    'c.example',
    { notifications: { ...MAIL, address: '{user}@c.example' } },
    { 'notifications.smtp_url': MAIL.smtpUrl, 'notifications.from': MAIL.from },
  ],
  'logging.level': ['debug', { logLevel: 'debug' }],
  'logging.format': ['console', { logFormat: 'console' }],
  'metrics.enabled': ['false', {}],
  'metrics.path': ['/numbers', { metricsPath: '/numbers' }],
  'metrics.accounts': ['7', { metricsAccounts: 7 }],
  'metrics.worker_port': ['9464', { workerPort: 9464 }],
};

const asFile = (key: string, text: string): string =>
  key
    .split('.')
    .map((part, depth) => `${'  '.repeat(depth)}${part}:`)
    .join('\n') + ` ${JSON.stringify(text)}\n`;

test.each(KEY_NAMES)('%s is taken from the file, and from each of its variables', (key) => {
  const [text, expected, beside = {}] = SOMETHING_ELSE[key];
  const file = fileWith(asFile(key, text));
  const others = Object.fromEntries(
    Object.entries(beside).map(([name, value]) => [`BURSAR_${variableOf(name)}`, value]),
  );
  expect(readConfig([], others, { file })).toMatchObject(expected);
  expect(readSettings(others, { file }).given.get(key)?.from).toBe(`${file}:${key.split('.').length}`);
  for (const name of [...bursarNames(key), `ASBB_${variableOf(key)}`]) {
    const env = { ...others, [name]: text };
    expect(readConfig([], env, { file: '/dev/null' })).toMatchObject(expected);
    const { given, warnings } = readSettings(env, { file: '/dev/null' });
    expect(given.get(key)?.from).toBe(name);
    expect(warnings).toEqual([]);
  }
  // Every key does something: the configuration is another one than without it.
  const set = { ...others, [`BURSAR_${variableOf(key)}`]: text };
  const changed = JSON.stringify(readConfig([], set, { file: '/dev/null' }));
  if (key !== 'database.driver') expect(changed).not.toBe(JSON.stringify(readConfig([], {}, { file: '/dev/null' })));
});

test('what is right by itself and wrong beside the others is a mistake, or said to change nothing', () => {
  expect(found('budget:\n  min_budget_amount: 5\n  max_budget_amount: 5\n').mistakes).toEqual([
    'budget.max_budget_amount must be more than budget.min_budget_amount',
  ]);
  expect(found('budget:\n  max_budget_amount: 8589934592\n').mistakes).toHaveLength(1);
  expect(found('notifications:\n  smtp_url: smtp://mail\n').mistakes).toEqual([
    expect.stringContaining('notifications.from is missing'),
    expect.stringContaining('notifications.address is missing'),
  ]);
  expect(found('service:\n  tls_enabled: true\n  tls_cert_file: /c.pem\n').mistakes).toEqual([
    'service.tls_enabled needs service.tls_key_file',
  ]);
  expect(found('service:\n  cors_enabled: true\n').mistakes).toEqual([
    expect.stringContaining('service.cors_enabled needs service.cors_origins'),
  ]);
  expect(found('service:\n  cors_origins: ["*", "https://a.example"]\n').mistakes).toHaveLength(1);
  expect(found('service:\n  tls_key_file: /k.pem\nauth:\n  jwt_audience: a\n').warnings).toEqual([
    expect.stringContaining('the certificate changes nothing'),
    expect.stringContaining('auth.jwt_audience changes nothing'),
  ]);
});

test("what ASBB's file says by default of TLS, other origins and tokens is a good configuration", () => {
  const asbb = `service:
  tls_enabled: false
  tls_cert_file: ""
  tls_key_file: ""
  cors_enabled: false
  cors_origins: ["*"]
auth:
  enabled: false
  jwt_secret: ""
  jwt_expiry: 24h
`;
  expect(found(asbb)).toMatchObject({ mistakes: [], warnings: [] });
  const { values } = readSettings(
    {},
    { file: fileWith('service:\n  cors_origins: [https://a.example, "http://b:8"]\n') },
  );
  expect(values['service.cors_origins']).toEqual(['https://a.example', 'http://b:8']);
});

test.each([
  ['https://a.example/', 'service.cors_origins'],
  ['a.example', 'service.cors_origins'],
  ['null', 'service.cors_origins'],
  ['10.0.0.0/33', 'service.trusted_proxies'],
  ['proxy.example', 'service.trusted_proxies'],
  ['only-31-bytes-of-a-secret-are-31', 'auth.jwt_secret'],
] as const)('%s is no %s', (text, key) => {
  const wrong = key === 'auth.jwt_secret' ? text.slice(0, 31) : text;
  const mistakes = mistakesOf({ [`BURSAR_${variableOf(key)}`]: wrong, BURSAR_AUTH_ENABLED: 'true' });
  expect(mistakes).toEqual([expect.stringContaining(`BURSAR_${variableOf(key)} cannot be`)]);
  if (key === 'auth.jwt_secret') expect(mistakes.join()).not.toContain(wrong);
});

test('slurmrestd needs a token and serves one cluster; a grace below two minutes is none', () => {
  expect(mistakesOf({ BURSAR_SLURM_REST_URL: 'http://slurm:6820', BURSAR_SLURM_CLUSTERS: 'eagle,heron' })).toEqual([
    expect.stringContaining('slurm.rest_token_file is needed'),
    expect.stringContaining('slurm.rest_url serves one'),
  ]);
  expect(mistakesOf({ BURSAR_SLURM_HOLD_GRACE: '119s' })).toEqual([expect.stringContaining('2m to 24h')]);
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

test('no two keys share a variable', () => {
  const names = KEY_NAMES.flatMap((key) => [...new Set(bursarNames(key))]);
  expect(new Set(names).size).toBe(names.length);
});

test('metrics that are switched off have neither path nor port', () => {
  const config = readConfig([], { BURSAR_METRICS_ENABLED: 'false', BURSAR_WORKER_PORT: '1' }, { file: '/dev/null' });
  expect(config).not.toHaveProperty('metricsPath');
  expect(config).not.toHaveProperty('workerPort');
});

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

test('without a host, as ASBB has it by default, every address of the machine is meant', () => {
  const file = fileWith('service:\n  listen_addr: ":8080"\n');
  expect(readConfig([], {}, { file })).toMatchObject({ host: '0.0.0.0', port: 8080 });
});

test('BURSAR_HOST and BURSAR_PORT each replace their part of listen_addr', () => {
  const file = fileWith('service:\n  listen_addr: 127.0.0.2:9000\n');
  expect(readConfig([], { BURSAR_PORT: '1' }, { file })).toMatchObject({ host: '127.0.0.2', port: 1 });
  expect(readConfig([], { BURSAR_HOST: '::1' }, { file })).toMatchObject({ host: '::1', port: 9000 });
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
    mkdirSync(join(folder, name), { recursive: true });
    return join(folder, name);
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

test('the lifetime of database connections reaches the pool', () => {
  const url = 'postgres://nobody@127.0.0.1:1/x';
  expect(connectPostgres({ url, lifetimeSeconds: 300 }).options.max_lifetime).toBe(300);
  expect(connectPostgres({ url }).options.max_lifetime).toBeNull();
});

test('a hold multiplier that was meant as per cent is refused, as the API refuses it', () => {
  expect(mistakesOf({ ASBB_BUDGET_DEFAULT_HOLD_PERCENTAGE: '120' })).toHaveLength(1);
  expect(mistakesOf({ ASBB_BUDGET_DEFAULT_HOLD_PERCENTAGE: '0' })).toHaveLength(1);
  expect(mistakesOf({ ASBB_BUDGET_DEFAULT_HOLD_PERCENTAGE: '100' })).toEqual([]);
});

/** Every key of the configuration: what a value of it becomes, and what it is beside the others. */
import { readConfig, readSettings } from '../../platform/config';
import type { Config } from '../../platform/config';
import { KEY_NAMES, variableOf, type KeyName } from '../../platform/config/keys';
import { bursarNames } from '../../platform/config/read-env';
import { mistakesOf, openConfigFolder } from './configuring';

const { fileWith, found } = openConfigFolder();

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

test('no two keys share a variable', () => {
  const names = KEY_NAMES.flatMap((key) => [...new Set(bursarNames(key))]);
  expect(new Set(names).size).toBe(names.length);
});

test('metrics that are switched off have neither path nor port', () => {
  const config = readConfig([], { BURSAR_METRICS_ENABLED: 'false', BURSAR_WORKER_PORT: '1' }, { file: '/dev/null' });
  expect(config).not.toHaveProperty('metricsPath');
  expect(config).not.toHaveProperty('workerPort');
});

test('a hold multiplier that was meant as per cent is refused, as the API refuses it', () => {
  expect(mistakesOf({ ASBB_BUDGET_DEFAULT_HOLD_PERCENTAGE: '120' })).toHaveLength(1);
  expect(mistakesOf({ ASBB_BUDGET_DEFAULT_HOLD_PERCENTAGE: '0' })).toHaveLength(1);
  expect(mistakesOf({ ASBB_BUDGET_DEFAULT_HOLD_PERCENTAGE: '100' })).toEqual([]);
});

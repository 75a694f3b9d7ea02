/**
 * Every key of the configuration, by its name in the file. BURSAR_<KEY> and ASBB_<KEY> are made from the same name, and so are
 * the commented file, the table of docs/operations, and what `bursar config show` prints.
 */
import { z } from 'zod';
import { ASBX_KEYS } from './asbx-keys';
import { isNetwork, isOrigin } from './exposure';
import { INTEGRATION_KEYS } from './integration-keys';
import { AMOUNT, amount, count, duration, durationMs, TRUTH, truth, url, wholeSeconds } from './values';

export interface Key<T> {
  /** Reads the text of the file or of the environment. */
  schema: z.ZodType<T, string>;
  /** What a right value looks like, for whoever gave a wrong one; its unit, where it has one. */
  expects: string;
  meaning: string;
  /** As it would be written. */
  default?: string;
  /** What holds where there is no default, in words. */
  otherwise?: string;
  /** Older names in the environment; they go before the one that is made from the key. */
  also?: readonly string[];
  /** Never printed, and may be a reference: env:NAME or file:/path. */
  secret?: true;
  /** Names with values: a group in the file, JSON in the environment. */
  names?: true;
  /** Several, with commas between them; in the file also as a list. */
  list?: true;
  /** Takes effect on SIGHUP; all others on a restart. */
  reloads?: true;
}

// What a value may be -------------------------------------------------------------------------------------------------

const port = z
  .string()
  .regex(/^\d{1,5}$/)
  .transform(Number)
  .refine((value) => value <= 65_535);

const isTimeZone = (name: string): boolean => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
};

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);

/** Paths at which something else is served already. */
const TAKEN_PATHS = ['/', '/health', '/livez', '/readyz', '/version', '/docs', '/openapi.json', '/api'];

const metricsPath = z
  .string()
  .regex(/^(\/[A-Za-z0-9_-]+)+$/)
  .refine((path) => !TAKEN_PATHS.includes(path) && !/^\/(api|docs)\//.test(path));

/** Beyond this machine the API listens only once there is an admin key; that is looked at when it starts. */
export const HOST = z.string().regex(/^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$/);
export const PORT = port;

export interface Listen {
  host: string;
  port: number;
}

export const listen = z
  .string()
  .regex(/^(\[[^\]\s]+\]|[^:\s]+):\d+$/)
  .transform((text): Listen => {
    const at = text.lastIndexOf(':');
    return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) };
  })
  .refine(({ host, port: number }) => HOST.safeParse(host).success && number <= 65_535);

export const WHERE_TO_LISTEN = 'an address to listen on, such as 127.0.0.1, or 0.0.0.0 once there are API keys';

const hostNames = z
  .string()
  .transform((names) => names.split(',').map((each) => each.trim()))
  .refine((names) => names.every((each) => /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(each)));

const listOf = (isRight: (each: string) => boolean) =>
  z
    .string()
    .transform((all) => all.split(',').map((each) => each.trim()))
    .refine((all) => all.every(isRight));

const filePath = z.string().regex(/^[^\0]+$/);

/** As long as what HS256 makes of it (RFC 7518, 3.2). */
const SECRET_BYTES_MIN = 32;

// The keys ------------------------------------------------------------------------------------------------------------

export const KEYS = {
  default_cluster: {
    schema: name,
    expects: 'a cluster name (letters, digits, dot, dash, underscore)',
    meaning: 'The cluster of requests that name none; it is made at the first start.',
    default: 'default',
  },
  time_zone: {
    schema: z.string().refine(isTimeZone),
    expects: 'an IANA time zone, such as Europe/Berlin',
    meaning: 'Zone of the default cluster when it is made, and of accounts that are made without one.',
    otherwise: "the machine's",
  },
  'service.listen_addr': {
    schema: listen,
    expects: `host:port, such as 127.0.0.1:8080 (port 0 takes any free one): ${WHERE_TO_LISTEN}`,
    meaning:
      'Where the API listens, beyond this machine only with an admin key. BURSAR_HOST and BURSAR_PORT replace its parts.',
    default: '127.0.0.1:8080',
  },
  'service.host_names': {
    schema: hostNames,
    expects: 'host names with commas between them',
    meaning: 'Names by which the API is called from elsewhere.',
    otherwise: 'none',
    also: ['BURSAR_HOST_NAMES'],
    list: true,
  },
  'service.tls_enabled': {
    schema: truth,
    expects: TRUTH,
    meaning: 'The API speaks HTTPS (TLS 1.2 or newer), and nothing else.',
    default: 'false',
  },
  'service.tls_cert_file': {
    schema: filePath,
    expects: 'the path of a PEM file: the certificate of the server, and behind it those that it hangs on',
    meaning: 'The certificate; on SIGHUP the file is read again.',
    otherwise: 'none',
  },
  'service.tls_key_file': {
    schema: filePath,
    expects: 'the path of a PEM file that not everybody can read',
    meaning: 'The private key of the certificate; on SIGHUP the file is read again.',
    otherwise: 'none',
  },
  'service.cors_enabled': {
    schema: truth,
    expects: TRUTH,
    meaning: 'Pages of service.cors_origins may ask, always with a key.',
    default: 'false',
  },
  'service.cors_origins': {
    schema: listOf((each) => each === '*' || isOrigin(each)),
    expects: 'origins as browsers write them, such as https://portal.example.org, with commas between them; or *',
    meaning: 'The origins of these pages.',
    otherwise: 'none',
    list: true,
  },
  'service.trusted_proxies': {
    schema: listOf(isNetwork),
    expects: 'addresses or networks, such as 10.0.0.7 or 10.0.0.0/8, with commas between them',
    meaning: 'Proxies whose X-Forwarded-For is believed.',
    otherwise: 'none',
    list: true,
  },
  'service.read_timeout': {
    schema: durationMs('1s', '1h'),
    expects: duration('1s to 1h'),
    meaning: 'How long a request may take to arrive; looked at twice a minute.',
    default: '30s',
  },
  'service.write_timeout': {
    schema: durationMs('100ms', '1h'),
    expects: duration('100ms to 1h'),
    meaning: 'How long an answer may take before it is 503.',
    default: '8s',
  },
  'service.shutdown_timeout': {
    schema: durationMs('1s', '10m'),
    expects: duration('1s to 10m'),
    meaning: 'How long a process that is asked to end may take to finish its work.',
    default: '10s',
  },
  'rate_limit.per_ip': {
    schema: count(0, 1_000_000),
    expects: 'requests a minute, 0 to 1000000; 0 sets no limit',
    meaning: 'Requests a minute from one address that come without a good key; counted by each process.',
    default: '100',
  },
  'rate_limit.per_key': {
    schema: count(0, 1_000_000),
    expects: 'requests a minute, 0 to 1000000; 0 sets no limit',
    meaning: 'Requests a minute with one key; counted by each process.',
    default: '1000',
  },
  'rate_limit.burst': {
    schema: count(0, 1_000_000),
    expects: 'requests, 0 to 1000000',
    meaning: 'How many more are let through in half a minute, when a minute is used up.',
    default: '200',
  },
  'rate_limit.submit_path': {
    schema: truth,
    expects: TRUTH,
    meaning: 'Checks, estimates, reported costs and job events are counted too.',
    default: 'false',
  },
  'auth.enabled': {
    schema: truth,
    expects: TRUTH,
    meaning:
      'Every request needs a key, also on this machine and before there is an admin key; JSON Web Tokens are taken.',
    default: 'false',
  },
  'auth.jwt_secret': {
    schema: z.string().refine((secret) => Buffer.byteLength(secret) >= SECRET_BYTES_MIN),
    expects: `at least ${SECRET_BYTES_MIN} bytes, best random ones (openssl rand -hex 32)`,
    meaning: 'What JSON Web Tokens are signed with (HS256).',
    otherwise: 'none',
    secret: true,
  },
  'auth.jwt_public_key_file': {
    schema: filePath,
    expects: 'the path of a PEM file with a public key: Ed25519, P-256, or RSA of 2048 bits or more',
    meaning: 'The key of whoever else signs JSON Web Tokens (EdDSA, ES256, RS256).',
    otherwise: 'none',
  },
  'auth.jwt_audience': {
    schema: z.string().regex(/^[\x21-\x7e]{1,200}$/),
    expects: 'a word of up to 200 characters, such as bursar',
    meaning: 'What a JSON Web Token must have as its aud.',
    otherwise: 'a token must have none',
  },
  'auth.jwt_expiry': {
    schema: wholeSeconds('1m', '8760h'),
    expects: duration('whole seconds, 1m to 8760h'),
    meaning: 'The longest life of a JSON Web Token, from its iat to its exp.',
    default: '24h',
  },
  'database.dsn': {
    schema: url(['postgres:', 'postgresql:']),
    expects: 'a PostgreSQL address, such as postgres://user@host:5432/bursar',
    meaning: 'PostgreSQL 15 or newer.',
    otherwise: 'the embedded PostgreSQL',
    also: ['DATABASE_URL'],
    secret: true,
  },
  'database.driver': {
    schema: z.literal('postgres'),
    expects: 'postgres, because the rules of money are functions inside PostgreSQL, and no other database has them',
    meaning: 'There is one.',
    default: 'postgres',
  },
  'database.max_open_conns': {
    schema: count(1, 200),
    expects: 'how many database connections a process may open, 1 to 200',
    meaning: 'Database connections of one process.',
    default: '8',
    also: ['BURSAR_POOL_SIZE'],
  },
  'database.conn_max_lifetime': {
    schema: wholeSeconds('0s', '24h'),
    expects: duration('whole seconds, 0s to 24h'),
    meaning: 'A database connection that is older is closed when it falls idle; 0s keeps it.',
    default: '0s',
  },
  'database.auto_migrate': {
    schema: truth,
    expects: TRUTH,
    meaning: 'The API applies the migrations that are missing when it starts, as `bursar database migrate` does.',
    default: 'false',
  },
  'temporal.address': {
    schema: z.string().regex(/^[^\s/:]+:\d{1,5}$/),
    expects: 'host:port, such as temporal.example.org:7233',
    meaning: 'The Temporal server.',
    otherwise: 'the embedded dev server',
    also: ['TEMPORAL_ADDRESS'],
  },
  'temporal.namespace': {
    schema: z.string().min(1),
    expects: 'the name of a namespace',
    meaning: 'The namespace there.',
    default: 'default',
    also: ['TEMPORAL_NAMESPACE'],
  },
  'temporal.ui_url': {
    schema: url(['http:', 'https:']),
    expects: "the address of Temporal's web page, such as http://127.0.0.1:8233",
    meaning: "Temporal's web page, for links.",
    otherwise: "the dev server's pages",
    also: ['TEMPORAL_UI_URL'],
  },
  'temporal.cli_path': {
    schema: z.string().regex(/^[^\0]+$/),
    expects: 'the path of the temporal program',
    meaning: 'The `temporal` program that runs the dev server.',
    otherwise: "looked up: PATH, your user cache, the vendor's download, `go install`",
    also: ['TEMPORAL_CLI_PATH'],
  },
  'budget.default_hold_percentage': {
    schema: z
      .string()
      .regex(/^\d{1,3}(\.\d{1,6})?$/)
      .refine((text) => Number(text) > 0 && Number(text) <= 100),
    expects: 'a multiplier above 0, at most 100, with at most six decimals; 1.2 holds 120 % of the estimate',
    meaning: 'How much of its estimate a job holds, on clusters that are made without a hold_multiplier; a multiplier.',
    default: '1.2',
  },
  'budget.min_budget_amount': {
    schema: amount,
    expects: AMOUNT,
    meaning: 'The smallest limit that an account may be given; 0 always may.',
    otherwise: 'any amount',
  },
  'budget.max_budget_amount': {
    schema: amount,
    expects: AMOUNT,
    meaning: 'The largest limit that an account may be given.',
    otherwise: 'any amount',
  },
  'budget.allow_negative_balance': {
    schema: truth,
    expects: TRUTH,
    meaning: 'Accounts that are made without a policy go on when their money is out, without an end; else they refuse.',
    default: 'false',
  },
  'budget.reconciliation_timeout': {
    schema: wholeSeconds('1s', '8760h'),
    expects: duration('whole seconds, 1s to 8760h'),
    meaning: 'How long to wait for the cost of a job that has ended, on clusters that are made without their own.',
    default: '24h',
  },
  'budget.auto_recovery_enabled': {
    schema: truth,
    expects: TRUTH,
    meaning: 'Stories that were lost are found and told again by themselves; else only by `bursar recover`.',
    default: 'true',
  },
  'budget.recovery_check_interval': {
    schema: durationMs('1s', '24h'),
    expects: duration('1s to 24h'),
    meaning: 'How often lost stories, ended funds and unsealed transactions are looked for.',
    default: '1m',
  },
  'slurm.default_partition': {
    schema: name,
    expects: 'a partition name (letters, digits, dot, dash, underscore)',
    meaning: 'The default partition of clusters that are made without one.',
    otherwise: 'none',
  },
  ...INTEGRATION_KEYS,
  ...ASBX_KEYS,
  'logging.level': {
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    expects: 'one of trace, debug, info, warn, error, fatal, silent',
    meaning: 'What is not worth this much is not logged.',
    default: 'info',
    also: ['BURSAR_LOG_LEVEL'],
    reloads: true,
  },
  'logging.format': {
    schema: z.enum(['json', 'console']),
    expects: 'json (for machines) or console (for eyes)',
    meaning: 'How a line of the log is written.',
    default: 'json',
  },
  'metrics.enabled': {
    schema: truth,
    expects: TRUTH,
    meaning: 'Serves the metrics, of the API and of the worker.',
    default: 'true',
  },
  'metrics.path': {
    schema: metricsPath,
    expects: 'a path that nothing else is served at, such as /metrics',
    meaning: 'Where they are served.',
    default: '/metrics',
  },
  'metrics.accounts': {
    schema: count(0, 10_000),
    expects: 'how many accounts get metrics of their own, 0 to 10000',
    meaning: 'How many accounts get metrics of their own; the others are summed.',
    default: '100',
  },
  'metrics.worker_port': {
    schema: port,
    expects: 'a port number for the metrics of the worker, 0 to 65535 (0 takes any free one)',
    meaning: "Port of the worker's metrics; 0 takes any free one, and the log says which.",
    otherwise: 'not served',
    also: ['BURSAR_WORKER_PORT'],
  },
} as const satisfies Record<string, Key<unknown>>;

export type KeyName = keyof typeof KEYS;
export const KEY_NAMES = Object.keys(KEYS) as KeyName[];
export const isKey = (name: string): name is KeyName => Object.hasOwn(KEYS, name);
export const keyOf = (name: KeyName): Key<unknown> => KEYS[name];

type Output<K> = K extends { schema: z.ZodType<infer T, string> } ? T : never;
/** What was read: a key with a default always has a value. */
export type Values = {
  [Name in KeyName]: (typeof KEYS)[Name] extends { default: string }
    ? Output<(typeof KEYS)[Name]>
    : Output<(typeof KEYS)[Name]> | undefined;
};

/** What only the environment can say: where to look for the file, and the parts of the address to listen on. */
export const ENVIRONMENT_ONLY = {
  BURSAR_ACCOUNT: { meaning: 'the account of `quick-check`, `remaining` and `status`', otherwise: 'none' },
  BURSAR_CA_FILE: { meaning: 'who may vouch for an https server, as `--ca-file`', otherwise: 'those that Node trusts' },
  BURSAR_CONFIG: {
    meaning: 'the configuration file, in place of a search; `--config` goes before it',
    otherwise: 'searched',
  },
  BURSAR_DEFAULT_PARTITION: { meaning: 'the partition of `quick-check`', otherwise: 'none' },
  BURSAR_HOME: { meaning: 'where the embedded databases keep their data', otherwise: '`.bursar/` in a checkout' },
  BURSAR_HOST: { meaning: 'the host of `service.listen_addr`', otherwise: '127.0.0.1' },
  BURSAR_PORT: { meaning: 'the port of `service.listen_addr`', otherwise: '8080' },
  BURSAR_TOKEN: { meaning: 'the API key that the command sends', otherwise: 'none' },
  BURSAR_URL: { meaning: 'where the command finds the API', otherwise: '`http://127.0.0.1:$BURSAR_PORT`' },
} as const;

/** The name that follows BURSAR_ and ASBB_ in the environment. */
export const variableOf = (key: string): string => key.toUpperCase().replaceAll('.', '_');

// ASBB's other keys -----------------------------------------------------------------------------------------------------

/** Keys that ASBB has, or promises, and this version of Bursar has nothing for. `.*` stands for whatever is below. */
export const NOT_YET: readonly string[] = [
  ...below('slurm', 'bin_path config_path job_monitor_enabled monitor_interval epilog_script'),
  ...below('integration', 'grant_management_enabled burn_rate_analysis_enabled allocation_scheduling_enabled'),
  ...below('allocations', 'process_interval auto_process'),
  ...below('asbx_integration', 'notification_enabled compliance_reporting'),
  ...below('grant_management', 'enabled default_budget_period_months auto_create_periods compliance_reporting'),
  ...below('grant_management', 'burn_rate_monitoring alert_thresholds.*'),
];

/** Keys of ASBB's that mean nothing here and never will, each with the reason. */
export const NEVER: Readonly<Record<string, string>> = {
  'database.max_idle_conns': 'the pool keeps the connections that it has opened',
  'database.migrations_path': 'a version brings its schema along, and no other fits it',
  'auth.api_key_auth': 'API keys always work; `bursar key revoke` ends one',
  'auth.api_keys': 'a key in a file has neither name nor scope nor end; `bursar key create` makes one that has',
  'auth.admin_users': 'a key or a token says itself what it may; admin is a scope',
  'budget.transaction_retention': 'nothing that was booked is ever deleted',
  'asbx_integration.enabled': 'who has a key of the scope hook may send reports',
  'asbx_integration.asbx_endpoint': 'integration.asbx_endpoint says where it is, and its reports come by themselves',
  'asbx_integration.data_retention_days': 'a report is the evidence of what was booked, and is kept as long',
  'asbx_integration.reconciliation_timeout': 'service.write_timeout limits every answer',
  'asbx_integration.max_retries': '`bursar asbx watch` tries again until a report has been taken',
  'asbx_integration.cost_model_learning.enabled': 'asbx_integration.update_cost_model says it',
  'asbx_integration.cost_model_learning.feedback_frequency': 'every report counts when it arrives',
  'logging.output': 'a process logs to its standard output; who starts it says where that goes',
  'logging.structured': 'every line is; logging.format says how it looks',
  'logging.sampling.*': 'the line that is left out is the one that somebody will look for',
  'metrics.prometheus_url': 'Prometheus asks Bursar, and not the other way round',
  'metrics.namespace': 'dashboards need names that stay',
  'metrics.subsystem': 'dashboards need names that stay',
  'metrics.collect_interval': 'figures are read when Prometheus asks for them',
};

function below(section: string, names: string): string[] {
  return names.split(' ').map((each) => `${section}.${each}`);
}

/** What becomes of a key that no feature of this version reads; undefined where it is none of ASBB's. */
export function unread(path: string): string | undefined {
  const fits = (pattern: string) =>
    pattern.endsWith('.*') ? `${path}.`.startsWith(pattern.slice(0, -1)) : pattern === path;
  const reason = Object.entries(NEVER).find(([pattern]) => fits(pattern))?.[1];
  if (reason !== undefined) return `${path} changes nothing: ${reason}`;
  return NOT_YET.some(fits) ? `${path} changes nothing: it is not in this version of Bursar` : undefined;
}

/** Every name that may stand in the file. */
export const KNOWN: readonly string[] = [...KEY_NAMES, ...NOT_YET, ...Object.keys(NEVER)].map((path) =>
  path.replace(/\.\*$/, ''),
);

/** Is it a group of keys, and no key itself? */
export const isSection = (path: string): boolean => KNOWN.some((known) => known.startsWith(`${path}.`));

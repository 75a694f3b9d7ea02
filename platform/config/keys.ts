/**
 * Every key of the configuration, by its name in the file. BURSAR_<KEY> and ASBB_<KEY> are made from the same name, and so are
 * the commented file, the table of docs/operations, and what `bursar config show` prints.
 */
import { z } from 'zod';
import { NEVER, NOT_YET } from './asbb-keys';
import { ASBX_KEYS } from './asbx-keys';
import { CALLER_KEYS, EDGE_KEYS } from './exposure-keys';
import { INTEGRATION_KEYS } from './integration-keys';
import type { Key } from './key';
import { SLURM_KEYS } from './slurm-keys';
import { NOTIFICATION_KEYS } from './notification-keys';
import {
  addressOfDatabase,
  AMOUNT,
  amount,
  count,
  duration,
  durationMs,
  filePath,
  listOf,
  TRUTH,
  truth,
  url,
  wholeSeconds,
} from './values';

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

/** As ASBB writes it, `:8080` is every address of this machine. */
const EVERYWHERE = '0.0.0.0';

export const listen = z
  .string()
  .regex(/^(\[[^\]\s]+\]|[^:\s]*):\d+$/)
  .transform((text): Listen => {
    const at = text.lastIndexOf(':');
    return { host: text.slice(0, at).replace(/^\[|\]$/g, '') || EVERYWHERE, port: Number(text.slice(at + 1)) };
  })
  .refine(({ host, port: number }) => HOST.safeParse(host).success && number <= 65_535);

export const WHERE_TO_LISTEN = 'an address to listen on, such as 127.0.0.1, or 0.0.0.0 once there are API keys';

const hostNames = listOf((each) => /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(each));

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
    expects: `host:port, such as 127.0.0.1:8080 (port 0 takes any free one; :8080 is all addresses): ${WHERE_TO_LISTEN}`,
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
  ...EDGE_KEYS,
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
  ...CALLER_KEYS,
  'database.dsn': {
    schema: z.string().refine(addressOfDatabase),
    expects:
      'a PostgreSQL address, such as postgres://user@host:5432/bursar; in a password, / ? # are written %2F %3F %23',
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
    schema: filePath,
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
  ...SLURM_KEYS,
  ...INTEGRATION_KEYS,
  ...ASBX_KEYS,
  ...NOTIFICATION_KEYS,
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
  BURSAR_URL: {
    meaning:
      'where the command finds the API; without BURSAR_PORT, what was last run in BURSAR_HOME goes before port 8080',
    otherwise: '`http://127.0.0.1:$BURSAR_PORT`',
  },
} as const;

/** The name that follows BURSAR_ and ASBB_ in the environment. */
export const variableOf = (key: string): string => key.toUpperCase().replaceAll('.', '_');

/** Every name that may stand in the file. */
export const KNOWN: readonly string[] = [...KEY_NAMES, ...NOT_YET, ...Object.keys(NEVER)].map((path) =>
  path.replace(/\.\*$/, ''),
);

/** Is it a group of keys, and no key itself? */
export const isSection = (path: string): boolean => KNOWN.some((known) => known.startsWith(`${path}.`));

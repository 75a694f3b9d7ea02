/**
 * The configuration, read once at start: command line, environment, file, default. No other file reads `process.env`.
 *
 * All mistakes come in one message, the result is frozen, and printing it in any way leaves the secrets out. The keys and what
 * reads them live in `config/` and are loaded only by who needs them: a client command must not pay for a validator.
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { inspect } from 'node:util';
import { given } from '../domain/given';
import type { Exposure } from './config/exposure';
import { integrationOf, withoutKeys, type Integration } from './config/integration';
import type { SlurmSettings } from './config/slurm-keys';
import type { KeyName } from './config/keys';
import type { Effective, Sources } from './config/merge';
import type { Places } from './config/read-file';
import { PACKAGE_ROOT } from './paths';

export interface Config {
  /** The file that was read; undefined: there is none. */
  file?: string;
  /** Where the embedded stack keeps its data. */
  home: string;
  host: string;
  /** Names under which the API is called from elsewhere. */
  hostNames: readonly string[];
  port: number;
  /** Who may ask from where, and how often. */
  exposure: Exposure;
  /** Did somebody ask for this port, or is it only the default? */
  portIsChosen: boolean;
  /** How long a request may take to arrive. */
  readTimeoutMs: number;
  /** How long an answer may take. */
  writeTimeoutMs: number;
  shutdownTimeoutMs: number;
  /** Undefined: the embedded PostgreSQL. */
  databaseUrl?: string;
  poolSize: number;
  /** Undefined: connections are kept. */
  connectionSeconds?: number;
  autoMigrate: boolean;
  /** Undefined: the embedded Temporal. */
  temporalAddress?: string;
  temporalNamespace: string;
  temporalCliPath?: string;
  temporalUiUrl?: string;
  defaultCluster: string;
  /** What a cluster is like that is made without saying so. */
  clusterDefaults: { holdMultiplier: string; reconciliationTimeoutSeconds: number; defaultPartition?: string };
  /** What accounts may be given; without a bound, any amount. */
  budgets: { minimum?: string; maximum?: string; allowsNegativeBalance: boolean };
  timeZone: string;
  /** Are lost stories looked for without anybody asking? */
  autoRecovery: boolean;
  recoveryEveryMs: number;
  /** The services beside Bursar. */
  integration: Integration;
  /** How the worker asks Slurm. */
  slurm: SlurmSettings;
  /** How long no listing may show a job for a hold before it is given back. */
  holdGraceSeconds: number;
  logLevel: string;
  logFormat: 'json' | 'console';
  /** How many accounts appear in the metrics by name; the others are summed. */
  metricsAccounts: number;
  /** Undefined: metrics are not served. */
  metricsPath?: string;
  /** Where the worker serves its metrics; undefined: nowhere. */
  workerPort?: number;
  /** What is done with the reports of ASBX; thresholds as decimal strings. */
  asbx: {
    autoReconcile: boolean;
    updateCostModel: boolean;
    spoolDirectories: readonly string[];
    accuracyThreshold: string;
    varianceThreshold: string;
  };
  /** How users are told of what they get back; undefined: they are not. */
  notifications?: { smtpUrl: string; from: string; address: string };
  /** How often Slurm's own limits are brought to what is left; undefined: they are left alone. */
  wallEveryMs?: number;
  /** Things that are legal but look like a slip of the pen, and keys that change nothing. */
  warnings: readonly string[];
}

type Needed = 'databaseUrl' | 'temporalAddress';

const KEY_OF = {
  databaseUrl: ['database.dsn', 'DATABASE_URL'],
  temporalAddress: ['temporal.address', 'TEMPORAL_ADDRESS'],
} as const satisfies Record<Needed, [KeyName, string]>;

/** Everything that is wrong with the configuration, in one message. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  constructor(
    readonly mistakes: readonly string[],
    readonly warnings: readonly string[] = [],
  ) {
    super(`The configuration cannot be used:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`);
  }
}

/** What the command line says. */
export type FromCommandLine = Pick<Sources, 'file' | 'flags'>;

/** Reads the configuration, or says everything that is wrong with it. `needs`: what this process cannot do without. */
export function readConfig<K extends Needed = never>(
  needs: readonly K[] = [],
  env: NodeJS.ProcessEnv = process.env,
  commandLine: FromCommandLine = {},
): Config & { [P in K]: string } {
  const { values, given: said, file, warnings } = readSettings(env, commandLine, needs);
  const { host, port } = values['service.listen_addr'];
  const config: Config = {
    home: homeOf(env),
    host,
    hostNames: values['service.host_names'] ?? [],
    port,
    exposure: loadExposure().exposureOf(values),
    portIsChosen: said.has('service.listen_addr'),
    readTimeoutMs: values['service.read_timeout'],
    writeTimeoutMs: values['service.write_timeout'],
    shutdownTimeoutMs: values['service.shutdown_timeout'],
    poolSize: values['database.max_open_conns'],
    autoMigrate: values['database.auto_migrate'],
    temporalNamespace: values['temporal.namespace'],
    defaultCluster: values.default_cluster,
    clusterDefaults: Object.freeze({
      holdMultiplier: values['budget.default_hold_percentage'],
      reconciliationTimeoutSeconds: values['budget.reconciliation_timeout'],
      ...given({ defaultPartition: values['slurm.default_partition'] }),
    }),
    budgets: Object.freeze({
      allowsNegativeBalance: values['budget.allow_negative_balance'],
      ...given({ minimum: values['budget.min_budget_amount'], maximum: values['budget.max_budget_amount'] }),
    }),
    timeZone: values.time_zone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone,
    autoRecovery: values['budget.auto_recovery_enabled'],
    recoveryEveryMs: values['budget.recovery_check_interval'],
    integration: integrationOf(values),
    slurm: loadSlurm().slurmOf(values),
    holdGraceSeconds: values['slurm.hold_grace'],
    logLevel: values['logging.level'],
    logFormat: values['logging.format'],
    asbx: Object.freeze({
      autoReconcile: values['asbx_integration.auto_reconcile'],
      updateCostModel: values['asbx_integration.update_cost_model'],
      spoolDirectories: values['asbx_integration.spool_directories'],
      accuracyThreshold: values['asbx_integration.cost_model_learning.accuracy_threshold'],
      varianceThreshold: values['asbx_integration.cost_model_learning.variance_threshold'],
    }),
    metricsAccounts: values['metrics.accounts'],
    ...given({
      file,
      databaseUrl: values['database.dsn'],
      connectionSeconds: values['database.conn_max_lifetime'] || undefined,
      temporalAddress: values['temporal.address'],
      temporalCliPath: values['temporal.cli_path'] && resolve(values['temporal.cli_path']),
      temporalUiUrl: values['temporal.ui_url'],
      notifications: notificationsOf(values),
      wallEveryMs: values['slurm.wall_interval'],
      metricsPath: values['metrics.enabled'] ? values['metrics.path'] : undefined,
      workerPort: values['metrics.enabled'] ? values['metrics.worker_port'] : undefined,
    }),
    warnings: Object.freeze(warnings),
  };
  // What is needed was looked for above, and is there.
  return Object.freeze(hideSecrets(config)) as Config & { [P in K]: string };
}

/** That the three come together was looked for when they were read. */
function notificationsOf(values: Effective['values']): Config['notifications'] {
  const { 'notifications.smtp_url': smtpUrl, 'notifications.from': from, 'notifications.address': address } = values;
  if (smtpUrl === undefined || from === undefined || address === undefined) return undefined;
  return Object.freeze({ smtpUrl, from, address });
}

/** Every key with its value and where it comes from; secrets are in it. `ConfigError` with all mistakes where there are any. */
export function readSettings(
  env: NodeJS.ProcessEnv = process.env,
  commandLine: FromCommandLine = {},
  needs: readonly Needed[] = [],
): Effective & { warnings: string[] } {
  const { readEffective } = loadReader();
  const findings = { mistakes: [] as string[], warnings: [] as string[] };
  const effective = readEffective({ env, places: searchedPlaces(env), ...commandLine }, findings);
  for (const [key, variable] of needs.map((need) => KEY_OF[need])) {
    if (effective.given.has(key)) continue;
    findings.mistakes.push(
      `${variable} is missing: this process cannot run without it (or ${key} in the configuration file)`,
    );
  }
  if (findings.mistakes.length > 0) throw new ConfigError(findings.mistakes, findings.warnings);
  return { ...effective, warnings: findings.warnings };
}

const homeOf = (env: NodeJS.ProcessEnv): string => resolve(env.BURSAR_HOME || defaultHome(env));

/** The folders in which a configuration file is looked for. */
const searchedPlaces = (env: NodeJS.ProcessEnv): Places => ({ home: homeOf(env), userHome: env.HOME || homedir() });

// A plain `import` would load zod into every client command (rulings 36).
const loadReader = (): typeof import('./config/merge') => require('./config/merge') as typeof import('./config/merge');
const loadSlurm = (): typeof import('./config/slurm-keys') =>
  require('./config/slurm-keys') as typeof import('./config/slurm-keys');
const loadExposure = (): typeof import('./config/exposure') =>
  require('./config/exposure') as typeof import('./config/exposure');

/** `--config FILE` among the arguments of a server process. */
export function configArgument(args: readonly string[] = process.argv.slice(2)): FromCommandLine {
  const at = args.findIndex((arg) => arg === '--config' || arg === '-c');
  const file = at < 0 ? args.find((arg) => arg.startsWith('--config='))?.slice('--config='.length) : args[at + 1];
  return given({ file });
}

/** The same object; however it is printed (JSON, template, console), passwords stay out. */
function hideSecrets(config: Config): Config {
  const shown = () => ({
    ...config,
    integration: withoutKeys(config.integration),
    ...given({
      databaseUrl: config.databaseUrl && withoutPassword(config.databaseUrl),
      notifications: config.notifications && {
        ...config.notifications,
        smtpUrl: withoutPassword(config.notifications.smtpUrl),
      },
    }),
  });
  return Object.defineProperties(config, {
    toJSON: { value: shown },
    toString: { value: () => JSON.stringify(shown()) },
    [inspect.custom]: { value: shown },
  });
}

export function withoutPassword(address: string): string {
  const url = new URL(address);
  if (url.password) url.password = '***';
  for (const key of [...url.searchParams.keys()].filter((name) => /pass|secret|key/i.test(name))) {
    url.searchParams.set(key, '***');
  }
  return url.toString();
}

// For clients ----------------------------------------------------------------------------------------------------------

const DEFAULT_PORT = 8080;

/** `.bursar/` in a checkout; the user's data folder when Bursar is installed as a package (rulings 37). */
function defaultHome(env: NodeJS.ProcessEnv = process.env): string {
  const isCheckout = existsSync(join(PACKAGE_ROOT, 'tsconfig.json'));
  if (isCheckout) return join(PACKAGE_ROOT, '.bursar');
  return join(env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'bursar');
}

/** Where files that can be fetched again are kept. */
export const cacheFolder = (env: NodeJS.ProcessEnv = process.env): string =>
  join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'bursar');

/** The folders in which the shell looks for programs. */
export const searchPath = (env: NodeJS.ProcessEnv = process.env): string[] =>
  (env.PATH ?? '').split(':').filter((folder) => folder !== '');

/** The environment of a child process: ours, with these settings on top. */
export const childEnvironment = (settings: Record<string, string | undefined> = {}): NodeJS.ProcessEnv => ({
  ...process.env,
  ...settings,
});

export interface ClientSettings {
  home: string;
  /** The address of the API: BURSAR_URL, else BURSAR_PORT of this machine, else that of the stack of this home, else the default port. */
  url: string;
}

/** What a command that talks to the API needs to know. No validator is loaded for it. */
export function clientSettings(env: NodeJS.ProcessEnv = process.env): ClientSettings {
  const home = homeOf(env);
  // 0 is any free port, and only what was started with it knows which.
  const port = env.BURSAR_PORT === '0' ? '' : env.BURSAR_PORT;
  const local = (port && localUrl(port)) || rememberedUrl(home) || localUrl(DEFAULT_PORT);
  const url = env.BURSAR_URL || local;
  return { home, url: url.replace(/\/+$/, '') };
}

const localUrl = (port: string | number) => `http://127.0.0.1:${port}`;

/** The name under which a running stack writes down its processes and addresses (`supervisor.ts`). */
export const STACK_FILE = 'stack.json';

function rememberedUrl(home: string): string | undefined {
  try {
    const stack: unknown = JSON.parse(readFileSync(join(home, STACK_FILE), 'utf8'));
    const url = (stack as { addresses?: { api?: unknown } } | null)?.addresses?.api;
    return typeof url === 'string' ? url : undefined;
  } catch {
    return undefined; // No stack was ever started here; the default address is as good a guess as any.
  }
}

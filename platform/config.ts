/**
 * What the environment says, read once at start. No other file reads `process.env`.
 *
 * All mistakes come in one message, the result is frozen, and printing it in any way leaves the secrets out. The schema
 * lives in `settings.ts` and is loaded only by who needs it: a client command must not pay for a validator.
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { inspect } from 'node:util';
import { given } from '../domain/given';
import { PACKAGE_ROOT } from './paths';
import type { SettingName, Settings } from './settings';

export interface Config {
  /** Where the embedded stack keeps its data. */
  home: string;
  host: string;
  /** Names under which the API is called from elsewhere. */
  hostNames: readonly string[];
  port: number;
  /** Did somebody ask for this port, or is it only the default? */
  portIsChosen: boolean;
  /** Undefined: the embedded PostgreSQL. */
  databaseUrl?: string;
  poolSize: number;
  /** Undefined: the embedded Temporal. */
  temporalAddress?: string;
  temporalNamespace: string;
  temporalCliPath?: string;
  temporalUiUrl?: string;
  defaultCluster: string;
  timeZone: string;
  logLevel: string;
  /** How many accounts appear in the metrics by name; the others are summed. */
  metricsAccounts: number;
  /** Where the worker serves its metrics; undefined: nowhere. */
  workerPort?: number;
  /** Things that are legal but look like a slip of the pen. */
  warnings: readonly string[];
}

type Needed = 'databaseUrl' | 'temporalAddress';

const VARIABLE_OF: Record<Needed, SettingName> = {
  databaseUrl: 'DATABASE_URL',
  temporalAddress: 'TEMPORAL_ADDRESS',
};

/** Everything that is wrong with the environment, in one message. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  constructor(readonly mistakes: readonly string[]) {
    super(`The configuration cannot be used:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`);
  }
}

/** Reads the environment, or says everything that is wrong with it. `needs`: what this process cannot do without. */
export function readConfig<K extends Needed = never>(
  needs: readonly K[] = [],
  env: NodeJS.ProcessEnv = process.env,
): Config & { [P in K]: string } {
  const mistakes: string[] = [];
  const set = parseSettings(env, mistakes);
  for (const need of needs) {
    const variable = VARIABLE_OF[need];
    if (!env[variable]) mistakes.push(`${variable} is missing: this process cannot run without it`);
  }
  if (mistakes.length > 0) throw new ConfigError(mistakes);

  const config: Config = {
    home: set.BURSAR_HOME ?? defaultHome(env),
    host: set.BURSAR_HOST ?? '127.0.0.1',
    hostNames: set.BURSAR_HOST_NAMES ?? [],
    port: set.BURSAR_PORT ?? DEFAULT_PORT,
    portIsChosen: set.BURSAR_PORT !== undefined,
    poolSize: set.BURSAR_POOL_SIZE ?? 8,
    temporalNamespace: set.TEMPORAL_NAMESPACE ?? 'default',
    defaultCluster: set.BURSAR_DEFAULT_CLUSTER ?? 'default',
    timeZone: set.BURSAR_TIME_ZONE ?? new Intl.DateTimeFormat().resolvedOptions().timeZone,
    logLevel: set.BURSAR_LOG_LEVEL ?? 'info',
    metricsAccounts: set.BURSAR_METRICS_ACCOUNTS ?? 100,
    ...given({
      databaseUrl: set.DATABASE_URL,
      temporalAddress: set.TEMPORAL_ADDRESS,
      temporalCliPath: set.TEMPORAL_CLI_PATH,
      temporalUiUrl: set.TEMPORAL_UI_URL,
      workerPort: set.BURSAR_WORKER_PORT,
    }),
    warnings: Object.freeze(slips(env)),
  };
  return Object.freeze(hideSecrets(config)) as Config & { [P in K]: string };
}

function parseSettings(env: NodeJS.ProcessEnv, mistakes: string[]): Settings {
  const { SETTINGS, SETTING_NAMES } = loadSettings();
  const settings: Record<string, unknown> = {};
  for (const name of SETTING_NAMES) {
    const text = env[name];
    if (text === undefined || text === '') continue;
    const result = SETTINGS[name].schema.safeParse(text);
    const shown = 'secret' in SETTINGS[name] ? 'what it is now' : JSON.stringify(text);
    if (result.success) settings[name] = result.data;
    else mistakes.push(`${name} cannot be ${shown}: it must be ${SETTINGS[name].expects}`);
  }
  return settings as Settings;
}

/** Kubernetes puts BURSAR_SERVICE_HOST and the like beside ours, so an unknown name is a warning and no mistake. */
function slips(env: NodeJS.ProcessEnv): string[] {
  const { SETTING_NAMES } = loadSettings();
  const known = new Set<string>(SETTING_NAMES);
  return Object.keys(env)
    .filter((name) => name.startsWith('BURSAR_') && !known.has(name) && !/^BURSAR_(TEST|SERVICE|PORT)_/.test(name))
    .map((name) => `${name} is no setting of Bursar (known: ${SETTING_NAMES.join(', ')})`);
}

// A plain `import` would load zod into every client command (rulings 36).
const loadSettings = (): typeof import('./settings') => require('./settings') as typeof import('./settings');

/** The same object; however it is printed (JSON, template, console), passwords stay out. */
function hideSecrets(config: Config): Config {
  const shown = () => ({
    ...config,
    ...given({ databaseUrl: config.databaseUrl && withoutPassword(config.databaseUrl) }),
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

export const DEFAULT_PORT = 8080;

/** `.bursar/` in a checkout; the user's data folder when Bursar is installed as a package (rulings 37). */
export function defaultHome(env: NodeJS.ProcessEnv = process.env): string {
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
  /** The address of the API: BURSAR_URL, else that of the stack that runs here, else the default port. */
  url: string;
}

/** What a command that talks to the API needs to know. No validator is loaded for it. */
export function clientSettings(env: NodeJS.ProcessEnv = process.env): ClientSettings {
  const home = resolve(env.BURSAR_HOME || defaultHome(env));
  const url = env.BURSAR_URL || rememberedUrl(home) || `http://127.0.0.1:${env.BURSAR_PORT || DEFAULT_PORT}`;
  return { home, url: url.replace(/\/+$/, '') };
}

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

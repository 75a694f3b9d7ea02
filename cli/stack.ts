/**
 * The whole of Bursar on one machine: PostgreSQL, Temporal, the schema, worker and API, set up and kept alive.
 *
 * `bursar up` and `bursar demo` both start it here; what each process does is the affair of its own folder. Given
 * DATABASE_URL or TEMPORAL_ADDRESS, that server is used and none of our own is started.
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { migrate, requireServer } from '../migrations/migrate';
import {
  cacheFolder,
  childEnvironment,
  readConfig,
  searchPath,
  withoutPassword,
  type Config,
} from '../platform/config';
import { isPortFree, pickPort, rememberedPorts, rememberPorts } from '../platform/embedded/ports';
import { ensureDatabase, openEmbeddedPostgres } from '../platform/embedded/postgres';
import type { Service, ServiceSpec } from '../platform/embedded/service';
import { openEmbeddedTemporal } from '../platform/embedded/temporal';
import { findTemporalCli } from '../platform/embedded/temporal-cli';
import { PACKAGE_ROOT } from '../platform/paths';
import { connectPostgres } from '../platform/postgres';
import {
  findRunningStack as findStackIn,
  openSupervisor,
  type RunningStack,
  type StackAddresses,
  type Supervisor,
} from '../platform/supervisor';
import { connectTemporal } from '../platform/temporal';
import { prepareNamespace } from '../platform/temporal-namespace';

export type Part = 'Bursar' | 'PostgreSQL' | 'Temporal' | 'schema' | 'worker' | 'API';

/** What happens while it starts and for as long as it runs. `describe` says it in words. */
export type StackEvent =
  | { type: 'step' | 'note'; part: Part; text: string }
  | { type: 'up'; part: Part; text: string; tookMs: number }
  | { type: 'died'; part: Part; how: string; againInMs: number }
  | { type: 'recovered'; part: Part; afterMs: number };

export interface StackOptions {
  config?: Config;
  onEvent: (event: StackEvent) => void;
  /** Gives up and ends what was started. */
  signal?: AbortSignal;
  /** Kills whatever runs, at once, from the start to the end of the stack. */
  killSignal?: AbortSignal;
  /** The API takes another port where its own is taken: for a demo, not for an address that people wrote down. */
  anyApiPort?: boolean;
  /** Other programs in the place of our own; for tests. */
  programs?: Partial<Record<'api' | 'worker', string>>;
}

export interface Stack {
  home: string;
  addresses: StackAddresses;
  logFolder: string;
  /** Ends everything in order. */
  stop(): Promise<void>;
}

/** The stack that runs in this home at the moment, if one does. */
export const findRunningStack = (home: string = readConfig().home): RunningStack | undefined => findStackIn(home);

/** A child that is to end is killed this long after its own deadline. */
const GRACE_MS = 20_000;

/** Where what listens when nothing else has the port. */
const DEFAULT_PORTS = { postgres: 15_432, temporal: 7_233, temporalUi: 8_233 };

const PART_OF: Record<string, Part> = { postgres: 'PostgreSQL', temporal: 'Temporal', worker: 'worker', api: 'API' };

/** Starts everything and resolves when it works. `AlreadyRunning` where it does already. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { config = readConfig(), onEvent, signal, killSignal } = options;
  const supervisor = await openSupervisor(config.home, (event) => {
    if (event.type === 'orphans-ended') {
      const left = event.services.map((name) => PART_OF[name] ?? name).join(', ');
      onEvent({
        type: 'note',
        part: 'Bursar',
        text: `an earlier start was killed; ended what it left behind (${left})`,
      });
    } else onEvent({ ...event, part: PART_OF[event.service] ?? 'Bursar' });
  });
  killSignal?.addEventListener('abort', () => supervisor.kill(), { once: true });
  const giveUp = () => void supervisor.stop();
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    const addresses = await new Builder(config, supervisor, options).build();
    signal?.throwIfAborted();
    supervisor.announce(addresses);
    return { home: config.home, addresses, logFolder: supervisor.logFolder, stop: () => supervisor.stop() };
  } catch (error) {
    await supervisor.stop();
    throw error;
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
}

interface Ports {
  postgres: number;
  temporal: number;
  temporalUi: number;
  api: number;
}

class Builder {
  /** One part that fails must not leave the others at a build of minutes. */
  private readonly failed = new AbortController();

  constructor(
    private readonly config: Config,
    private readonly supervisor: Supervisor,
    private readonly options: StackOptions,
  ) {}

  async build(): Promise<StackAddresses> {
    for (const warning of this.config.warnings) this.say('note', 'Bursar', warning);
    const ports = await this.choosePorts();
    // Side by side: fetching the Temporal CLI may take minutes, making a database cluster takes a second.
    const [databaseUrl, temporal] = await this.both(this.database(ports), this.temporal(ports));
    const settings = this.settings(ports, databaseUrl, temporal);
    await this.both(
      this.child('worker', settings, (output) => saidEvent(output, 'ready') || this.waitsForTemporal(output)),
      this.child('api', settings, (output) => saidEvent(output, 'listening')),
    );
    const api = this.apiUrl(ports.api);
    return {
      api,
      docs: `${api}/docs`,
      temporal: temporal.address,
      ...(temporal.uiUrl !== undefined && { temporalUi: temporal.uiUrl }),
      database: databaseUrl,
    };
  }

  /** The ports of the last time, else the usual ones, else any. The API's is the user's affair, so it is not replaced in silence. */
  private async choosePorts(): Promise<Ports> {
    const { home, port, portIsChosen, host } = this.config;
    const last = rememberedPorts(home);
    const taken = new Set<number>();
    const pick = async (name: keyof typeof DEFAULT_PORTS | 'api', usual: readonly number[]) => {
      const remembered = last[name];
      const chosen = await pickPort(remembered === undefined ? usual : [remembered, ...usual], taken);
      taken.add(chosen);
      return chosen;
    };
    const apiIsFree = port !== 0 && (await isPortFree(port, host));
    if (!apiIsFree && port !== 0 && !this.options.anyApiPort) {
      throw new Error(
        `port ${port} is taken by another program. Set BURSAR_PORT to a free one${portIsChosen ? '' : ', such as 8081'}`,
      );
    }
    const api = apiIsFree ? port : await pick('api', []);
    taken.add(api);
    const ports = {
      api,
      postgres: await pick('postgres', [DEFAULT_PORTS.postgres]),
      temporal: await pick('temporal', [DEFAULT_PORTS.temporal]),
      temporalUi: await pick('temporalUi', [DEFAULT_PORTS.temporalUi]),
    };
    rememberPorts(home, { ...ports });
    return ports;
  }

  // Parts ----------------------------------------------------------------------------------------------------------------

  private async database(ports: Ports): Promise<string> {
    const url = this.config.databaseUrl ?? (await this.embeddedPostgres(ports.postgres));
    const startedAt = Date.now();
    const sql = connectPostgres({ url, poolSize: 1 });
    try {
      const unusable = (error: unknown) => {
        throw new Error(`the database ${withoutPassword(url)} cannot be used: ${messageOf(error)}`, { cause: error });
      };
      await requireServer(sql).catch(unusable);
      if (this.config.databaseUrl) this.up('PostgreSQL', `yours, ${withoutPassword(url)}`, startedAt);
      const { applied, schemaVersion } = await migrate(sql).catch(unusable);
      if (applied.length > 0) this.up('schema', `at version ${schemaVersion}`, startedAt);
    } finally {
      await sql.end({ timeout: 5 });
    }
    return url;
  }

  private async embeddedPostgres(port: number): Promise<string> {
    const startedAt = Date.now();
    const postgres = await openEmbeddedPostgres({
      home: this.config.home,
      port,
      logFile: this.logFile('postgres'),
      onProgress: (text) => this.say('step', 'PostgreSQL', text),
    });
    await this.start(postgres.spec);
    await ensureDatabase(postgres, 'bursar');
    this.up('PostgreSQL', `${postgres.version.replace(/-.*/, '')} on 127.0.0.1:${port}`, startedAt);
    return postgres.urlOf('bursar');
  }

  private async temporal(ports: Ports): Promise<{ address: string; uiUrl?: string }> {
    const { temporalAddress, temporalUiUrl, temporalNamespace, temporalCliPath, home } = this.config;
    if (temporalAddress !== undefined) {
      this.say('note', 'Temporal', `yours, ${temporalAddress}`);
      return { address: temporalAddress, ...(temporalUiUrl !== undefined && { uiUrl: temporalUiUrl }) };
    }
    const startedAt = Date.now();
    const cli = await findTemporalCli({
      cliPath: temporalCliPath,
      searchPath: searchPath(),
      cacheFolder: cacheFolder(),
      onProgress: (text) => this.say('step', 'Temporal', text),
      signal: this.signal,
    });
    const temporal = openEmbeddedTemporal({
      home,
      cli,
      port: ports.temporal,
      uiPort: ports.temporalUi,
      namespace: temporalNamespace,
      logFile: this.logFile('temporal'),
    });
    await this.start(temporal.spec);
    await keepForAMonth(temporal.address, temporalNamespace);
    this.up('Temporal', `${cli.serverVersion} on ${temporal.address}, its pages on ${temporal.uiUrl}`, startedAt);
    return temporal;
  }

  private settings(
    ports: Ports,
    databaseUrl: string,
    temporal: { address: string; uiUrl?: string },
  ): NodeJS.ProcessEnv {
    return childEnvironment({
      BURSAR_HOME: this.config.home,
      BURSAR_CONFIG: this.config.file === undefined ? '' : resolve(this.config.file),
      BURSAR_HOST: this.config.host,
      BURSAR_PORT: String(ports.api),
      // Where they are said from here; the children have another folder.
      BURSAR_SERVICE_TLS_CERT_FILE: this.config.exposure.tlsCertFile,
      BURSAR_SERVICE_TLS_KEY_FILE: this.config.exposure.tlsKeyFile,
      BURSAR_AUTH_JWT_PUBLIC_KEY_FILE: this.config.exposure.jwtPublicKeyFile,
      DATABASE_URL: databaseUrl,
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: this.config.temporalNamespace,
      ...(temporal.uiUrl !== undefined && { TEMPORAL_UI_URL: temporal.uiUrl }),
    });
  }

  /** One of our own processes: `dist/<name>/main.js`, which says in its log when it does its work. */
  private async child(name: 'api' | 'worker', env: NodeJS.ProcessEnv, isReady: (output: string) => boolean) {
    const startedAt = Date.now();
    const program = this.options.programs?.[name] ?? join(PACKAGE_ROOT, 'dist', name, 'main.js');
    await this.start({
      name,
      logFile: this.logFile(name),
      readyWithinMs: 60_000,
      attempts: 3,
      stopSteps: [['SIGTERM', this.config.shutdownTimeoutMs + GRACE_MS]],
      launch: () =>
        Promise.resolve({
          command: process.execPath,
          args: ['--enable-source-maps', program],
          env,
          cwd: this.config.home,
        }),
      isReady: (output) => Promise.resolve(isReady(output())),
    });
    const part = PART_OF[name] ?? 'Bursar';
    this.up(part, name === 'api' ? this.apiUrl(Number(env.BURSAR_PORT)) : 'ready', startedAt);
  }

  /** A Temporal that is not ours may come later; admission does not wait for it, so neither do we. */
  private waitsForTemporal(output: string): boolean {
    if (this.config.temporalAddress === undefined || !output.includes('workers cannot work')) return false;
    this.say('note', 'worker', `waits for Temporal at ${this.config.temporalAddress}; jobs are admitted meanwhile`);
    return true;
  }

  private apiUrl(port: number): string {
    const { host, exposure } = this.config;
    return `${exposure.tlsEnabled ? 'https' : 'http'}://${bracketed(host)}:${port}`;
  }

  // Small things -----------------------------------------------------------------------------------------------------

  private get signal(): AbortSignal {
    const { signal } = this.options;
    return signal ? AbortSignal.any([signal, this.failed.signal]) : this.failed.signal;
  }

  /** Like `Promise.all`, but when one fails the other is waited for: nothing may start behind the back of who cleans up. */
  private async both<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
    for (const each of [first, second]) each.catch(() => this.failed.abort());
    const [a, b] = await Promise.allSettled([first, second]);
    const failures = [a, b].filter((end) => end.status === 'rejected').map(({ reason }) => reason as Error);
    // Who was aborted because the other failed has nothing to tell.
    const cause = failures.find((error) => error.name !== 'AbortError') ?? failures[0];
    if (a.status === 'rejected' || b.status === 'rejected') throw cause;
    return [a.value, b.value];
  }

  private start(spec: ServiceSpec): Promise<Service> {
    this.signal.throwIfAborted();
    return this.supervisor.start(spec);
  }

  private logFile(name: string): string {
    mkdirSync(this.supervisor.logFolder, { recursive: true });
    return join(this.supervisor.logFolder, `${name}.log`);
  }

  private say(type: 'step' | 'note', part: Part, text: string): void {
    this.options.onEvent({ type, part, text });
  }

  private up(part: Part, text: string, startedAt: number): void {
    this.options.onEvent({ type: 'up', part, text, tookMs: Date.now() - startedAt });
  }
}

/** The dev server forgets closed workflows after a day; an operator should be able to read last week's. */
async function keepForAMonth(address: string, namespace: string): Promise<void> {
  const temporal = connectTemporal({ address, namespace });
  try {
    await prepareNamespace(temporal, { namespace, searchAttributes: [], retentionDays: 30 });
  } finally {
    await temporal.close();
  }
}

/** Has a process written the log line by which it says that it works? (`announce` in platform/log.ts) */
function saidEvent(output: string, event: 'listening' | 'ready'): boolean {
  return output.split('\n').some((line) => line.includes(`"event":"${event}"`) || line.includes(` event=${event}`));
}

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

const messageOf = (error: unknown): string => {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
};

// In words -------------------------------------------------------------------------------------------------------------

/** One line for a person. */
export function describe(event: StackEvent): string {
  switch (event.type) {
    case 'step':
      return `${event.part}: ${event.text} …`;
    case 'note':
      return `${event.part}: ${event.text}`;
    case 'up':
      return `${event.part}: ${event.text} (${seconds(event.tookMs)})`;
    case 'died':
      return `${event.part} ${event.how}; starting it again in ${seconds(event.againInMs)}`;
    case 'recovered':
      return `${event.part} is back after ${seconds(event.afterMs)}`;
  }
}

const seconds = (ms: number): string => `${Math.max(0.1, Math.floor(ms / 100) / 10)} s`;

/** Where things are, as a list of label and address. The database comes without its password. */
export const listAddresses = ({ api, docs, temporal, temporalUi, database }: StackAddresses): [string, string][] => [
  ['API', api],
  ['API docs', docs],
  ...(temporalUi === undefined ? [] : ([['Temporal UI', temporalUi]] as [string, string][])),
  ['Temporal', temporal],
  ['PostgreSQL', withoutPassword(database)],
];

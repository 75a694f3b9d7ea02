/** All of Bursar as processes of its own, on a PostgreSQL that waits for its disk and a Temporal with a file. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { migrate } from '../../migrations/migrate';
import { cacheFolder, childEnvironment, readConfig, searchPath } from '../../platform/config';
import { ensureDatabase, openEmbeddedPostgres } from '../../platform/embedded/postgres';
import { launchService, type Service, type ServiceSpec } from '../../platform/embedded/service';
import { openEmbeddedTemporal } from '../../platform/embedded/temporal';
import { findTemporalCli } from '../../platform/embedded/temporal-cli';
import { PACKAGE_ROOT } from '../../platform/paths';
import { connectPostgres, type Sql } from '../../platform/postgres';
import { connectTemporal, type Temporal } from '../../platform/temporal';
import { eventually } from '../helpers/eventually';
import { ownPort } from '../helpers/ports';
import { noteServer, removeScratch, scratchFolder } from '../helpers/scratch';

export type Part = 'api' | 'dispatcher' | 'worker' | 'temporal' | 'postgres';

export interface CrashStack extends AsyncDisposable {
  url: string;
  databaseUrl: string;
  sql: Sql;
  temporal: Temporal;
  /** Sends a signal to the process that is this part now; after SIGKILL it is started again by itself. */
  signal(part: Part, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
  /** Resolves once every part has come back from its last death. */
  allBack(): Promise<void>;
  /** It stays away until it is started. (The worker carries the outbox too: without it, what is leased is the dispatcher's.) */
  stop(part: Part): Promise<void>;
  start(part: Part): Promise<void>;
  /** The last lines that it has written. */
  log(part: Part): string;
}

export interface CrashStackOptions {
  /** How far Bursar's clock is from everybody else's, in seconds. (Temporal's server, in Go, asks the kernel directly.) */
  clockIsOffBySeconds?: number;
  /** Settings of our processes. */
  settings?: Record<string, string>;
}

/** Of whoever waits for a process. */
const PATIENCE_MS = 90_000;

export async function startCrashStack(options: CrashStackOptions = {}): Promise<CrashStack> {
  const home = scratchFolder();
  const specs = new Map<string, ServiceSpec>();
  const services = new Map<string, Service>();
  const stopAll = async () => {
    for (const service of [...services.values()].reverse()) await service.stop();
    await removeScratch(home);
  };
  const clock = clockEnvironment(options.clockIsOffBySeconds ?? 0);
  const start = async (spec: ServiceSpec) => {
    specs.set(spec.name, spec);
    const service = launchService(spec, (event) => {
      if (event.type === 'spawned') noteServer(home, event.identity);
    });
    services.set(spec.name, service);
    await service.ready;
  };
  try {
    const logFile = (name: string) => join(home, `${name}.log`);
    const postgres = await openEmbeddedPostgres({
      home,
      port: await ownPort(),
      logFile: logFile('postgres'),
      onProgress: () => {},
    });
    await start(withEnvironment(postgres.spec, clock));
    await ensureDatabase(postgres, 'bursar');
    const databaseUrl = postgres.urlOf('bursar');
    const sql = connectPostgres({ url: databaseUrl, poolSize: 4, applicationName: 'test' });
    await migrate(sql);
    const cli = await findTemporalCli({
      cliPath: readConfig().temporalCliPath,
      searchPath: searchPath(),
      cacheFolder: cacheFolder(),
      onProgress: () => {},
    });
    const embedded = openEmbeddedTemporal({ home, cli, port: await ownPort(), logFile: logFile('temporal') });
    await start(embedded.spec);
    const temporal = connectTemporal({ address: embedded.address });

    const apiPort = await ownPort();
    const env = childEnvironment({
      DATABASE_URL: databaseUrl,
      TEMPORAL_ADDRESS: embedded.address,
      TEMPORAL_NAMESPACE: 'default',
      BURSAR_HOME: home,
      BURSAR_PORT: String(apiPort),
      BURSAR_TIME_ZONE: 'UTC',
      ...options.settings,
      ...clock,
    });
    const program = (name: string, file: string, event: string): ServiceSpec => ({
      name,
      logFile: logFile(name),
      readyWithinMs: 60_000,
      attempts: 1,
      stopSteps: [['SIGTERM', 15_000]],
      launch: () =>
        Promise.resolve({ command: process.execPath, args: [join(PACKAGE_ROOT, 'dist', file)], env, cwd: home }),
      isReady: (output) => Promise.resolve(output().includes(`"event":"${event}"`)),
    });
    await start(program('worker', 'worker/main.js', 'ready')); // First: it registers the search attributes.
    await start(program('dispatcher', 'worker/dispatcher-main.js', 'ready'));
    await start(program('api', 'api/main.js', 'listening'));

    return {
      url: `http://127.0.0.1:${apiPort}`,
      databaseUrl,
      sql,
      temporal,
      signal: async (part, signal) => {
        const isUp = () => {
          const service = services.get(part);
          return service?.isUp === true && service.identity;
        };
        // After its last death it may wait for half a minute before it is started again.
        const identity = await eventually(`${part} runs`, isUp, PATIENCE_MS);
        process.kill(identity.pid, signal);
        if (signal !== 'SIGKILL') return;
        await eventually(`${part} is gone`, () => services.get(part)?.identity?.pid !== identity.pid, PATIENCE_MS);
      },
      allBack: async () => {
        await eventually('all parts are back', () => [...services.values()].every(({ isUp }) => isUp), PATIENCE_MS);
      },
      stop: async (part) => {
        await services.get(part)?.stop();
        services.delete(part);
      },
      start: async (part) => {
        const spec = specs.get(part);
        if (spec && !services.has(part)) await start(spec);
      },
      log: (part) => readFileSync(logFile(part), 'utf8').split('\n').slice(-30).join('\n'),
      [Symbol.asyncDispose]: async () => {
        await temporal.close();
        await sql.end({ timeout: 1 }).catch(() => {});
        await stopAll();
      },
    };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

/** libfaketime, as Debian installs it; the loader puts its folder of libraries for $LIB. Timers go on at their pace. */
const clockEnvironment = (seconds: number): Record<string, string> =>
  seconds === 0
    ? {}
    : {
        LD_PRELOAD: '/usr/$LIB/faketime/libfaketimeMT.so.1',
        FAKETIME: `${seconds < 0 ? '' : '+'}${seconds}s`,
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      };

const withEnvironment = (spec: ServiceSpec, more: Record<string, string>): ServiceSpec => ({
  ...spec,
  launch: async () => {
    const launch = await spec.launch();
    return { ...launch, env: { ...(launch.env ?? childEnvironment()), ...more } };
  },
});

/** All of Bursar as processes of its own, on a PostgreSQL that waits for its disk and a Temporal with a file. */
import { join } from 'node:path';
import { migrate } from '../../migrations/migrate';
import { cacheFolder, childEnvironment, readConfig, searchPath } from '../../platform/config';
import { pickPort } from '../../platform/embedded/ports';
import { ensureDatabase, openEmbeddedPostgres } from '../../platform/embedded/postgres';
import { launchService, type Service, type ServiceSpec } from '../../platform/embedded/service';
import { openEmbeddedTemporal } from '../../platform/embedded/temporal';
import { findTemporalCli } from '../../platform/embedded/temporal-cli';
import { PACKAGE_ROOT } from '../../platform/paths';
import { connectPostgres, type Sql } from '../../platform/postgres';
import { connectTemporal, type Temporal } from '../../platform/temporal';
import { eventually } from '../helpers/eventually';
import { noteServer, removeScratch, scratchFolder } from '../helpers/scratch';

export type Part = 'api' | 'dispatcher' | 'worker' | 'temporal' | 'postgres';

export interface CrashStack extends AsyncDisposable {
  url: string;
  sql: Sql;
  temporal: Temporal;
  /** Sends a signal to the process that is this part now; after SIGKILL it is started again by itself. */
  signal(part: Part, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
  /** Resolves once every part has come back from its last death. */
  allBack(): Promise<void>;
  /** Only for the worker, which carries the outbox too: without it, what is leased is the dispatcher's. */
  stopWorker(): Promise<void>;
  startWorker(): Promise<void>;
}

export async function startCrashStack(): Promise<CrashStack> {
  const home = scratchFolder();
  const services = new Map<string, Service>();
  const stopAll = async () => {
    for (const service of [...services.values()].reverse()) await service.stop();
    await removeScratch(home);
  };
  const start = async (spec: ServiceSpec) => {
    const service = launchService(spec, (event) => {
      if (event.type === 'spawned') noteServer(home, event.identity);
    });
    services.set(spec.name, service);
    await service.ready;
  };
  try {
    const taken = new Set<number>();
    const port = async () => {
      const chosen = await pickPort([], taken);
      taken.add(chosen);
      return chosen;
    };
    const logFile = (name: string) => join(home, `${name}.log`);
    const postgres = await openEmbeddedPostgres({
      home,
      port: await port(),
      logFile: logFile('postgres'),
      onProgress: () => {},
    });
    await start(postgres.spec);
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
    const embedded = openEmbeddedTemporal({ home, cli, port: await port(), logFile: logFile('temporal') });
    await start(embedded.spec);
    const temporal = connectTemporal({ address: embedded.address });

    const apiPort = await port();
    const env = childEnvironment({
      DATABASE_URL: databaseUrl,
      TEMPORAL_ADDRESS: embedded.address,
      TEMPORAL_NAMESPACE: 'default',
      BURSAR_HOME: home,
      BURSAR_PORT: String(apiPort),
      BURSAR_TIME_ZONE: 'UTC',
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
    const worker = program('worker', 'worker/main.js', 'ready');
    await start(worker); // First: it registers the search attributes.
    await start(program('dispatcher', 'worker/dispatcher-main.js', 'ready'));
    await start(program('api', 'api/main.js', 'listening'));

    return {
      url: `http://127.0.0.1:${apiPort}`,
      sql,
      temporal,
      signal: async (part, signal) => {
        const identity = await eventually(`${part} runs`, () => {
          const service = services.get(part);
          return service?.isUp === true && service.identity;
        });
        process.kill(identity.pid, signal);
        if (signal !== 'SIGKILL') return;
        await eventually(`${part} is gone`, () => services.get(part)?.identity?.pid !== identity.pid);
      },
      allBack: async () => {
        await eventually('all parts are back', () => [...services.values()].every(({ isUp }) => isUp), 60_000);
      },
      stopWorker: async () => {
        await services.get('worker')?.stop();
        services.delete('worker');
      },
      startWorker: () => start(worker),
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

/**
 * A scratch stack for one benchmark: PostgreSQL as a user gets it (fsync and synchronous_commit on), the schema, API and
 * worker as processes of their own, on free ports and in a temporary folder that goes when the benchmark ends.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../migrations/migrate';
import { cacheFolder, childEnvironment, readConfig, searchPath } from '../platform/config';
import { freePort } from '../platform/embedded/ports';
import { ensureDatabase, openEmbeddedPostgres } from '../platform/embedded/postgres';
import { startService, type Service } from '../platform/embedded/service';
import { openEmbeddedTemporal } from '../platform/embedded/temporal';
import { findTemporalCli } from '../platform/embedded/temporal-cli';
import { PACKAGE_ROOT } from '../platform/paths';
import { connectPostgres, type Sql } from '../platform/postgres';

export interface BenchDatabase {
  url: string;
  sql: Sql;
}

export interface BenchProcess {
  url: string;
  /** The number of the process, for who wants to look at it. */
  pid: number | undefined;
  stop(): Promise<void>;
}

export interface BenchStack {
  folder: string;
  postgresVersion: string;
  /** A new, migrated database. */
  database(name: string): Promise<BenchDatabase>;
  /** An API over the database. With a Temporal address it also counts and sweeps stories. */
  api(database: BenchDatabase, temporalAddress?: string): Promise<BenchProcess>;
  /** Worker with its dispatcher. */
  worker(database: BenchDatabase, temporalAddress: string): Promise<BenchProcess>;
  /** Another program of ours, which says in its log when it is ready. */
  program(name: string, path: string, env: Record<string, string>, readyWord: string): Promise<BenchProcess>;
  /** The address of a dev server, started when first asked for. */
  temporal(): Promise<string>;
  /** Ends everything and removes the folder. */
  stop(): Promise<void>;
}

/** Runs `work` with a stack, which is gone afterwards however it ends. */
export async function withStack<T>(work: (stack: BenchStack) => Promise<T>): Promise<T> {
  const stack = await openStack();
  const end = () => void stack.stop().then(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
  try {
    return await work(stack);
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, end);
    await stack.stop();
  }
}

async function openStack(): Promise<BenchStack> {
  const folder = mkdtempSync(join(tmpdir(), 'bursar-bench-'));
  const logs = join(folder, 'log');
  mkdirSync(logs);
  const services: Service[] = [];
  const closings: (() => Promise<void>)[] = [];

  const start = async (spec: Parameters<typeof startService>[0]): Promise<Service> => {
    const service = await startService(spec, (event) => {
      if (event.type === 'died') process.stderr.write(`${spec.name} ${event.how}\n`);
    });
    services.push(service);
    return service;
  };
  const stop = async (): Promise<void> => {
    for (const close of closings.splice(0).reverse()) await close();
    for (const service of services.splice(0).reverse()) await service.stop();
    rmSync(folder, { recursive: true, force: true });
  };

  try {
    const postgres = await openEmbeddedPostgres({
      home: folder,
      port: await freePort(),
      logFile: join(logs, 'postgres.log'),
      onProgress: say,
      maxConnections: 200,
    });
    await start(postgres.spec);
    let temporal: Promise<string> | undefined;

    const program: BenchStack['program'] = async (name, path, env, readyWord) => {
      const service = await start({
        name,
        logFile: join(logs, `${name}-${randomBytes(3).toString('hex')}.log`),
        readyWithinMs: 60_000,
        attempts: 1,
        stopSteps: [['SIGTERM', 30_000]],
        launch: () =>
          Promise.resolve({
            command: process.execPath,
            args: [...profiling(name), '--enable-source-maps', join(PACKAGE_ROOT, 'dist', path)],
            env: childEnvironment(env),
            cwd: folder,
          }),
        isReady: (output) => Promise.resolve(output().includes(readyWord)),
      });
      return { url: '', pid: service.identity?.pid, stop: () => service.stop() };
    };

    return {
      folder,
      postgresVersion: postgres.version,
      async database(name) {
        await ensureDatabase(postgres, name);
        const url = postgres.urlOf(name);
        const sql = connectPostgres({ url, statementTimeoutMs: 0, applicationName: 'bench' });
        closings.push(() => sql.end({ timeout: 5 }));
        await migrate(sql);
        return { url, sql };
      },
      async api({ url: databaseUrl }, temporalAddress = '') {
        const port = await freePort();
        const env = { BURSAR_HOME: folder, BURSAR_PORT: String(port), TEMPORAL_ADDRESS: temporalAddress };
        const started = await program(
          'api',
          'api/main.js',
          { ...env, DATABASE_URL: databaseUrl },
          '"event":"listening"',
        );
        return { ...started, url: `http://127.0.0.1:${port}` };
      },
      worker: ({ url: databaseUrl }, temporalAddress) =>
        program(
          'worker',
          'worker/main.js',
          { BURSAR_HOME: folder, DATABASE_URL: databaseUrl, TEMPORAL_ADDRESS: temporalAddress },
          '"event":"ready"',
        ),
      program,
      temporal: () => (temporal ??= startTemporal(folder, logs, start)),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** `BURSAR_BENCH_PROFILE=api,worker`, for the author of a change: CPU profiles in /tmp/bursar-profiles. */
function profiling(name: string): string[] {
  const wanted = childEnvironment().BURSAR_BENCH_PROFILE?.split(',') ?? [];
  return wanted.includes(name) ? ['--cpu-prof', '--cpu-prof-dir', join(tmpdir(), 'bursar-profiles')] : [];
}

async function startTemporal(
  folder: string,
  logs: string,
  start: (spec: ReturnType<typeof openEmbeddedTemporal>['spec']) => Promise<Service>,
): Promise<string> {
  const { temporalCliPath: cliPath } = readConfig();
  const cli = await findTemporalCli({ cliPath, searchPath: searchPath(), cacheFolder: cacheFolder(), onProgress: say });
  const { spec, address } = openEmbeddedTemporal({
    home: folder,
    cli,
    port: await freePort(),
    logFile: join(logs, 'temporal.log'),
  });
  await start(spec);
  return address;
}

/** What goes on, beside the figures. */
export const say = (text: string): void => void process.stderr.write(`${text}\n`);

/**
 * The site of docker-compose.yml as processes of this machine: the ledger's PostgreSQL, Temporal's PostgreSQL, the Temporal
 * server, two APIs that ask for keys, two workers. Whatever dies is started again.
 */
import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { childEnvironment } from '../../platform/config';
import { ensureDatabase, openEmbeddedPostgres } from '../../platform/embedded/postgres';
import { launchService, type Service, type ServiceSpec } from '../../platform/embedded/service';
import type { TemporalCli } from '../../platform/embedded/temporal-cli';
import { PACKAGE_ROOT } from '../../platform/paths';
import { connectPostgres, type Sql } from '../../platform/postgres';
import { connectTemporal, type Temporal } from '../../platform/temporal';
import { POSTGRES_MAJOR } from '../../platform/versions';
import { eventually } from '../helpers/eventually';
import { ownPort } from '../helpers/ports';
import { noteServer, removeScratch, scratchFolder } from '../helpers/scratch';
import { backUp, restore } from './backup';
import { openFront, type Front } from './front';
import { addressOf, findPrograms, PORTS, prepareSchema, runScript, temporalServer } from './temporal-server';

export type Part = 'ledger' | 'temporal-database' | 'temporal' | 'api-1' | 'api-2' | 'worker-1' | 'worker-2';
type Database = 'ledger' | 'temporal-database';

const OURS = ['worker-1', 'worker-2', 'api-1', 'api-2'] as const satisfies Part[];
const NAMESPACE = 'bursar';

export interface Site extends AsyncDisposable {
  front: Front;
  /** The command line of the tests, and of the scripts. */
  cli: TemporalCli;
  sql: Sql;
  temporal: Temporal;
  /** kill -9. It comes back by itself. */
  kill(part: Part): Promise<void>;
  stop(...parts: readonly Part[]): Promise<void>;
  start(...parts: readonly Part[]): Promise<void>;
  backUp(database: Database): Promise<string>;
  /** Whatever uses it has been stopped, or waits. */
  restore(database: Database, backup: string): Promise<void>;
  /** Runs the command as an admin, through the front; its output. */
  bursar(...args: string[]): Promise<string>;
  ask<T>(method: string, path: string, body?: unknown): Promise<T>;
}

export const PROCESSES: readonly Part[] = OURS;

export async function startSite(): Promise<Site> {
  const { path, cli } = await findPrograms();
  const home = scratchFolder();
  const specs = new Map<Part, ServiceSpec>();
  const services = new Map<Part, Service>();
  const start = async (...parts: readonly Part[]) => {
    for (const part of parts) {
      const spec = specs.get(part);
      if (!spec) throw new Error(`no ${part}`);
      const service = launchService(spec, (event) => {
        if (event.type === 'spawned') noteServer(home, event.identity);
      });
      services.set(part, service);
      await service.ready;
    }
  };
  const stop = async (...parts: readonly Part[]) => {
    for (const part of parts) await services.get(part)?.stop();
  };
  const logFile = (name: string) => join(home, `${name}.log`);
  const postgres = async (name: Database) => {
    mkdirSync(join(home, name));
    const options = { home: join(home, name), port: await ownPort(), logFile: logFile(name), onProgress: () => {} };
    const opened = await openEmbeddedPostgres(options);
    specs.set(name, opened.spec);
    await start(name);
    return opened;
  };

  try {
    const [ledger, temporalDatabase] = [await postgres('ledger'), await postgres('temporal-database')];
    await ensureDatabase(ledger, 'bursar');
    const databaseUrl = ledger.urlOf('bursar');

    const temporalPorts: number[] = [];
    while (temporalPorts.length < PORTS) temporalPorts.push(await ownPort());
    const place = {
      folder: join(home, 'temporal'),
      database: {
        url: temporalDatabase.urlOf('temporal'),
        passwordFile: join(home, 'temporal-database', 'postgres-password'),
      },
      ports: temporalPorts,
      path,
    };
    prepareSchema(place);
    specs.set('temporal', temporalServer(place, logFile('temporal')));
    await start('temporal');
    const address = addressOf(place);
    runScript('prepare-namespace', path, { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: NAMESPACE });

    const settings = {
      DATABASE_URL: databaseUrl,
      TEMPORAL_ADDRESS: address,
      TEMPORAL_NAMESPACE: NAMESPACE,
      BURSAR_TIME_ZONE: 'UTC',
      BURSAR_URL: '',
      BURSAR_TOKEN: '',
    };
    const run = async (env: Record<string, string>, args: string[]) => {
      const command = [join(PACKAGE_ROOT, 'bin/bursar.js'), ...args];
      const { stdout } = await promisify(execFile)(process.execPath, command, {
        env: childEnvironment({ ...settings, BURSAR_HOME: join(home, 'nobody'), ...env }),
        cwd: home,
      });
      return stdout;
    };
    await run({}, ['database', 'migrate']);
    const { key } = JSON.parse(
      await run({}, ['key', 'create', 'operator', '--scope', 'admin', '--first', '--json']),
    ) as { key: string };

    const program = (name: Part, file: string, event: string, own: Record<string, string>): ServiceSpec => ({
      name,
      logFile: logFile(name),
      readyWithinMs: 60_000,
      attempts: 1,
      stopSteps: [['SIGTERM', 15_000]],
      launch: () =>
        Promise.resolve({
          command: process.execPath,
          args: ['--enable-source-maps', join(PACKAGE_ROOT, 'dist', file)],
          env: childEnvironment({ ...settings, BURSAR_HOME: join(home, name), ...own }),
          cwd: home,
        }),
      isReady: (output) => Promise.resolve(output().includes(`"event":"${event}"`)),
    });
    const urls: string[] = [];
    for (const name of OURS) {
      if (name.startsWith('worker')) specs.set(name, program(name, 'worker/main.js', 'ready', {}));
      else {
        const own = { BURSAR_HOST: '0.0.0.0', BURSAR_PORT: String(await ownPort()) };
        urls.push(`http://127.0.0.1:${own.BURSAR_PORT}`);
        specs.set(name, program(name, 'api/main.js', 'listening', own));
      }
    }
    await start(...OURS);

    const front = await openFront(urls);
    const sql = connectPostgres({ url: databaseUrl, poolSize: 2, applicationName: 'test' });
    const temporal = connectTemporal({ address, namespace: NAMESPACE });
    const dataOf = (database: Database) => join(home, database, `postgres-${POSTGRES_MAJOR}`);
    let backups = 0;
    return {
      front,
      cli,
      sql,
      temporal,
      stop,
      start,
      kill: async (part) => {
        const isUp = () => {
          const service = services.get(part);
          return service?.isUp === true && service.identity;
        };
        const { pid } = await eventually(`${part} runs`, isUp, 60_000);
        process.kill(pid, 'SIGKILL');
        await eventually(`${part} is gone`, () => services.get(part)?.identity?.pid !== pid, 60_000);
      },
      backUp: async (database) => {
        const folder = join(dirname(dataOf(database)), `backup-${(backups += 1)}`);
        const server = database === 'ledger' ? ledger : temporalDatabase;
        await backUp(dataOf(database), server.urlOf('postgres'), folder);
        return folder;
      },
      restore: async (database, backup) => {
        await stop(database);
        restore(backup, dataOf(database));
        await start(database);
      },
      bursar: (...args) => run({ BURSAR_URL: front.url, BURSAR_TOKEN: key }, args),
      ask: async <T>(method: string, path: string, body?: unknown) => {
        const response = await fetch(front.url + path, {
          method,
          headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${key}` },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        });
        const text = await response.text();
        if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
        return JSON.parse(text) as T;
      },
      [Symbol.asyncDispose]: async () => {
        await temporal.close();
        await sql.end({ timeout: 1 }).catch(() => {});
        await front[Symbol.asyncDispose]();
        await endAll();
      },
    };
  } catch (error) {
    await endAll();
    throw error;
  }

  async function endAll(): Promise<void> {
    for (const service of [...services.values()].reverse()) await service.stop();
    await removeScratch(home);
  }
}

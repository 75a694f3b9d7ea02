/** The Temporal server of docker-compose.yml, without its container: built once into the user's cache, as the CLI is. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { cacheFolder, childEnvironment, readConfig, searchPath } from '../../platform/config';
import { goInstall } from '../../platform/embedded/go-install';
import type { ServiceSpec } from '../../platform/embedded/service';
import { findTemporalCli, type TemporalCli } from '../../platform/embedded/temporal-cli';
import { PACKAGE_ROOT } from '../../platform/paths';
import { connectTemporal } from '../../platform/temporal';
import { TEMPORAL_SERVER_VERSION } from '../../platform/versions';

const say = (text: string) => void process.stderr.write(`temporal: ${text}\n`);

/** As the images call them. */
const PROGRAMS = {
  'temporal-server': { path: 'cmd/server', takes: 'four minutes, two where the CLI was built here' },
  'temporal-sql-tool': { path: 'cmd/tools/sql', takes: 'seconds' },
};

/** The programs of both images, the server with its schema tool and the command line, by a PATH that leads to them. */
export async function findPrograms(): Promise<{ path: string; cli: TemporalCli }> {
  const folder = join(cacheFolder(), `temporal-server-${TEMPORAL_SERVER_VERSION}`);
  mkdirSync(folder, { recursive: true });
  for (const [name, { path, takes }] of Object.entries(PROGRAMS)) {
    if (existsSync(join(folder, name))) continue;
    const unfinished = mkdtempSync(join(folder, 'unfinished-'));
    try {
      const built = await goInstall({
        what: `${name} ${TEMPORAL_SERVER_VERSION}`,
        target: `go.temporal.io/server/${path}@v${TEMPORAL_SERVER_VERSION}`,
        takes,
        folder: unfinished,
        searchPath: searchPath(),
        onProgress: say,
      });
      renameSync(built, join(folder, name));
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
    }
  }
  const cli = await findTemporalCli({
    cliPath: readConfig().temporalCliPath,
    searchPath: searchPath(),
    cacheFolder: cacheFolder(),
    onProgress: say,
  });
  return { path: [folder, dirname(cli.path), ...searchPath()].join(':'), cli };
}

export interface TemporalPlace {
  folder: string;
  /** A PostgreSQL server for it alone. */
  database: { url: string; passwordFile: string };
  /** As many as `PORTS`. */
  ports: readonly number[];
  path: string;
}

const ROLES = ['frontend', 'history', 'matching', 'worker'] as const;
/** One for calls and one for finding each other, for each of the four; and one for HTTP. */
export const PORTS = 2 * ROLES.length + 1;

const compose = (): { services: Record<string, { environment: Record<string, string> }> } =>
  parse(readFileSync(join(PACKAGE_ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }) as ReturnType<typeof compose>;

/** Runs a script of deploy/temporal as the one-shots of docker-compose.yml do. */
export function runScript(
  name: 'prepare-schema' | 'prepare-namespace',
  path: string,
  env: Record<string, string>,
): void {
  execFileSync('sh', [join(PACKAGE_ROOT, 'deploy/temporal', name)], {
    env: childEnvironment({ ...env, PATH: path }),
    stdio: 'pipe', // What it says is in the error, should there be one.
  });
}

export const prepareSchema = ({ database, path }: TemporalPlace): void => {
  const { hostname, port, username } = new URL(database.url);
  runScript('prepare-schema', path, {
    SQL_HOST: hostname,
    SQL_PORT: port,
    SQL_USER: username,
    SQL_PASSWORD_FILE: database.passwordFile,
    SQL_DEFAULT_DATABASE: 'postgres',
  });
};

export const addressOf = ({ ports }: TemporalPlace): string => `127.0.0.1:${ports[0]}`;

export function temporalServer(place: TemporalPlace, logFile: string): ServiceSpec {
  mkdirSync(place.folder, { recursive: true });
  writeFileSync(join(place.folder, 'site.yaml'), stringify(configOf(place)), { mode: 0o600 });
  return {
    name: 'temporal',
    logFile,
    readyWithinMs: 60_000,
    attempts: 3,
    stopSteps: [['SIGTERM', 20_000]],
    launch: () =>
      Promise.resolve({
        command: 'temporal-server',
        args: ['--root', place.folder, '--config', '.', '--env', 'site', '--allow-no-auth', 'start'],
        env: childEnvironment({ PATH: place.path }),
        cwd: place.folder,
      }),
    isReady: async () => {
      const temporal = connectTemporal({ address: addressOf(place), deadlineMs: 1_000 });
      try {
        await temporal.withDeadline(() => temporal.connection.workflowService.getClusterInfo({}));
        return true;
      } finally {
        await temporal.close();
      }
    },
  };
}

/** What the image makes of the environment that docker-compose.yml gives it, on ports of this machine. */
function configOf({ database, ports }: TemporalPlace): unknown {
  const { DBNAME, VISIBILITY_DBNAME, NUM_HISTORY_SHARDS, LOG_LEVEL, DB } =
    compose().services.temporal?.environment ?? {};
  const { host, username, password } = new URL(database.url);
  const store = (databaseName: string | undefined, maxConns: number) => ({
    sql: {
      ...{ pluginName: DB, databaseName, connectAddr: host, connectProtocol: 'tcp', user: username, password },
      ...{ maxConns, maxIdleConns: maxConns, maxConnLifetime: '1h' },
    },
  });
  const rpc = (role: number) => ({
    grpcPort: ports[2 * role],
    membershipPort: ports[2 * role + 1],
    bindOnLocalHost: true,
  });
  return {
    log: { stdout: true, level: LOG_LEVEL },
    persistence: {
      numHistoryShards: Number(NUM_HISTORY_SHARDS),
      defaultStore: 'default',
      visibilityStore: 'visibility',
      datastores: { default: store(DBNAME, 20), visibility: store(VISIBILITY_DBNAME, 10) },
    },
    global: { membership: { maxJoinDuration: '30s', broadcastAddress: '127.0.0.1' } },
    services: Object.fromEntries(
      ROLES.map((role, index) => [
        role,
        { rpc: { ...rpc(index), ...(role === 'frontend' && { httpPort: ports.at(-1) }) } },
      ]),
    ),
    clusterMetadata: {
      enableGlobalNamespace: false,
      failoverVersionIncrement: 10,
      masterClusterName: 'active',
      currentClusterName: 'active',
      clusterInformation: {
        active: { enabled: true, initialFailoverVersion: 1, rpcName: 'frontend', rpcAddress: `127.0.0.1:${ports[0]}` },
      },
    },
    dcRedirectionPolicy: { policy: 'noop' },
    dynamicConfigClient: { filepath: join(PACKAGE_ROOT, 'deploy/temporal/dynamic-config.yaml'), pollInterval: '60s' },
  };
}

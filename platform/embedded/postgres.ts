/**
 * The embedded PostgreSQL: a real server, its data in `BURSAR_HOME/postgres-<major>`, listening on 127.0.0.1 only.
 *
 * As root it runs as an unprivileged user that exists anyway (the owner of the data, once there is some). That user often
 * cannot enter root's home, where the data lies. The data folder is then opened by us and handed over as an open file,
 * and PostgreSQL reaches it as /proc/self/fd/3: nothing is moved elsewhere, and no permission on the way is loosened.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { connectPostgres } from '../postgres';
import { POSTGRES_MAJOR } from '../versions';
import { preparePostgresBinaries, type PostgresBinaries } from './postgres-binaries';
import { endProcess, identify, programOf, workingFolderOf, type StopStep } from './processes';
import { canReach, unprivilegedUser, type UnprivilegedUser } from './reach';
import type { Launch, ServiceSpec } from './service';

export interface EmbeddedPostgresOptions {
  home: string;
  port: number;
  logFile: string;
  onProgress: (text: string) => void;
  /** For tests: no waiting for the disk. A crash of the machine may then cost data. */
  fast?: boolean;
  maxConnections?: number;
  /** For tests: the programs of another PostgreSQL than the one that npm brings. */
  binaries?: PostgresBinaries;
}

export interface EmbeddedPostgres {
  spec: ServiceSpec;
  /** The address of a database of this server, with its password. */
  urlOf(database: string): string;
  /** As the npm package numbers it: `18.4.0-beta.17`. */
  version: string;
}

const SUPERUSER = 'bursar';

/** Fast (SIGINT): sessions are cut, the books are written. Immediate (SIGQUIT): as after a crash. */
const STOP_STEPS: readonly StopStep[] = [
  ['SIGINT', 15_000],
  ['SIGQUIT', 5_000],
];

/** Makes the database cluster if there is none and says how to run it. */
export async function openEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { home, port, logFile, onProgress } = options;
  mkdirSync(home, { recursive: true });
  const data = join(home, `postgres-${POSTGRES_MAJOR}`);
  const user = userFor(data);
  const binaries = options.binaries ?? preparePostgresBinaries({ home, onProgress, ...(user && { user }) });
  const passwordFile = join(home, 'postgres-password');
  if (!existsSync(join(data, 'PG_VERSION'))) {
    onProgress('creating the database cluster (once)');
    await createCluster({ data, binaries, user, passwordFile });
  }
  const password = readFileSync(passwordFile, 'utf8').trim();
  const urlOf = (database: string) => `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`;

  const spec: ServiceSpec = {
    name: 'postgres',
    logFile,
    readyWithinMs: 120_000, // Reading the log of a long life again after a crash takes its time.
    attempts: 6, // After a kill its last children may keep the shared memory for a second.
    stopSteps: STOP_STEPS,
    launch: async () => {
      await clearStalePidFile(data);
      return launchIn(data, user, (folder) => ({
        command: binaries.postgres,
        args: ['-D', folder, ...serverSettings(options)],
      }));
    },
    isReady: () => answersQueries(urlOf('postgres')),
  };
  return { spec, urlOf, version: binaries.version };
}

function serverSettings({ port, fast, maxConnections }: EmbeddedPostgresOptions): string[] {
  const settings: Record<string, string | number> = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: maxConnections ?? 100,
    timezone: 'UTC',
    log_timezone: 'UTC',
    // What it takes by itself was chosen for the smallest of machines: most of a ledger of a million transactions would be read anew.
    shared_buffers: `${Math.min(1024, Math.floor(totalmem() / 4 / 2 ** 20))}MB`,
    max_wal_size: '2GB',
    ...(fast && { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** Ourselves, unless we are root: then the owner of the data, or a user without rights. */
function userFor(data: string): UnprivilegedUser | undefined {
  const me = process.getuid?.();
  const owner = statSync(data, { throwIfNoEntry: false });
  if (me !== 0) {
    if (owner && owner.uid !== me) {
      throw new Error(`${data} belongs to another user (number ${owner.uid}): start Bursar as that user or as root`);
    }
    return undefined;
  }
  if (owner && owner.uid !== 0) return { name: `user ${owner.uid}`, uid: owner.uid, gid: owner.gid };
  const user = unprivilegedUser();
  if (user) return user;
  throw new Error(
    'PostgreSQL refuses to run as root, and this machine has no user "postgres" or "nobody" to run it as. ' +
      'Start Bursar as an ordinary user, or set DATABASE_URL',
  );
}

/** How to start a program that works in `folder` as `user`, whether or not that user can walk there. */
function launchIn(folder: string, user: UnprivilegedUser | undefined, how: (folder: string) => Launch): Launch {
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
  if (!user) return { ...how(folder), env, cwd: folder };
  const asUser = { env, cwd: '/', uid: user.uid, gid: user.gid };
  if (canReach(folder, 'enter', user)) return { ...how(folder), ...asUser };
  if (process.platform !== 'linux') {
    throw new Error(
      `${user.name} cannot reach ${folder}. Set BURSAR_HOME to a folder that is open to all, or do not run as root`,
    );
  }
  return { ...how('/proc/self/fd/3'), ...asUser, files: [openSync(folder, 'r')] };
}

interface NewCluster {
  data: string;
  binaries: PostgresBinaries;
  user: UnprivilegedUser | undefined;
  passwordFile: string;
}

/** Under another name first, so that a cluster is whole or not there. */
async function createCluster({ data, binaries, user, passwordFile }: NewCluster): Promise<void> {
  const unfinished = `${data}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  if (!existsSync(passwordFile))
    writeFileSync(passwordFile, `${randomBytes(18).toString('base64url')}\n`, { mode: 0o600 });
  const forInitdb = mkdtempSync(join(tmpdir(), 'bursar-initdb-'));
  const passwordCopy = join(forInitdb, 'password');
  writeFileSync(passwordCopy, readFileSync(passwordFile), { mode: 0o600 });
  if (user) for (const path of [unfinished, forInitdb, passwordCopy]) chownSync(path, user.uid, user.gid);
  try {
    const launch = launchIn(unfinished, user, (folder) => ({
      command: binaries.initdb,
      args: [
        ...['-D', folder, '--username', SUPERUSER, '--pwfile', passwordCopy, '--auth', 'scram-sha-256'],
        // C: bytes decide every order, the same on every machine and after every upgrade of its libraries.
        ...['--encoding', 'UTF8', '--no-locale', '--no-instructions'],
      ],
    }));
    await runToEnd(launch);
    renameSync(unfinished, data);
  } finally {
    rmSync(forInitdb, { recursive: true, force: true });
  }
}

function runToEnd({ command, args, files = [], ...options }: Launch): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe', ...files] });
    for (const file of files) closeSync(file);
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', (error) => reject(new Error(`${command} could not be started`, { cause: error })));
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} ended with code ${code}:\n${output.trim()}`)),
    );
  });
}

/**
 * Ends a server that a dead supervisor left behind, and removes a postmaster.pid that names a process which is none.
 *
 * PostgreSQL takes any living process with the number in that file for its own twin and refuses to start; in a container,
 * where numbers begin again at every boot, that is the ordinary case.
 */
async function clearStalePidFile(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid');
  if (!existsSync(file)) return;
  const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
  const identity = pid > 0 ? identify(pid) : undefined;
  if (identity && isServerOf(pid, data)) await endProcess(identity, STOP_STEPS);
  rmSync(file, { force: true });
}

/** A server works in its data folder; where the system does not tell (macOS), the name of the program must do. */
function isServerOf(pid: number, data: string): boolean {
  if (programOf(pid) !== 'postgres') return false;
  const folder = workingFolderOf(pid);
  return folder === undefined || folder === realpathSync(data);
}

async function answersQueries(url: string): Promise<boolean> {
  const sql = connectPostgres({ url, poolSize: 1, connectTimeoutSeconds: 2 });
  try {
    await sql`select 1`;
    return true;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Makes a database of this name unless it is there. */
export async function ensureDatabase(postgres: EmbeddedPostgres, name: string): Promise<void> {
  const sql = connectPostgres({ url: postgres.urlOf('postgres'), poolSize: 1 });
  try {
    const [found] = await sql`select 1 from pg_database where datname = ${name}`;
    if (!found) await sql`create database ${sql(name)}`;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

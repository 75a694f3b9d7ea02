/**
 * Databases that live as long as one command: made beside Bursar's own on the same server, and dropped at its end. What a killed
 * command left behind is dropped by the next one: nobody is connected to it, and it is older than the moment that it takes
 * from making a database to connecting to it. Its name says when it was made, by the server's clock.
 */
import { randomBytes } from 'node:crypto';
import { codeOf } from '../../domain/code-of';
import { migrate } from '../../migrations/migrate';
import { connectPostgres, type Sql } from '../../platform/postgres';
import { REPLAY_SCHEMA } from './schema';

const PREFIX = 'bursar_replay_';

export interface ScratchDatabase {
  name: string;
  sql: Sql;
}

/** `<seconds in hex><random>` */
const NAME = `^${PREFIX}[0-9a-f]{16}$`;

/** Hands new books without any account to `use`, as many as are wanted, and drops them however it ends. */
export async function withScratchDatabases<T>(
  url: string,
  count: number,
  use: (databases: ScratchDatabase[]) => Promise<T>,
): Promise<T> {
  const guard = connectPostgres({ url, poolSize: 1, statementTimeoutMs: 0, applicationName: 'bursar-replay' });
  const databases: ScratchDatabase[] = [];
  try {
    await dropLeftovers(guard);
    for (let n = 0; n < count; n += 1) {
      const name = await create(guard);
      const sql = connectPostgres({
        url: Object.assign(new URL(url), { pathname: `/${name}` }).toString(),
        poolSize: 6,
        statementTimeoutMs: 0,
        applicationName: 'bursar-replay',
      });
      databases.push({ name, sql });
      await prepare(sql);
    }
    return await use(databases);
  } finally {
    for (const { name, sql } of databases) {
      await sql.end({ timeout: 5 });
      await drop(guard, name);
    }
    await guard.end({ timeout: 5 });
  }
}

const drop = (guard: Sql, name: string) => guard.unsafe(`drop database if exists ${name} with (force)`);

async function dropLeftovers(guard: Sql): Promise<void> {
  const left = await guard<{ name: string }[]>`
    select datname as name from pg_database d
    where datname ~ ${NAME} and ('x' || substr(datname, ${PREFIX.length + 1}, 8))::bit(32)::bigint < extract(epoch from now()) - 60
      and not exists (select from pg_stat_activity a where a.datname = d.datname)`;
  // Where somebody has connected to it meanwhile, or it is somebody else's, it stays.
  for (const { name } of left) await guard.unsafe(`drop database if exists ${name}`).catch(() => undefined);
}

async function create(guard: Sql): Promise<string> {
  const [now] = await guard<
    { seconds: string }[]
  >`select lpad(to_hex(extract(epoch from now())::bigint), 8, '0') as seconds`;
  const name = `${PREFIX}${now?.seconds}${randomBytes(4).toString('hex')}`;
  try {
    await guard.unsafe(`create database ${name} template template0`);
    // Nothing in it outlives the command, so nothing waits for the disk; and every statement here is run thousands of times.
    for (const setting of [
      'synchronous_commit = off',
      'plan_cache_mode = force_generic_plan',
      'jit = off',
      "work_mem = '128MB'",
    ]) {
      await guard.unsafe(`alter database ${name} set ${setting}`);
    }
    return name;
  } catch (error) {
    if (codeOf(error) !== '42501') throw error;
    throw new Error(
      'a replay makes a database of its own for as long as it runs, and this user may not; have a superuser run "alter role … createdb", or name another PostgreSQL',
      { cause: error },
    );
  }
}

async function prepare(sql: Sql): Promise<void> {
  await migrate(sql);
  await sql.unsafe(REPLAY_SCHEMA);
  let tables = (
    await sql<{ name: string }[]>`
      select relname as name from pg_class where relnamespace = 'ledger'::regnamespace and relkind = 'r'`
  ).map(({ name }) => name);
  // Without a log of what is written; whoever is referred to goes after those that refer to it.
  for (let before = tables.length + 1; tables.length > 0 && tables.length < before;) {
    before = tables.length;
    const left: string[] = [];
    for (const name of tables) {
      await sql.unsafe(`alter table ledger.${name} set unlogged`).catch(() => left.push(name));
    }
    tables = left;
  }
}

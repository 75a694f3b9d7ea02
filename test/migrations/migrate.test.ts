/** Migrations go forward, once, whole, and only on a database that they fit. */
import { openLedger } from '../../ledger';
import {
  functionFiles,
  latestSchemaVersion,
  migrate,
  migrationFiles,
  readSchemaState,
  schemaVersion,
} from '../../migrations/migrate';
import { connectPostgres, type Sql } from '../../platform/postgres';
import { freshDatabase } from '../helpers/database';

const NAMES = migrationFiles().map(({ name }) => name);

/** Everything that a migration could have left, as text. */
async function contents(sql: Sql): Promise<string> {
  const rows = await sql<{ line: string }[]>`
    select format('%s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod)) as line
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
    where n.nspname in ('ledger', 'migrations') and a.attnum > 0 and not a.attisdropped
    union all select p.oid::regprocedure::text || md5(p.prosrc) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'ledger'
    union all select name || hash || applied_at from migrations.applied
    order by 1`;
  return rows.map(({ line }) => line).join('\n');
}

test('an empty database gets everything, once; a second run changes nothing', async () => {
  await using database = await freshDatabase({ empty: true });
  const { sql } = database;
  expect(await readSchemaState(sql)).toEqual({ applied: [], pending: NAMES, functions: 'none' });
  expect(await schemaVersion(sql)).toBe(0);

  expect(await migrate(sql)).toEqual({
    applied: NAMES,
    functionsRenewed: true,
    schemaVersion: latestSchemaVersion(),
  });
  const first = await contents(sql);
  expect(await migrate(sql)).toEqual({
    applied: [],
    functionsRenewed: false,
    schemaVersion: latestSchemaVersion(),
  });
  expect(await contents(sql)).toBe(first);
  const state = await readSchemaState(sql);
  expect(state).toMatchObject({ pending: [], functions: 'ours' });
  expect(state.applied.map(({ name, standing }) => `${name} ${standing}`)).toEqual(
    NAMES.map((name) => `${name} as_released`),
  );
});

test('twenty migrators at once leave one schema, and each migration was applied by one of them', async () => {
  await using database = await freshDatabase({ empty: true, poolSize: 20 });
  const reports = await Promise.all(Array.from({ length: 20 }, () => migrate(database.sql)));
  expect(reports.flatMap(({ applied }) => applied).sort()).toEqual(NAMES);
  expect(reports.filter(({ functionsRenewed }) => functionsRenewed)).toHaveLength(1);
});

test('functions of another version are made again, and what they had beside ours goes', async () => {
  await using database = await freshDatabase();
  const { sql } = database;
  await sql`update migrations.applied set hash = 'another' where name = 'functions'`;
  await sql.unsafe(`create function ledger.deposit(p_stale int) returns int language sql as 'select 1'`);
  expect((await readSchemaState(sql)).functions).toBe('others');
  expect(await migrate(sql)).toMatchObject({ applied: [], functionsRenewed: true });
  const [row] = await sql<{ deposits: number }[]>`
    select count(*)::int as deposits from pg_proc where pronamespace = 'ledger'::regnamespace and proname = 'deposit'`;
  expect(row?.deposits).toBe(1);
  expect(functionFiles().length).toBeGreaterThan(50);
});

describe('a database that is not ours to migrate is refused and left as it is', () => {
  test.each([
    [
      'a newer Bursar has migrated it',
      `insert into migrations.applied (name, hash) values ('9999_the_future.sql', 'x')`,
      /newer Bursar \(9999_the_future\.sql\); upgrade this one/,
    ],
    [
      'a migration was applied with another text',
      `update migrations.applied set hash = 'x' where name = '${NAMES[0]}'`,
      /another text of 0001_ledger\.sql .* never edited/,
    ],
    [
      // No old server is at hand; its own answer is put in the way of the real one.
      'its server is too old',
      `create function public.current_setting(text) returns text language sql
         as $$ select case $1 when 'server_version' then '14.9' else '140009' end $$;
       do $$ begin execute format('alter database %I set search_path = public, pg_catalog', current_database()); end $$`,
      /it is PostgreSQL 14\.9, and Bursar needs 15 or newer/,
    ],
  ])('%s', async (_, tampering, words) => {
    await using database = await freshDatabase();
    await database.sql.unsafe(tampering);
    await database.sql`update migrations.applied set hash = 'old' where name = 'functions'`;
    const sql = connectPostgres({ url: database.url, poolSize: 1 });
    const before = await contents(sql);
    await expect(migrate(sql)).rejects.toThrow(words);
    expect(await contents(sql)).toBe(before);
    await sql.end();
  });
});

test("a schema of our name that is somebody else's is left alone, and the way out is said", async () => {
  await using database = await freshDatabase({ empty: true });
  const { sql } = database;
  await sql.unsafe('create schema ledger; create table ledger.invoices (id int)');
  await expect(migrate(sql)).rejects.toMatchObject({
    name: 'SchemaMismatch',
    message: expect.stringMatching(/schema "ledger" that Bursar did not make.* create an empty database/),
  });
  const names = await sql`select nspname from pg_namespace where nspname = 'migrations'`;
  expect(names).toEqual([]);
});

describe('the ledger compares the schema with what it needs', () => {
  test('behind: not well, and it says what to run; then migrated: well', async () => {
    await using database = await freshDatabase({ empty: true });
    const ledger = openLedger(database.sql);
    expect(await ledger.health()).toEqual({
      ok: false,
      schemaVersion: 0,
      detail: `the database has no schema, and this Bursar needs ${latestSchemaVersion()}; run "bursar database migrate"`,
    });
    await migrate(database.sql);
    expect(await ledger.health()).toEqual({ ok: true, schemaVersion: latestSchemaVersion() });

    await database.sql`delete from migrations.applied where name = ${NAMES.at(-1) ?? ''}`;
    const { ok, detail } = await ledger.health();
    expect({ ok, detail }).toEqual({ ok: false, detail: expect.stringMatching(/at version \d+, .* needs \d+; run/) });
  });

  test('ahead: well, so that old processes serve while new ones are rolled out', async () => {
    await using database = await freshDatabase();
    await database.sql`insert into migrations.applied (name, hash) values ('9999_the_future.sql', 'x')`;
    expect(await openLedger(database.sql).health()).toEqual({ ok: true, schemaVersion: 9999 });
  });
});

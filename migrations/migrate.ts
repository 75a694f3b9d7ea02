/**
 * Brings a database to the schema of this version. Forward only; safe to run by any number of processes at once.
 *
 * `NNNN_name.sql` runs once, in order, and is never edited after it was released. `functions/*.sql` hold one SQL function
 * each; when any of them changed, all of them are dropped and made again in one transaction, so that no stale overload stays.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MIGRATIONS_FOLDER } from '../platform/paths';
import type { Sql, Tx } from '../platform/postgres';

export interface MigrationReport {
  applied: string[];
  functionsRenewed: boolean;
  schemaVersion: number;
}

interface SqlFile {
  name: string;
  text: string;
}

const MIGRATION_NAME = /^(\d{4})_[a-z0-9_]+\.sql$/;

/** Any number; the same in every Bursar, so that twenty migrators queue and nineteen find nothing to do. */
const MIGRATION_LOCK = 7_205_190_001n;

const readFolder = (folder: string, pattern: RegExp): SqlFile[] =>
  readdirSync(folder)
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }));

export const migrationFiles = (): SqlFile[] => readFolder(MIGRATIONS_FOLDER, MIGRATION_NAME);

export const functionFiles = (): SqlFile[] => readFolder(join(MIGRATIONS_FOLDER, 'functions'), /^[a-z0-9_]+\.sql$/);

/** The number of the newest migration that this version knows. */
export const latestSchemaVersion = (): number =>
  Math.max(0, ...migrationFiles().map(({ name }) => Number(name.slice(0, 4))));

/** Applies what is missing and says what it did. Throws where the database is newer than this version. */
export async function migrate(sql: Sql): Promise<MigrationReport> {
  return sql.begin(async (tx) => {
    await tx`set local lock_timeout = '60s'`;
    await tx`set local statement_timeout = '600s'`;
    await tx`select pg_advisory_xact_lock(${MIGRATION_LOCK})`;
    await tx`create schema if not exists migrations`;
    await tx`create table if not exists migrations.applied (
      name text primary key, hash text not null, applied_at timestamptz not null default clock_timestamp())`;

    const applied = await applyMigrations(tx);
    const functionsRenewed = await renewFunctions(tx);
    return { applied, functionsRenewed, schemaVersion: latestSchemaVersion() };
  });
}

/** The newest migration that the database has, 0 where it has none. */
export async function schemaVersion(sql: Sql): Promise<number> {
  const [row] = await sql<{ present: boolean }[]>`select to_regclass('migrations.applied') is not null as present`;
  if (!row?.present) return 0;
  const [newest] = await sql<{ version: number }[]>`
    select coalesce(max(left(name, 4)::int), 0) as version from migrations.applied where name ~ '^[0-9]{4}_'`;
  return newest?.version ?? 0;
}

async function applyMigrations(tx: Tx): Promise<string[]> {
  const done = new Set((await tx<{ name: string }[]>`select name from migrations.applied`).map(({ name }) => name));
  const files = migrationFiles();
  const known = new Set(files.map(({ name }) => name));
  const unknown = [...done].filter((name) => MIGRATION_NAME.test(name) && !known.has(name));
  if (unknown.length > 0) {
    throw new Error(`the database was migrated by a newer Bursar (${unknown.join(', ')}); upgrade this one`);
  }
  const missing = files.filter(({ name }) => !done.has(name));
  for (const { name, text } of missing) {
    await tx`insert into migrations.applied (name, hash) values (${name}, ${hashOf([text])})`;
    await tx.unsafe(text);
  }
  return missing.map(({ name }) => name);
}

async function renewFunctions(tx: Tx): Promise<boolean> {
  const files = functionFiles();
  const hash = hashOf(files.flatMap(({ name, text }) => [name, text]));
  const [current] = await tx<{ hash: string }[]>`select hash from migrations.applied where name = 'functions'`;
  if (current?.hash === hash) return false;

  const stale = await tx<{ signature: string }[]>`
    select p.oid::regprocedure::text as signature
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'ledger' and p.prorettype <> 'trigger'::regtype and p.prokind = 'f'
      and not exists (select 1 from pg_depend d where d.objid = p.oid and d.classid = 'pg_proc'::regclass and d.deptype = 'i')`;
  for (const { signature } of stale) await tx.unsafe(`drop function ${signature}`);
  await tx`set local check_function_bodies = off`;
  for (const { text } of files) await tx.unsafe(text);
  await tx`insert into migrations.applied (name, hash) values ('functions', ${hash})
           on conflict (name) do update set hash = excluded.hash, applied_at = clock_timestamp()`;
  return true;
}

const hashOf = (texts: string[]): string => createHash('sha256').update(texts.join('\0')).digest('hex');

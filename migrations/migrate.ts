/**
 * Brings a database to the schema of this version. Forward only; safe to run by any number of processes at once.
 *
 * `NNNN_name.sql` runs once, in order, and is never edited after it was released. `functions/*.sql` hold one SQL function
 * each; when any of them changed, all of them are dropped and made again in one transaction, so that no stale overload stays.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildFacts } from '../platform/build-facts';
import { MIGRATIONS_FOLDER } from '../platform/paths';
import type { Sql, Tx } from '../platform/postgres';
import { POSTGRES_MIN } from '../platform/versions';

export interface MigrationReport {
  applied: string[];
  functionsRenewed: boolean;
  schemaVersion: number;
}

/** Where a database stands, seen from this version. */
export interface SchemaState {
  /** In order. `edited`: our file is not the one that was applied. `unknown`: a newer version applied it. */
  applied: { name: string; appliedAt: string; standing: 'as_released' | 'edited' | 'unknown' }[];
  pending: string[];
  functions: 'none' | 'others' | 'ours';
}

/** This version must not touch that database. The message says why and what to do. */
export class SchemaMismatch extends Error {
  override name = 'SchemaMismatch';
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
export const latestSchemaVersion = (): number => buildFacts().schemaVersion;

/** The version of the server, `18.4`. Throws where it is too old for us. */
export async function requireServer(sql: Sql): Promise<string> {
  const [server] = await sql<{ version: string; major: number }[]>`
    select current_setting('server_version') as version, current_setting('server_version_num')::int / 10000 as major`;
  const { version = 'of an unknown version', major = 0 } = server ?? {};
  if (major < POSTGRES_MIN) {
    throw new SchemaMismatch(`it is PostgreSQL ${version}, and Bursar needs ${POSTGRES_MIN} or newer`);
  }
  return version;
}

/** Applies what is missing and says what it did. Throws `SchemaMismatch` where that would do harm. */
export async function migrate(sql: Sql): Promise<MigrationReport> {
  await requireServer(sql);
  return sql.begin(async (tx) => {
    await tx`set local lock_timeout = '60s'`;
    await tx`set local statement_timeout = '600s'`;
    await tx`select pg_advisory_xact_lock(${MIGRATION_LOCK})`;
    await tx`create schema if not exists migrations`;
    await tx`create table if not exists migrations.applied (
      name text primary key, hash text not null, applied_at timestamptz not null default clock_timestamp())`;

    const state = await compare(tx);
    refuseMismatch(state);
    if (state.applied.length === 0) await refuseForeignSchema(tx);
    await applyMigrations(tx, state.pending);
    const functionsRenewed = await renewFunctions(tx);
    return { applied: state.pending, functionsRenewed, schemaVersion: latestSchemaVersion() };
  });
}

/** What was applied, what is missing, and whether it is what this version has. Changes nothing. */
export async function readSchemaState(sql: Sql): Promise<SchemaState> {
  if (await isMigrated(sql)) return compare(sql);
  return { applied: [], pending: migrationFiles().map(({ name }) => name), functions: 'none' };
}

/** Throws where the database is not an earlier or the present state of ours. */
export function refuseMismatch({ applied }: Pick<SchemaState, 'applied'>): void {
  const named = (wanted: string) =>
    applied
      .filter(({ standing }) => standing === wanted)
      .map(({ name }) => name)
      .join(', ');
  const [unknown, edited] = [named('unknown'), named('edited')];
  if (unknown !== '') {
    throw new SchemaMismatch(`it was migrated by a newer Bursar (${unknown}); upgrade this one`);
  }
  if (edited !== '') {
    throw new SchemaMismatch(
      `it was migrated with another text of ${edited} than this Bursar has. Migrations are never edited: install the ` +
        'release again, or the one that the database was made with',
    );
  }
}

/** Where nothing of ours was applied, the schema that we are about to make is somebody else's. */
async function refuseForeignSchema(tx: Tx): Promise<void> {
  const [found] = await tx<{ name: string }[]>`select nspname as name from pg_namespace where nspname = 'ledger'`;
  if (found) {
    throw new SchemaMismatch(
      'it has a schema "ledger" that Bursar did not make, and Bursar keeps its books in one of that name. Nothing was ' +
        'changed; create an empty database for Bursar alone and name that one',
    );
  }
}

/** The newest migration that the database has, 0 where it has none. */
export async function schemaVersion(sql: Sql | Tx): Promise<number> {
  if (!(await isMigrated(sql))) return 0;
  const [newest] = await sql<{ version: number }[]>`
    select coalesce(max(left(name, 4)::int), 0) as version from migrations.applied where name ~ '^[0-9]{4}_'`;
  return newest?.version ?? 0;
}

async function isMigrated(sql: Sql | Tx): Promise<boolean> {
  const [row] = await sql<{ present: boolean }[]>`select to_regclass('migrations.applied') is not null as present`;
  return row?.present ?? false;
}

async function compare(sql: Sql | Tx): Promise<SchemaState> {
  const rows = await sql<{ name: string; hash: string; appliedAt: string }[]>`
    select name, hash, applied_at as "appliedAt" from migrations.applied order by name`;
  const files = migrationFiles();
  const ours = new Map(files.map(({ name, text }) => [name, hashOf([text])]));
  const standing = (name: string, hash: string) =>
    !ours.has(name) ? 'unknown' : ours.get(name) === hash ? 'as_released' : 'edited';
  const functions = rows.find(({ name }) => name === 'functions')?.hash;
  return {
    applied: rows
      .filter(({ name }) => MIGRATION_NAME.test(name))
      .map(({ name, hash, appliedAt }) => ({ name, appliedAt, standing: standing(name, hash) })),
    pending: files.map(({ name }) => name).filter((name) => rows.every((row) => row.name !== name)),
    functions: functions === undefined ? 'none' : functions === hashOfFunctions(functionFiles()) ? 'ours' : 'others',
  };
}

async function applyMigrations(tx: Tx, pending: readonly string[]): Promise<void> {
  for (const { name, text } of migrationFiles().filter((file) => pending.includes(file.name))) {
    await tx`insert into migrations.applied (name, hash) values (${name}, ${hashOf([text])})`;
    await tx.unsafe(text);
  }
}

async function renewFunctions(tx: Tx): Promise<boolean> {
  const files = functionFiles();
  const hash = hashOfFunctions(files);
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

const hashOfFunctions = (files: readonly SqlFile[]): string => hashOf(files.flatMap(({ name, text }) => [name, text]));

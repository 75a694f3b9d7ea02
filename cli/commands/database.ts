import type { Command } from 'commander';
import {
  latestSchemaVersion,
  migrate,
  readSchemaState,
  refuseMismatch,
  requireServer,
  SchemaMismatch,
  type SchemaState,
} from '../../migrations/migrate';
import { withoutPassword } from '../../platform/config';
import { connectPostgres, type Sql } from '../../platform/postgres';
import { findRunningStack } from '../../platform/supervisor';
import { EXIT, Stop } from '../exit';
import { clock } from '../format';
import type { Act, Session } from '../session';
import { settings } from '../settings';
import { plural } from '../text';

interface Where {
  databaseUrl?: string;
}

const URL_OPTION = [
  '--database-url <url>',
  'the PostgreSQL (DATABASE_URL; else that of the Bursar that runs here)',
] as const;

export function defineDatabase(parent: Command, act: Act): void {
  const database = parent
    .command('database')
    .summary('Bring a PostgreSQL of yours to the schema of this version')
    .description(
      'Bring a PostgreSQL of yours to the schema of this version, before its API and worker start. `bursar up` and `bursar demo` do it by themselves.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar database status --database-url postgres://bursar@db.example.org/bursar\n  $ DATABASE_URL=postgres://bursar@db.example.org/bursar bursar database migrate\n',
    );

  database
    .command('migrate')
    .summary('Apply the migrations that are missing')
    .description(
      'Apply the migrations that are missing, and the SQL functions where they changed, in one transaction: all of it or nothing. Safe to run again, and by several at once. Prints what was done.',
    )
    .option(...URL_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar database migrate\n  $ bursar database migrate --database-url postgres://bursar@db.example.org/bursar --json\n',
    )
    .action(act(async (session, where: Where) => withDatabase(session, where, runMigrate)));

  database
    .command('status')
    .summary('Which migrations are applied, and which are not?')
    .description(
      'Show which migrations are applied and which are not, and whether the SQL functions are those of this version. Changes nothing. Ends with 0 if the database is ready for this version, else with 1.',
    )
    .option(...URL_OPTION)
    .addHelpText('after', '\nExamples:\n  $ bursar database status\n  $ bursar database status --json | jq .pending\n')
    .action(act(async (session, where: Where) => withDatabase(session, where, showStatus)));

  database
    .command('rollback')
    .summary('Not possible: migrations only go forward')
    .description('Says why there is no way back, and ends with 1.')
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText('after', '\nExamples:\n  $ bursar database rollback\n')
    .action(
      act(async () => {
        throw new Stop(
          EXIT.failure,
          'Migrations only go forward, because going back would lose what was written since: an older Bursar runs on a newer schema, and a backup brings back an older one.',
        );
      }),
    );
}

interface Opened {
  sql: Sql;
  /** Without its password. */
  address: string;
  /** `18.4` */
  server: string;
}

async function withDatabase(
  session: Session,
  where: Where,
  work: (session: Session, opened: Opened) => Promise<void>,
): Promise<void> {
  const url = urlOf(session, where);
  const address = withoutPassword(url);
  const sql = connectPostgres({ url, poolSize: 1, applicationName: 'bursar-database' });
  try {
    const server = await requireServer(sql).catch((error: unknown) => {
      throw error instanceof SchemaMismatch ? error : unreachable(address, error);
    });
    await work(session, { sql, address, server });
  } catch (error) {
    if (error instanceof Stop) throw error;
    throw new Stop(EXIT.failure, `The database ${address} cannot be used: ${messageOf(error)}.`, {
      problem: { code: error instanceof SchemaMismatch ? 'schema_mismatch' : 'failed', detail: messageOf(error) },
    });
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** The one that was named, else that of the Bursar that runs here. */
function urlOf(session: Session, { databaseUrl }: Where): string {
  const config = settings(
    session,
    databaseUrl === undefined ? {} : { 'database.dsn': { text: databaseUrl, option: '--database-url' } },
  );
  const url = config.databaseUrl ?? findRunningStack(config.home)?.addresses?.database;
  if (url !== undefined) return url;
  throw new Stop(EXIT.usage, 'No database is named, and no Bursar runs here.', {
    hints: ['Give --database-url or DATABASE_URL, such as postgres://bursar@db.example.org:5432/bursar.'],
  });
}

const HINTS: Readonly<Record<string, string>> = {
  '3D000': 'Create it first, such as with `createdb bursar`.',
  '28P01': 'Is the password in the address the right one?',
  '28000': 'Does pg_hba.conf let this user in from here?',
};

function unreachable(address: string, error: unknown): Stop {
  const code = error instanceof Error ? String(Reflect.get(error, 'code') ?? '') : '';
  return new Stop(EXIT.unreachable, `The database ${address} cannot be reached: ${messageOf(error)}.`, {
    hints: [HINTS[code] ?? 'Is PostgreSQL running there, and is the address right?'],
    problem: { code: 'database_unreachable', detail: messageOf(error) },
  });
}

const messageOf = (error: unknown): string => {
  // Two addresses of one name that both refuse have no message of their own.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
};

async function runMigrate(session: Session, { sql, address, server }: Opened): Promise<void> {
  const { applied, functionsRenewed, schemaVersion } = await migrate(sql);
  const report = {
    database: address,
    server,
    applied,
    functions_renewed: functionsRenewed,
    schema_version: schemaVersion,
  };
  session.answer(report, () => {
    session.line(
      applied.length > 0
        ? session.paint('green', `${plural(applied.length, 'migration')} applied.`)
        : 'Nothing to migrate: every migration was applied before.',
    );
    session.fields([
      ['Database', `${address} (PostgreSQL ${server})`],
      ['Schema', `version ${schemaVersion}`],
      ['Applied', applied.length === 0 ? undefined : applied.join(', ')],
      ['Functions', functionsRenewed ? 'made again' : 'unchanged'],
    ]);
  });
}

async function showStatus(session: Session, { sql, address, server }: Opened): Promise<void> {
  const state = await readSchemaState(sql);
  const mismatch = mismatchOf(state);
  const upToDate = mismatch === undefined && state.pending.length === 0 && state.functions === 'ours';
  const report = {
    database: address,
    server,
    up_to_date: upToDate,
    schema_version: Number(state.applied.at(-1)?.name.slice(0, 4) ?? 0),
    expected_version: latestSchemaVersion(),
    applied: state.applied.map(({ name, appliedAt, standing }) => ({ name, applied_at: appliedAt, standing })),
    pending: state.pending,
    functions: state.functions,
  };
  const migrations = [
    ...state.applied.map(({ name, appliedAt, standing }) => ({ name, appliedAt, standing: STANDING[standing] })),
    ...state.pending.map((name) => ({ name, appliedAt: undefined, standing: 'pending' })),
  ];
  const show = () => {
    if (upToDate) session.line(session.paint('green', 'The database is ready for this version.'));
    else if (mismatch !== undefined) session.say(session.paint('red', `The database cannot be used: ${mismatch}.`));
    else session.line(session.paint('yellow', 'The database is behind this version: run `bursar database migrate`.'));
    session.fields([
      ['Database', `${address} (PostgreSQL ${server})`],
      ['Schema', `version ${report.schema_version}; this Bursar has ${report.expected_version}`],
      ['Functions', FUNCTIONS[state.functions]],
    ]);
    session.line();
    session.table(migrations, [
      { title: 'MIGRATION', value: ({ name }) => name },
      { title: 'APPLIED (UTC)', value: ({ appliedAt }) => clock(appliedAt, 'UTC') },
      { title: 'STATE', value: ({ standing }) => standing },
    ]);
  };
  session.answer(
    report,
    show,
    ['migration', 'applied_at', 'state'],
    migrations.map(({ name, appliedAt, standing }) => ({ migration: name, applied_at: appliedAt, state: standing })),
  );
  if (!upToDate) throw new Stop(EXIT.failure, '');
}

const FUNCTIONS = {
  ours: 'those of this version',
  others: 'of another version; migrating makes them again',
  none: 'none yet',
} as const;

const STANDING = { as_released: 'applied', edited: 'applied with another text', unknown: 'of a newer Bursar' } as const;

function mismatchOf(state: SchemaState): string | undefined {
  try {
    refuseMismatch(state);
    return undefined;
  } catch (error) {
    if (error instanceof SchemaMismatch) return error.message;
    throw error;
  }
}

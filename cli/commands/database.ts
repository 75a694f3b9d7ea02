import type { Command } from 'commander';
import {
  latestSchemaVersion,
  migrate,
  readSchemaState,
  refuseMismatch,
  SchemaMismatch,
  type SchemaState,
} from '../../migrations/migrate';
import { EXIT, Stop } from '../exit';
import { clock } from '../format';
import { URL_OPTION, withDatabase, type Opened, type Where } from '../own-database';
import type { Act, Session } from '../session';
import { plural } from '../text';

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

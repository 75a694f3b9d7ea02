/** `bursar database`: what an operator runs before the first start and before each new version. */
import { freePort } from '../../platform/embedded/ports';
import { latestSchemaVersion, migrationFiles } from '../../migrations/migrate';
import { databaseUrl, freshDatabase } from '../helpers/database';
import { runBursar } from './helpers/cli';

const NAMES = migrationFiles().map(({ name }) => name);
const on = (url: string, ...args: string[]) => runBursar(['database', ...args], { env: { DATABASE_URL: url } });

test('a new database: status shows what is missing, migrate applies it, status is content', async () => {
  await using database = await freshDatabase({ empty: true });
  const before = await on(database.url, 'status');
  expect(before).toMatchObject({ code: 1, err: '' });
  expect(before.out).toContain('run `bursar database migrate`');
  for (const name of NAMES) expect(before.out).toMatch(new RegExp(`^${name} +- +pending`, 'm'));

  const migrated = await on(database.url, 'migrate');
  expect(migrated).toMatchObject({ code: 0, err: '' });
  expect(migrated.out).toContain(`${NAMES.length} migrations applied.`);
  expect(migrated.out).toMatch(/^Functions: +made again/m);

  const after = await on(database.url, 'status');
  expect(after).toMatchObject({ code: 0, err: '' });
  expect(after.out).toContain('The database is ready for this version.');
  for (const name of NAMES)
    expect(after.out).toMatch(new RegExp(`^${name} +\\d{4}-\\d\\d-\\d\\d [\\d:]{8} +applied`, 'm'));
  expect((await on(database.url, 'migrate')).out).toContain('Nothing to migrate');
});

test('--database-url wins over DATABASE_URL, and --json says all of it', async () => {
  await using database = await freshDatabase({ empty: true });
  const elsewhere = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nowhere' };
  const run = (...args: string[]) =>
    runBursar(['database', ...args, '--database-url', database.url, '--json'], { env: elsewhere });
  expect((await run('status')).json).toMatchObject({ up_to_date: false, schema_version: 0, pending: NAMES });
  expect((await run('migrate')).json).toMatchObject({
    applied: NAMES,
    functions_renewed: true,
    schema_version: latestSchemaVersion(),
  });
  expect((await run('status')).json).toMatchObject({
    up_to_date: true,
    expected_version: latestSchemaVersion(),
    applied: NAMES.map((name) => ({ name, standing: 'as_released', applied_at: expect.any(String) })),
    pending: [],
    functions: 'ours',
  });
});

test('a database of a newer Bursar is named as such, and not touched', async () => {
  await using database = await freshDatabase();
  await database.sql`insert into migrations.applied (name, hash) values ('9999_the_future.sql', 'x')`;
  const status = await on(database.url, 'status');
  expect(status.code).toBe(1);
  expect(status.out).toMatch(/^9999_the_future\.sql .* of a newer Bursar/m);
  const { code, err } = await on(database.url, 'migrate');
  expect(code).toBe(1);
  expect(err).toContain('it was migrated by a newer Bursar (9999_the_future.sql); upgrade this one.');
});

test('what cannot be reached is said without its password, with what to do, and ends with 5', async () => {
  const nobody = await on(`postgres://me:hunter2@127.0.0.1:${await freePort()}/bursar`, 'status');
  expect(nobody).toMatchObject({ code: 5, out: '' });
  expect(nobody.err).toContain('cannot be reached');
  expect(nobody.err).toContain('Is PostgreSQL running there');
  const missing = await on(databaseUrl('no_such_database'), 'migrate');
  expect(missing.code).toBe(5);
  expect(missing.err).toContain('createdb bursar');
  expect(nobody.err).not.toContain('hunter2');
});

test('no database named, or a wrong address, is a mistake of who asked', async () => {
  const unnamed = await runBursar(['database', 'status']);
  expect(unnamed).toMatchObject({ code: 2, out: '' });
  expect(unnamed.err).toContain('--database-url or DATABASE_URL');
  expect((await runBursar(['database', 'status', '--database-url', 'mysql://x'])).code).toBe(2);
});

test('there is no way back, and it says why in one line', async () => {
  const { code, err, out } = await runBursar(['database', 'rollback', '--steps', '1']);
  expect({ code, out, lines: err.trim().split('\n').length }).toEqual({ code: 1, out: '', lines: 1 });
  expect(err).toContain('only go forward');
});

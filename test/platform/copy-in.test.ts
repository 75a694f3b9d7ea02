/** COPY from the inside, where PostgreSQL refuses it or goes away. */
import { BinaryRows, copyIn, OpenCopy } from '../../platform/copy-in';
import { codeOf } from '../../domain/code-of';
import { freshDatabase, type TestDatabase } from '../helpers/database';

const numbers = async () => {
  const database = await freshDatabase({ poolSize: 1, empty: true });
  await database.sql`create table numbers (number int constraint small check (number < 10), padding text)`;
  return database;
};

const add = (rows: BinaryRows, number: number) => {
  rows.row(2);
  rows.int(number);
  rows.text('x'.repeat(1000));
};

const COPY = 'copy numbers from stdin (format binary)';

const expectOneConnection = async ({ sql }: TestDatabase) => {
  const rows = new BinaryRows();
  add(rows, 1);
  await copyIn(sql, COPY, rows);
  expect(await sql`select number from numbers`).toEqual([{ number: 1 }]);
};

test('a row that a constraint refuses fails the copy with that constraint, of whatever size it is', async () => {
  await using database = await numbers();
  const { sql } = database;
  for (const after of [0, 10, 5000]) {
    const rows = new BinaryRows();
    add(rows, 10);
    for (let row = 0; row < after; row++) add(rows, 1);
    const refused = { code: '23514', constraint_name: 'small' };
    await expect(copyIn(sql, COPY, rows)).rejects.toMatchObject(refused);
    await expect(sql.begin((tx) => copyIn(tx, COPY, rows))).rejects.toMatchObject(refused);
  }
  await expectOneConnection(database);
});

test('a copy that is refused while its rows are still made fails at the next that are sent, and its connection goes on', async () => {
  await using database = await numbers();
  const copy = await OpenCopy.into(database.sql, 'numbers');
  const making = async () => {
    for (let row = 0; row < 100_000; row++) {
      add(copy.rows, 10);
      if (copy.rows.isLarge) await copy.flow();
    }
    await copy.end();
  };
  await expect(making()).rejects.toMatchObject({ code: '23514' });
  await expect(copy.flow()).rejects.toMatchObject({ code: '23514' });
  await expect(copy.end()).rejects.toMatchObject({ code: '23514' });
  copy.abandon();
  await expectOneConnection(database);
});

test.each(['in the middle', 'at the end'])('a backend that is terminated %s fails the copy', async (when) => {
  await using database = await numbers();
  await using other = await freshDatabase({ empty: true });
  const [backend] = await database.sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
  const terminated = async () => {
    await other.sql`select pg_terminate_backend(${backend?.pid ?? 0}, 10_000)`;
  };
  const copy = await OpenCopy.into(database.sql, 'numbers');
  add(copy.rows, 1);
  if (when === 'at the end') {
    const ended = copy.end();
    await terminated();
    expect(['', 'CONNECTION_CLOSED', 'ECONNRESET', 'EPIPE']).toContain(await ended.then(() => '', codeOf));
  } else {
    await copy.flow();
    await terminated();
    const making = async () => {
      for (;;) {
        for (let row = 0; row < 1000; row++) add(copy.rows, 1);
        await copy.flow();
      }
    };
    expect(['CONNECTION_CLOSED', 'ECONNRESET', 'EPIPE']).toContain(
      codeOf(await making().catch((error: unknown) => error)),
    );
  }
  copy.abandon();
  // The driver has the last words of that backend for whatever comes first on its new connection.
  await database.sql`select 1`.catch(() => undefined);
  await database.sql`truncate numbers`;
  await expectOneConnection(database);
});

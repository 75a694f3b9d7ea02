/** COPY to the outside, of whatever size. */
import { buffer } from 'node:stream/consumers';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BinaryRows, copyIn } from '../../platform/copy-in';
import { BinaryFields, copyOut } from '../../platform/copy-out';
import { freshDatabase } from '../helpers/database';

test('a connection answers after a copy of any size, however slowly the copy is taken', async () => {
  await using database = await freshDatabase({ poolSize: 1, empty: true });
  for (const kilobytes of [0, 1, 20, 40, 80, 200, 1000]) {
    let taken = 0;
    const slow = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        taken += chunk.length;
        setImmediate(done);
      },
    });
    const query = `copy (select repeat('x', 1023) from generate_series(1, ${kilobytes})) to stdout`;
    await pipeline(await copyOut(database.sql, query), slow);
    expect([taken, ...(await database.sql`select 1 as one`)]).toEqual([kilobytes * 1024, { one: 1 }]);
  }
});

test('what was written field by field is read field by field, to the last digit and letter', async () => {
  await using database = await freshDatabase({ poolSize: 1, empty: true });
  const { sql } = database;
  await sql`create table things (no bigint, words text, kind text, facts jsonb, at timestamptz, small smallint, letter "char")`;
  const LAST = 2 ** 53 - 1;
  const things = [
    [1, 'plain', 'hold', '{"a": 1}', 1_772_000_000_123_456],
    [-1, 'ünïcödé 💶\t\n', 'holz', '[]', -1],
    [LAST, '', 'refund', '"quoted \\" and \\\\"', 0],
    [-LAST, 'x'.repeat(70_000), '', '{}', -2_000_000_000_000_000],
  ] as const;
  const rows = new BinaryRows();
  for (const [no, words, kind, facts, at] of things) {
    rows.row(7);
    rows.bigint(no);
    rows.text(words);
    rows.text(kind);
    rows.jsonText(facts);
    rows.time(at);
    rows.smallint(-7);
    rows.letter('h'.charCodeAt(0));
  }
  rows.row(7);
  for (let field = 0; field < 7; field++) rows.nothing();
  await copyIn(sql, 'copy things from stdin (format binary)', rows);
  expect(await sql`select distinct small, letter from things order by 1`).toEqual([
    { small: -7, letter: 'h' },
    { small: null, letter: null },
  ]);

  const columns = 'no, no as "again", words, kind, facts, at';
  const fields = new BinaryFields(
    await buffer(await copyOut(sql, `copy (select ${columns} from things) to stdout (format binary)`)),
  );
  const read = () => [
    fields.integer(),
    fields.bigint(),
    fields.text(),
    fields.word(['hold', 'refund']),
    fields.jsonText(),
    fields.time(),
  ];
  for (const [no, words, kind, facts, at] of things) {
    expect(fields.nextRow()).toBe(true);
    expect(read()).toEqual([no, BigInt(no), words, kind, facts, at]);
  }
  expect(fields.nextRow()).toBe(true);
  expect(read()).toEqual([NaN, undefined, undefined, '', undefined, NaN]);
  expect(fields.nextRow()).toBe(false);

  // Beyond 2^53 some are doubles, and the others are not rounded to them.
  const large = 'values (1::bigint << 60, -(1::bigint << 60)), ((1::bigint << 53) + 1, 0)';
  const more = new BinaryFields(await buffer(await copyOut(sql, `copy (${large}) to stdout (format binary)`)));
  more.nextRow();
  expect([more.integer(), more.integer()]).toEqual([2 ** 60, -(2 ** 60)]);
  more.nextRow();
  expect([more.integer(), more.integer()]).toEqual([NaN, 0]);
});

/** COPY to the outside, of whatever size. */
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { copyOut } from '../../platform/copy-out';
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

/** Where connections go, and that what comes back is the answer. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { connectPostgres } from '../../platform/postgres';
import { freshDatabase } from '../helpers/database';
import { eventually } from '../helpers/eventually';

test('of several hosts every connection tries the first before any other', async () => {
  // On every address of this machine; it never answers.
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on('error', () => {})));
  await once(server.listen(0, '0.0.0.0'), 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const before = process.env.PGPORT;
  process.env.PGPORT = String(port);
  const sql = connectPostgres({ url: 'postgres://a@127.0.0.2,127.0.0.3/x', poolSize: 4, connectTimeoutSeconds: 1 });
  try {
    await Promise.allSettled(Array.from({ length: 4 }, () => sql`select 1`));
    expect(sockets.map(({ localAddress }) => localAddress)).toEqual(Array(4).fill('127.0.0.2'));
  } finally {
    if (before === undefined) delete process.env.PGPORT;
    else process.env.PGPORT = before;
    await sql.end({ timeout: 0 });
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});

describe('after a query that failed in the middle of its rows', () => {
  test('the next one on its connection is answered as it is asked', async () => {
    await using database = await freshDatabase({ empty: true, poolSize: 1 });
    const { sql } = database;
    await expect(sql`select 1 / (500 - n) from generate_series(1, 1000) n`).rejects.toMatchObject({ code: '22012' });
    const answer = await sql`select 42 as answer`;
    expect(answer).toHaveLength(1);
    expect(answer[0]).toEqual({ answer: 42 });
    await expect(sql`select 1 / (500 - n) from generate_series(1, 1000) n`).rejects.toMatchObject({ code: '22012' });
    expect(await sql.unsafe('select n from generate_series(1, 3) n')).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  });

  test('that took its connection along, those on the next are', async () => {
    await using database = await freshDatabase({ empty: true, poolSize: 1 });
    const { sql } = database;
    const deadly = sql`
      select n, case when n = 5000 then pg_terminate_backend(pg_backend_pid()) end from generate_series(1, 100000) n`;
    await expect(deadly).rejects.toThrow();
    const answer = await eventually('it is connected again', () => sql`select 42 as answer`);
    expect(answer[0]).toEqual({ answer: 42 });
  });
});

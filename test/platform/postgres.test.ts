/** Where connections go. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { connectPostgres } from '../../platform/postgres';

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

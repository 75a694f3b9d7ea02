/** An https server is believed when somebody who is trusted vouches for it; and -v, which says what was asked of a server. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { childEnvironment } from '../../platform/config';
import { PACKAGE_ROOT } from '../../platform/paths';
import { ensureBuilt } from '../helpers/built';
import { runBursar } from './helpers/cli';

const fileOf = (name: string) => join(__dirname, 'certificates', name);
const AUTHORITY = fileOf('authority.pem');

const servers: { close(): void }[] = [];
afterAll(() => servers.forEach((server) => server.close()));

function listening(server: Server | ReturnType<typeof createHttpServer>): Promise<number> {
  servers.push(server);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address() as AddressInfo; // It listens on a port, not on a pipe.
      resolve(address.port);
    });
  });
}

const answer = JSON.stringify({ status: 'healthy', version: '1', services: {}, uptime: '0h' });

async function serve(certificate: string): Promise<string> {
  const server = createServer(
    { key: readFileSync(fileOf('server.key')), cert: readFileSync(fileOf(certificate)) },
    (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'x-request-id': 'r-1' }).end(answer);
    },
  );
  return `https://127.0.0.1:${await listening(server)}`;
}

test('--ca-file or BURSAR_CA_FILE says who may vouch for it', async () => {
  const endpoint = await serve('here.pem');
  expect(await runBursar(['--ca-file', AUTHORITY, 'status'], { endpoint })).toMatchObject({ code: 0, err: '' });
  expect(await runBursar(['status'], { endpoint, env: { BURSAR_CA_FILE: AUTHORITY } })).toMatchObject({ code: 0 });
});

test("so does Node's own NODE_EXTRA_CA_CERTS, of the built command", async () => {
  ensureBuilt();
  const endpoint = await serve('here.pem');
  const run = promisify(execFile)(process.execPath, [join(PACKAGE_ROOT, 'bin/bursar.js'), 'status'], {
    env: childEnvironment({ NODE_EXTRA_CA_CERTS: AUTHORITY, BURSAR_URL: endpoint, NODE_OPTIONS: '' }),
  });
  expect((await run).stdout).toContain('is healthy');
});

test.each([
  ['here.pem', [], 'nobody who is trusted here vouches for its certificate', '--ca-file FILE or BURSAR_CA_FILE'],
  ['expired.pem', ['--ca-file', AUTHORITY], 'its certificate has expired', 'renewed at the server'],
  ['elsewhere.pem', ['--ca-file', AUTHORITY], 'for other names (budget.example.org)', 'one of these names'],
])('a server with %s and %j: 5, why, and what to do', async (certificate, args, why, hint) => {
  const ended = await runBursar([...args, 'deposit', 'lab', '5'], { endpoint: await serve(certificate) });
  expect(ended).toMatchObject({ code: 5, out: '' });
  expect(ended.err).toContain(why);
  expect(ended.err).toContain(hint);
  // Nothing was sent, so that there is nothing to repeat with care.
  expect(ended.err).not.toContain('--key');
});

test('http where https is spoken, and the other way round', async () => {
  const plain = await listening(createHttpServer((_request, response) => response.end('{}')));
  const asHttps = await runBursar(['status'], { endpoint: `https://127.0.0.1:${plain}` });
  expect(asHttps).toMatchObject({ code: 5, err: expect.stringMatching(/does not speak TLS[^]*http: instead/) });
  const endpoint = (await serve('here.pem')).replace('https:', 'http:');
  expect(await runBursar(['status'], { endpoint })).toMatchObject({
    code: 5,
    err: expect.stringContaining('its address begins with https:'),
  });
});

test('a file that is not there, or has no certificate in it, is said before anything is asked', async () => {
  for (const file of ['/nowhere.pem', fileOf('server.key')]) {
    const ended = await runBursar(['--ca-file', file, 'status'], { endpoint: 'https://127.0.0.1:1' });
    expect(ended).toMatchObject({ code: 2, out: '' });
    expect(ended.err).toContain(`${file}`);
  }
});

test('-v says on stderr what was asked, what came of it and how long it took; never the key', async () => {
  const endpoint = await serve('here.pem');
  const env = { BURSAR_TOKEN: 'bursar_secret', BURSAR_CA_FILE: AUTHORITY };
  const { out, err, code } = await runBursar(['status', '-v', '--json'], { endpoint, env });
  expect({ code, out: JSON.parse(out) }).toEqual({ code: 0, out: JSON.parse(answer) });
  expect(err).toContain(`Server ${endpoint}, with an API key\n`);
  expect(err).toMatch(/^GET \/health: 200 in \d+ ms, \d+ bytes, request r-1$/m);
  expect(err).not.toContain('secret');
  const gone = await runBursar(['-v', 'account', 'list'], { endpoint: 'http://127.0.0.1:1' });
  expect(gone.err).toMatch(/^GET \/api\/v1\/accounts\?limit=50: nothing listens there in \d+ ms$/m);
});

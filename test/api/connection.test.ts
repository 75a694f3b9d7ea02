/** Over a real connection: what is too long, half sent or broken hurts nobody, and the next request is served. */
import { connect } from 'node:net';
import type { Server } from 'node:http';
import { ProblemAnswer } from '../../api/schemas/system';
import { listen } from '../../api/server';
import { openLog } from '../../platform/log';
import { startApi, type TestApi } from './helpers/api';

let api: TestApi;
let server: Server;
let port: number;

beforeAll(async () => {
  api = await startApi();
  await api.account('a');
  const log = openLog({ service: 'test', level: 'silent' });
  server = listen(api.app, { hostname: '127.0.0.1', port: 0, log });
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await api.stop();
});
afterEach(async () => {
  const { status } = await fetch(`http://127.0.0.1:${port}/api/v1/accounts/a`);
  expect(status).toBe(200);
});

/** Sends bytes as they are, piece by piece, and returns what came back until the other side or we had enough. */
function send(pieces: Iterable<string>, until: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let heard = '';
    socket.on('data', (bytes) => {
      heard += bytes.toString();
      if (until.test(heard)) socket.destroy();
    });
    socket.on('close', () => resolve(heard));
    socket.on('error', (error) => (heard === '' ? reject(error) : undefined));
    for (const piece of pieces) socket.write(piece);
  });
}

const HEAD = ['POST /api/v1/accounts/a/deposits HTTP/1.1', 'Host: 127.0.0.1', 'Content-Type: application/json'];
const head = (...more: string[]) => [...HEAD, ...more, '', ''].join('\r\n');

test('a body that only turns out to be too long is 413', async () => {
  const chunk = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`;
  const answer = await send(
    [head('Transfer-Encoding: chunked'), ...Array<string>(20).fill(chunk), '0\r\n\r\n'],
    /"body_too_large"/,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
});

test('a body that announces to be too long is 413 before it is sent', async () => {
  const answer = await send([head('Content-Length: 1000000000')], /"body_too_large"/);
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
});

test('a body in pieces is put together', async () => {
  const answer = await send(
    [head('Transfer-Encoding: chunked'), '9\r\n{"amount"\r\n', '4\r\n: 1}\r\n', '0\r\n\r\n'],
    /"txn_/,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 201 /);
});

test('a length that is a lie, a broken header, a wrong version: 400 at worst', async () => {
  expect(await send([head('Content-Length: 3'), '{}}}}\r\n\r\n'], /\}\s*$|HTTP\/1\.1 400[\s\S]*HTTP/)).toMatch(
    /^HTTP\/1\.1 400 /,
  );
  expect(await send(['GET /health HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n'], /\r\n\r\n/)).toMatch(/^HTTP\/1\.1 400 /);
  expect(await send(['GET /health HTTP/1.1\r\n\r\n'], /\r\n\r\n/)).toMatch(/^HTTP\/1\.1 400 /);
});

test.each([
  ['a method that there is not', 'FOO /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', 400, 'malformed_request'],
  ['a line that is no request', 'hello\r\n\r\n', 400, 'malformed_request'],
  ['a version that there is not', 'GET /health HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n', 400, 'malformed_request'],
  ['a header without a colon', 'GET /health HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n', 400, 'malformed_request'],
  ['no Host', 'GET /health HTTP/1.1\r\n\r\n', 400, 'malformed_request'],
  ['a Host with a user', 'GET /health HTTP/1.1\r\nHost: localhost@evil.com\r\n\r\n', 400, 'malformed_request'],
  ['a Host that is no name', 'GET /health HTTP/1.1\r\nHost: a b\r\n\r\n', 400, 'malformed_request'],
  ['an address that is no path', 'GET nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', 400, 'malformed_request'],
  [
    'headers of 20 kB',
    `GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
    431,
    'headers_too_large',
  ],
])('%s is answered like every other mistake, and the connection closed', async (_what, bytes, status, code) => {
  const answer = await send([bytes], /never/);
  const [headers = '', body = ''] = answer.split('\r\n\r\n');
  expect(headers).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(headers).toMatch(/^content-type: application\/problem\+json$/im);
  expect(headers).toMatch(/^connection: close$/im);
  const problem = ProblemAnswer.parse(JSON.parse(body));
  expect(problem).toMatchObject({ status, code, error: { code: 'VALIDATION_ERROR' } });
  expect(problem.detail).not.toMatch(/\n|at /);
  expect(headers).toContain(problem.request_id);
  if (code === 'malformed_request') expect(problem.errors).toMatchObject([{ pointer: '' }]);
});

test('who does not finish his request is told so', async () => {
  // What Node says to the server when the time of a connection is over; the time itself is minutes.
  server.once('connection', (socket) => {
    socket.once('data', () =>
      server.emit('clientError', Object.assign(new Error('timeout'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), socket),
    );
  });
  const answer = await send(['GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n'], /never/);
  expect(answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*"code":"request_too_slow"/);
});

test('who hangs up in the middle has written nothing', async () => {
  const before = await api.rowCounts();
  await new Promise<void>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(`${head('Content-Length: 100')}{"amount": 1`, () => {
        socket.destroy();
        resolve();
      });
    });
  });
  expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
  expect(await api.rowCounts()).toEqual(before);
});

test('addresses that are no addresses are refused or not found, whatever they try', async () => {
  for (const path of [
    '/api/v1/accounts/../../etc/passwd',
    '//evil.example/api',
    '/%2e%2e/%2e%2e',
    '/docs/../package.json',
    '/api/v1/accounts/%',
    `/${'a'.repeat(15_000)}`,
  ]) {
    const answer = await send([`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`], /never/);
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
  }
});

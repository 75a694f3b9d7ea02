/** While no key is needed this machine alone may ask, and no web page may ever move money (rulings 29). */
import { request } from 'node:http';
import { serve } from '@hono/node-server';
import { createApp } from '../../api/app';
import { openLog } from '../../platform/log';
import { startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  await api.account('a');
});
afterAll(() => api.stop());

const DEPOSITS = '/api/v1/accounts/a/deposits';
const deposit = (headers: Record<string, string>) => api.post(DEPOSITS, { amount: 1 }, { headers });

test.each(['127.0.0.1:8080', '127.0.0.1', 'localhost:8080', 'LOCALHOST', '[::1]:8080'])(
  'called as %s it answers',
  async (Host) => expect((await deposit({ Host })).status).toBe(201),
);

test.each([
  'evil.example',
  'evil.example:8080',
  '127.0.0.1.evil.example',
  '10.0.0.1:8080',
  'localhost.evil',
  '0.0.0.0',
])('called as %s (a name that somebody else may have pointed here) it refuses, also reads', async (Host) => {
  const answer = await deposit({ Host });
  expect(answer.status).toBe(403);
  expect(answer.body).toMatchObject({ code: 'foreign_origin', error: { code: 'FORBIDDEN' } });
  expect((await api.get('/api/v1/accounts', { headers: { Host } })).status).toBe(403);
  expect((await api.get('/health', { headers: { Host } })).status).toBe(403);
});

test.each(['https://evil.example', 'null', 'http://localhost:3000', 'http://127.0.0.1:8081', 'file://'])(
  'a page of %s may not ask',
  async (Origin) => {
    const before = await api.rowCounts();
    expect((await deposit({ Host: '127.0.0.1:8080', Origin })).status).toBe(403);
    expect(await api.rowCounts()).toEqual(before);
  },
);

test('our own pages may ask', async () => {
  const own = { Host: '127.0.0.1:8080', Origin: 'http://127.0.0.1:8080', 'Sec-Fetch-Site': 'same-origin' };
  expect((await deposit(own)).status).toBe(201);
});

test('a browser that says cross-site is believed, with or without an Origin', async () => {
  expect((await deposit({ Host: 'localhost', 'Sec-Fetch-Site': 'cross-site' })).status).toBe(403);
});

test.each([
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/jsonp',
  '',
])('a body of content type "%s", which a form could send, is 415, also where no body is needed', async (type) => {
  const headers = { 'Content-Type': type };
  expect((await api.post(DEPOSITS, undefined, { raw: '{"amount":1}', headers })).status).toBe(415);
  await api.account(`archived-${type.length}`, 0);
  await api.delete(`/api/v1/accounts/archived-${type.length}`);
  const unarchive = await api.post(`/api/v1/accounts/archived-${type.length}/unarchive`, undefined, { headers });
  expect(unarchive.status).toBe(415);
});

test('who names no content type at all is served, over a real connection too', async () => {
  const server = serve({ fetch: api.app.fetch, hostname: '127.0.0.1', port: 0 });
  try {
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const status = await new Promise((resolve, reject) => {
      request({ port, host: '127.0.0.1', path: DEPOSITS, method: 'POST' }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end('{"amount": 2}');
    });
    expect(status).toBe(201);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

describe('beyond this machine', () => {
  const status = async (Host: string, headers: Record<string, string> = {}) => {
    const wide = createApp({
      ledger: api.ledger,
      metrics: api.metrics,
      log: openLog({ service: 'test', level: 'silent' }),
      temporal: { namespace: 'default' },
      defaultCluster: 'default',
      timeZone: 'UTC',
      host: '0.0.0.0',
      hostNames: ['bursar.example.org'],
    });
    return (await wide.request('/livez', { headers: { Host, ...headers } })).status;
  };

  test.each(['bursar.example.org', 'BURSAR.example.org:8080', '10.0.0.1:8080', '[fd00::1]:8080', '127.0.0.1'])(
    'it answers to its configured names and to bare addresses: %s',
    async (host) => expect(await status(host)).toBe(200),
  );

  test.each(['evil.example', 'bursar.example.org.evil.example', 'x.bursar.example.org', '10.0.0.1.evil.example'])(
    'a name that nobody configured is refused: %s',
    async (host) => expect(await status(host)).toBe(403),
  );

  test('pages of other sites stay refused', async () => {
    expect(await status('bursar.example.org', { Origin: 'https://bursar.example.org' })).toBe(200);
    expect(await status('bursar.example.org', { Origin: 'https://evil.example' })).toBe(403);
  });
});

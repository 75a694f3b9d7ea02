/** Pages of other origins, proxies, rate limits and headers: what whoever can reach the API may do to it. */
import { Writable } from 'node:stream';
import type { Server } from 'node:http';
import { pino } from 'pino';
import { createApp } from '../../api/app';
import { household } from '../../api/client-address';
import type { ApiDeps } from '../../api/env';
import { listen } from '../../api/server';
import { openLog } from '../../platform/log';
import { JOB, startApi, type TestApi } from './helpers/api';

let api: TestApi;
let admin: string;
let other: string;
const silent = openLog({ service: 'test', level: 'silent' });
beforeAll(async () => {
  api = await startApi();
  await api.account('a');
});
afterAll(() => api.stop());

const appWith = (deps: Partial<ApiDeps>) =>
  createApp({
    ledger: api.ledger,
    metrics: api.metrics,
    log: silent,
    temporal: { namespace: 'default' },
    defaultCluster: 'default',
    timeZone: 'UTC',
    ...deps,
  });
type App = ReturnType<typeof appWith>;

const PORTAL = 'https://portal.example.org';
const Host = '127.0.0.1:8080';

describe('while this machine needs no key', () => {
  const app = () => appWith({ origins: [PORTAL] });
  const deposit = (headers: Record<string, string>) =>
    app().request('/api/v1/accounts/a/deposits', {
      method: 'POST',
      headers: { Host, 'Content-Type': 'application/json', ...headers },
      body: '{"amount": 1}',
    });

  test('a page that is named needs one all the same, and so does who comes through a proxy', async () => {
    expect((await deposit({})).status).toBe(201);
    const before = await api.rowCounts();
    expect((await deposit({ Origin: PORTAL, 'Sec-Fetch-Site': 'cross-site' })).status).toBe(401);
    expect((await deposit({ 'X-Forwarded-For': '203.0.113.9' })).status).toBe(401);
    expect((await deposit({ Forwarded: 'for=203.0.113.9' })).status).toBe(401);
    expect(await api.rowCounts()).toEqual(before);
  });

  test('where any page is let in, each needs a key as well', async () => {
    const anyPage = appWith({ origins: ['*'] });
    const headers = { Host, Origin: 'https://evil.example' };
    expect((await anyPage.request('/api/v1/accounts', { headers })).status).toBe(401);
    expect((await anyPage.request('/livez', { headers })).headers.get('access-control-allow-origin')).toBe('*');
  });

  test('a page that is not named stays refused, also its preflight', async () => {
    expect((await deposit({ Origin: 'https://evil.example' })).status).toBe(403);
    const preflight = await app().request('/api/v1/accounts', {
      method: 'OPTIONS',
      headers: { Host, Origin: 'https://evil.example', 'Access-Control-Request-Method': 'POST' },
    });
    expect(preflight.status).toBe(403);
    expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
  });

  test('a name that somebody else has pointed here is refused whatever page asks', async () => {
    expect((await deposit({ Host: 'evil.example', Origin: PORTAL })).status).toBe(403);
  });
});

describe('with a key', () => {
  beforeAll(async () => {
    admin = (await api.post('/api/v1/keys', { name: 'boss', scope: 'admin' })).body.key as string;
    other = (await api.post('/api/v1/keys', { name: 'other', scope: 'read' }, { headers: bearer() })).body
      .key as string;
  });
  const bearer = (key = admin) => ({ Host, Authorization: `Bearer ${key}` });

  test('a page that is named may ask, read the answer and every header that an ASBB client knows', async () => {
    const app = appWith({ origins: [PORTAL] });
    const preflight = await app.request('/api/v1/accounts', {
      method: 'OPTIONS',
      headers: {
        Host,
        Origin: PORTAL,
        'Access-Control-Request-Method': 'PUT',
        'Access-Control-Request-Headers': 'authorization,content-type,idempotency-key',
      },
    });
    expect(preflight.status).toBe(204);
    const list = (name: string) =>
      preflight.headers
        .get(name)
        ?.split(',')
        .map((each) => each.trim().toLowerCase());
    expect(list('access-control-allow-origin')).toEqual([PORTAL]);
    expect(list('access-control-allow-methods')).toEqual(['get', 'post', 'put', 'delete', 'options']);
    expect(list('access-control-allow-headers')).toEqual(
      expect.arrayContaining(['content-type', 'authorization', 'idempotency-key', 'x-request-id']),
    );
    expect(preflight.headers.get('access-control-allow-credentials')).toBeNull();

    const answer = await app.request('/api/v1/accounts?limit=1', { headers: { ...bearer(), Origin: PORTAL } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('access-control-allow-origin')).toBe(PORTAL);
    expect(answer.headers.get('access-control-expose-headers')).toMatch(/Link.*X-Request-Id/);
    expect(answer.headers.get('vary')).toContain('Origin');

    const refused = await app.request('/api/v1/accounts', { headers: { Host, Origin: PORTAL } });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('access-control-allow-origin')).toBe(PORTAL);
  });

  test('OPTIONS that is no preflight is a method like any other', async () => {
    const app = appWith({ origins: [PORTAL] });
    const { status } = await app.request('/api/v1/accounts', { method: 'OPTIONS', headers: { Host } });
    expect(status).toBe(405);
  });

  const LIMITS = { perIp: 2, perKey: 3, burst: 0, submitPath: false };
  const statuses = async (app: App, times: number, init: RequestInit, path = '/api/v1/accounts') => {
    const seen: number[] = [];
    for (let i = 0; i < times; i++) seen.push((await app.request(path, init)).status);
    return seen;
  };

  test('more requests with a key than a minute has are 429, and say when to come back; other keys go on', async () => {
    const app = appWith({ rateLimits: LIMITS });
    const first = await app.request('/api/v1/accounts', { headers: bearer() });
    expect([...['limit', 'remaining', 'reset'].map((name) => first.headers.get(`ratelimit-${name}`))]).toEqual([
      '3',
      '2',
      '60',
    ]);
    expect(await statuses(app, 2, { headers: bearer() })).toEqual([200, 200]);
    const refused = await app.request('/api/v1/accounts', { headers: bearer() });
    expect(refused.status).toBe(429);
    const seconds = Number(refused.headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(60);
    expect(refused.headers.get('ratelimit-remaining')).toBe('0');
    expect(await refused.json()).toMatchObject({
      code: 'too_many_requests',
      detail: expect.stringContaining('with the key "boss" than 3 a minute'),
      error: { code: 'RATE_LIMITED' },
      facts: { limit: 3, retry_after: seconds },
    });
    expect(await statuses(app, 1, { headers: bearer(other) })).toEqual([200]);
  });

  test('the submit path and probes are not counted, unless the submit path is to be', async () => {
    const check = (n: number): RequestInit => ({
      method: 'POST',
      headers: { ...bearer(), 'Content-Type': 'application/json' },
      body: JSON.stringify({ account: 'a', ...JOB, job_id: String(n) }),
    });
    const app = appWith({ rateLimits: LIMITS });
    for (const path of ['/api/v1/budget/check', '/api/v1/budget/estimate']) {
      expect(await statuses(app, 5, check(1), path)).toEqual([200, 200, 200, 200, 200]);
    }
    const submission: RequestInit = {
      ...check(1),
      body: JSON.stringify({ key: 'the-key-of-a-hook', job: { account: 'a', partition: 'cpu', time_limit: 60 } }),
    };
    expect(await statuses(app, 5, submission, '/api/v1/slurm/submissions')).toEqual([200, 200, 200, 200, 200]);
    expect(await statuses(app, 4, submission, '/api/v1/slurm/estimates')).toEqual([200, 200, 200, 429]);
    expect(await statuses(app, 5, { headers: { Host } }, '/livez')).toEqual([200, 200, 200, 200, 200]);
    const strict = appWith({ rateLimits: { ...LIMITS, submitPath: true } });
    expect(await statuses(strict, 4, check(2), '/api/v1/budget/check')).toEqual([200, 200, 200, 429]);
  });

  test('who has no good key is counted by his address, and does not take from those who have one', async () => {
    const app = appWith({ rateLimits: LIMITS });
    expect(await statuses(app, 3, { headers: { Host } })).toEqual([401, 401, 429]);
    expect(await statuses(app, 1, { headers: { Host, 'X-API-Key': `bursar_0_${'0'.repeat(64)}` } })).toEqual([429]);
    expect(await statuses(app, 1, { headers: bearer() })).toEqual([200]);
  });

  test('a burst is let through when the minute is used up, and then no more', async () => {
    const app = appWith({ rateLimits: { ...LIMITS, perIp: 1, burst: 2 } });
    expect(await statuses(app, 4, { headers: { Host } })).toEqual([401, 401, 401, 429]);
  });

  test("the command of this machine's owner is not counted", async () => {
    const own = `bursar_local_${'a'.repeat(64)}`;
    const app = appWith({ rateLimits: LIMITS, ownToken: () => own });
    expect(await statuses(app, 5, { headers: bearer(own) })).toEqual([200, 200, 200, 200, 200]);
  });

  describe('over a connection', () => {
    /** Asks a server of such an API, and says what its log has of it. */
    async function logged(deps: Partial<ApiDeps>, headers: Record<string, string>, path = '/api/v1/accounts') {
      let text = '';
      const sink = new Writable({ write: (bytes: Buffer, _encoding, done) => ((text += bytes.toString()), done()) });
      const log = pino({}, sink);
      const server: Server = listen(appWith({ log, ...deps }), { hostname: '127.0.0.1', port: 0, log }) as Server;
      await new Promise((resolve) => server.once('listening', resolve));
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
      await answer.text();
      await new Promise((resolve) => server.close(resolve));
      const line = text.split('\n').find((each) => each.includes('request answered')) ?? '';
      return { answer, line: JSON.parse(line) as Record<string, unknown>, text };
    }
    const key = () => ({ Authorization: `Bearer ${admin}` });

    test('the access log says who asked from where, what came of it and how long it took, and no secret', async () => {
      const { answer, line, text } = await logged({}, { ...key(), 'X-Request-Id': 'from-the-portal.7' });
      expect(line).toMatchObject({
        requestId: 'from-the-portal.7',
        principal: 'boss',
        address: '127.0.0.1',
        method: 'GET',
        path: '/api/v1/accounts',
        status: 200,
        ms: expect.any(Number),
      });
      expect(answer.headers.get('x-request-id')).toBe('from-the-portal.7');
      expect(text).not.toContain(admin.slice(-64));
      const inPath = await logged({}, key(), `/api/v1/keys/${admin}`);
      expect(inPath.line.path).toMatch(/^\/api\/v1\/keys\/bursar_[0-9a-f]{12}_\*\*\*$/);
      expect(inPath.text).not.toContain(admin.slice(-64));
    });

    test.each(['two words', 'x'.repeat(65), 'a"b', ''])(
      'a request id like "%s" is replaced by one of ours',
      async (id) => {
        const { answer, line } = await logged({}, { ...key(), 'X-Request-Id': id });
        expect(line.requestId).toMatch(/^req_/);
        expect(answer.headers.get('x-request-id')).toBe(line.requestId);
      },
    );

    test.each([
      ['by nobody', [], '203.0.113.9', '127.0.0.1'],
      ['by a proxy that is trusted', ['127.0.0.0/8'], '203.0.113.9', '203.0.113.9'],
      ['by a liar behind a trusted proxy', ['127.0.0.1'], '198.51.100.1, 203.0.113.9', '203.0.113.9'],
      ['by two trusted proxies', ['127.0.0.1', '10.0.0.0/8'], '198.51.100.1, 203.0.113.9, 10.1.2.3', '203.0.113.9'],
      ['by a trusted proxy in no known way', ['127.0.0.1'], 'unknown', '127.0.0.1'],
      ['by a trusted proxy over IPv6', ['127.0.0.1'], '2001:db8::1', '2001:db8::1'],
    ])('X-Forwarded-For said %s', async (_who, trustedProxies, said, address) => {
      const { line } = await logged({ trustedProxies }, { ...key(), 'X-Forwarded-For': said });
      expect(line.address).toBe(address);
    });
  });
});

test('of an IPv6 address the half that belongs to one household is counted', () => {
  expect(household('2001:db8::1')).toBe(household('2001:0db8:0:0:ffff::2'.replace('0db8', 'db8')));
  expect(household('2001:db8:0:1::1')).not.toBe(household('2001:db8::1'));
  expect(household('203.0.113.9')).toBe('203.0.113.9');
});

test('every answer says what a browser must not do with it, and the documentation goes on working', async () => {
  const app = appWith({});
  for (const path of ['/api/v1/accounts', '/nowhere', '/livez', '/openapi.json', '/docs', '/docs/faults']) {
    const { headers } = await app.request(path, { headers: { Host } });
    expect({ path, ...Object.fromEntries(headers) }).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'content-security-policy': path.startsWith('/docs')
        ? expect.stringMatching(/default-src 'self'.*frame-ancestors 'none'/)
        : "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    });
    expect(headers.get('strict-transport-security')).toBeNull();
  }
});

test('over HTTPS a browser is told to stay with it, but not for a name that is every machine’s own', async () => {
  const app = appWith({ isTls: true, hostNames: ['bursar.example.org'] });
  const said = async (name: string) =>
    (await app.request('/livez', { headers: { Host: name } })).headers.get('strict-transport-security');
  expect(await said('bursar.example.org')).toMatch(/^max-age=\d{7,}$/);
  expect(await said('localhost:8080')).toBeNull();
});

/** JSON Web Tokens: who holds a good one is who it says, and every other one is refused with the reason. */
import { createSecretKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SignJWT, UnsecuredJWT } from 'jose';
import { openTokens } from '../../api/token';
import { scratchFolder } from '../helpers/scratch';
import { JOB, startApi, type TestApi } from './helpers/api';

const SECRET = createSecretKey('0123456789abcdef0123456789abcdef', 'utf8');
const now = () => Math.floor(Date.now() / 1000);

/** A token that is good but for what is said. */
const sign = (claims: Record<string, unknown> = {}, key: KeyObject = SECRET, alg = 'HS256') =>
  new SignJWT({ sub: 'rkaur@example.org', scope: 'admin', iat: now(), exp: now() + 3600, ...claims })
    .setProtectedHeader({ alg })
    .sign(key);

const keyFile = (key: KeyObject, type: 'spki' | 'pkcs8' = 'spki'): string => {
  const path = join(scratchFolder(), 'key.pem');
  writeFileSync(path, key.export({ type, format: 'pem' }));
  return path;
};

const REAL = [
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
  'setTimeout',
  'clearTimeout',
] as const;

const settings = { jwtSecret: SECRET, jwtLifeSecondsMax: 86_400 };

let api: TestApi;
beforeAll(async () => {
  const tokens = openTokens(settings);
  if (!tokens) throw new Error('a secret was given');
  api = await startApi({ auth: { isRequired: true, tokens } });
  await api.ledger.catalog.putCluster('eagle', { timeZone: 'America/Denver' }, { principal: 'test' });
});
afterAll(() => api.stop());

const bearer = (token: string) => ({ headers: { Authorization: `Bearer ${token}` } });
const asked = async (token: string, path = '/api/v1/accounts') => {
  const { status, body, text } = await api.get(path, bearer(token));
  return { status, reason: body.facts?.reason as string, detail: body.detail as string, text };
};

test('where auth.enabled is set nobody gets in without, also on this machine and before there is a key', async () => {
  expect((await api.get('/api/v1/accounts')).body.facts).toEqual({ reason: 'no_key' });
  expect((await api.get('/livez')).status).toBe(200);
});

test('its sub is the principal, its scope says what it may, and API keys go on beside it', async () => {
  const admin = await sign();
  await api.post(
    '/api/v1/accounts',
    {
      slurm_account: 'a',
      name: 'A',
      budget_limit: 5,
      start_date: '2026-01-01T00:00:00Z',
      end_date: '2099-01-01T00:00:00Z',
    },
    bearer(admin),
  );
  await api.post('/api/v1/accounts/a/deposits', { amount: 5 }, bearer(admin));
  const [row] =
    await api.sql`select actor from ledger.transactions where kind = 'deposit' order by txn_no desc limit 1`;
  expect(row).toEqual({ actor: 'rkaur@example.org' });

  const read = await sign({ scope: 'read' });
  expect((await asked(read)).status).toBe(200);
  expect((await api.post('/api/v1/accounts/a/deposits', { amount: 5 }, bearer(read))).status).toBe(403);
  expect((await api.get('/api/v1/accounts', { headers: { 'X-API-Key': read } })).status).toBe(200);

  const made = await api.post('/api/v1/keys', { name: 'grafana', scope: 'read' }, bearer(admin));
  expect((await asked(made.body.key as string)).status).toBe(200);
});

test('the token of a hook is confined to its cluster', async () => {
  const hook = await sign({ sub: 'eagle-hook', scope: 'hook', cluster: 'eagle' });
  const check = (cluster: string) => api.post('/api/v1/budget/check', { account: 'a', cluster, ...JOB }, bearer(hook));
  expect((await check('eagle')).status).toBe(200);
  expect((await check('default')).body).toMatchObject({ code: 'forbidden', facts: { reason: 'cluster' } });
});

test('clocks may be a minute apart, and not more', async () => {
  expect((await asked(await sign({ exp: now() - 50 }))).status).toBe(200);
  expect((await asked(await sign({ nbf: now() + 50, iat: now() + 50 }))).status).toBe(200);
  expect(await asked(await sign({ exp: now() - 70 }))).toMatchObject({ status: 401, reason: 'expired_token' });
  expect(await asked(await sign({ nbf: now() + 70 }))).toMatchObject({ status: 401, reason: 'early_token' });
  expect(await asked(await sign({ iat: now() + 70 }))).toMatchObject({ status: 401, reason: 'early_token' });
});

test('a token that was good is refused once it has ended, though it was seen before', async () => {
  const token = await sign();
  expect((await asked(token)).status).toBe(200);
  // The time of day alone is another one.
  jest.useFakeTimers({ now: Date.now() + 3_661_000, doNotFake: [...REAL] });
  const ended = await asked(token).finally(() => jest.useRealTimers());
  expect(ended).toMatchObject({ status: 401, reason: 'expired_token' });
});

test.each<[string, Record<string, unknown>, string]>([
  ['no exp', { exp: undefined }, 'exp is missing'],
  ['no iat', { iat: undefined }, 'iat is missing'],
  ['no sub', { sub: undefined }, 'sub is missing'],
  ['a life longer than auth.jwt_expiry', { exp: now() + 90_000 }, 'auth.jwt_expiry allows 86400 s'],
  ['an iat before auth.jwt_expiry', { iat: now() - 90_000 }, 'auth.jwt_expiry'],
  ['a name of our own', { sub: 'local' }, 'a name of Bursar itself'],
  ['a number for a name', { sub: 4711 }, 'Its sub must be a text'],
  ['a name with spaces', { sub: 'a b' }, 'Its sub must be'],
  ['no scope', { scope: undefined }, 'one of admin, hook, estimate, read'],
  ['a scope that there is not', { scope: 'root' }, 'one of admin, hook, estimate, read'],
  ['several scopes', { scope: 'read admin' }, 'one of admin, hook, estimate, read'],
  ['a hook without its cluster', { scope: 'hook' }, 'cluster is missing'],
  ['the cluster of who is no hook', { scope: 'read', cluster: 'eagle' }, 'for hooks only'],
  ['an audience where none is configured', { aud: 'somebody' }, 'for somebody else'],
])('with %s it is refused, and the claim named', async (_what, claims, says) => {
  expect(await asked(await sign(claims))).toMatchObject({
    status: 401,
    reason: 'wrong_claims',
    detail: expect.stringContaining(says),
  });
});

test('what we have not signed is refused before anything in it is believed, and nothing of it is repeated', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const good = await sign({ sub: 'hunter2' });
  const [head = '', body = '', signature = ''] = good.split('.');
  const wrong: Record<string, string> = {
    'another secret': await sign({ sub: 'hunter2', exp: 1 }, createSecretKey(Buffer.alloc(32, 1))),
    'another algorithm': await sign({ sub: 'hunter2' }, privateKey, 'RS256'),
    'a stronger hash': await sign({ sub: 'hunter2' }, createSecretKey(Buffer.alloc(64, 1)), 'HS512'),
    none: new UnsecuredJWT({ sub: 'hunter2', scope: 'admin', iat: now(), exp: now() + 60 }).encode(),
    'no signature': `${head}.${body}.`,
    'a changed body': `${head}.${body.slice(0, -2)}AA.${signature}`,
    nonsense: 'eyJ.eyJ.x',
  };
  for (const [what, token] of Object.entries(wrong)) {
    const { status, reason, text } = await asked(token);
    expect({ what, status, reason }).toEqual({ what, status: 401, reason: 'bad_token' });
    expect(text).not.toContain('hunter2');
  }
  const metrics = await asked(await sign(), '/metrics');
  expect(metrics.text).toContain('bursar_http_refused_total{reason="bad_token"} 7');
});

describe('with a public key', () => {
  test.each([
    ['EdDSA', () => generateKeyPairSync('ed25519')],
    ['ES256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['RS256', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
  ] as const)('%s is taken beside the secret', async (alg, make) => {
    const { publicKey, privateKey } = make();
    const tokens = openTokens({ ...settings, jwtPublicKeyFile: keyFile(publicKey) });
    expect(await tokens?.verify(await sign({}, privateKey, alg))).toMatchObject({ scope: 'admin' });
    expect(await tokens?.verify(await sign())).toMatchObject({ scope: 'admin' });
  });

  test('nobody signs with the public key as if it were a secret', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const tokens = openTokens({ jwtLifeSecondsMax: 86_400, jwtPublicKeyFile: keyFile(publicKey) });
    const pem = createSecretKey(publicKey.export({ type: 'spki', format: 'pem' }).toString(), 'utf8');
    await expect(tokens?.verify(await sign({}, pem))).rejects.toMatchObject({ facts: { reason: 'bad_token' } });
  });

  test.each([
    ['a private key', () => keyFile(generateKeyPairSync('ed25519').privateKey, 'pkcs8'), 'private key'],
    ['a small RSA key', () => keyFile(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey), '2048'],
    ['no file', () => '/nowhere', '/nowhere cannot be read'],
  ])('%s is refused at the start', (_what, path, says) => {
    expect(() => openTokens({ jwtLifeSecondsMax: 1, jwtPublicKeyFile: path() })).toThrow(says);
  });
});

test('an audience that is configured is asked for', async () => {
  const tokens = openTokens({ ...settings, jwtAudience: 'bursar' });
  expect(await tokens?.verify(await sign({ aud: ['other', 'bursar'] }))).toMatchObject({ scope: 'admin' });
  for (const aud of ['other', undefined]) {
    const token = await sign(aud === undefined ? {} : { aud });
    await expect(tokens?.verify(token)).rejects.toMatchObject({ facts: { reason: 'wrong_claims' } });
  }
});

/** Who may ask, and for what: every key, every scope, every operation. */
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { createApp } from '../../api/app';
import { FRESH_MS } from '../../api/keyring';
import { operationsOf } from '../../api/openapi';
import { openLedger } from '../../ledger';
import type { Ledger } from '../../ledger/contract';
import { createMetrics } from '../../platform/metrics';
import { eventually } from '../helpers/eventually';
import { JOB, startApi, type Answer, type TestApi } from './helpers/api';

let api: TestApi;
beforeEach(async () => {
  api = await startApi();
  await api.account('a');
  await api.ledger.catalog.putCluster('eagle', { timeZone: 'America/Denver' }, { principal: 'test' });
});
afterEach(() => api.stop());

const bearer = (key: string) => ({ headers: { Authorization: `Bearer ${key}` } });

async function make(name: string, scope: string, more: object = {}, by?: string): Promise<string> {
  const made = await api.post('/api/v1/keys', { name, scope, ...more }, by === undefined ? {} : bearer(by));
  expect({ status: made.status, body: made.body }).toMatchObject({ status: 201 });
  return made.body.key as string;
}

/** One key of each scope; from then on the API is guarded. */
async function makeAll() {
  const admin = await make('boss', 'admin');
  const hook = await make('eagle-hook', 'hook', { cluster: 'eagle' }, admin);
  const estimate = await make('portal', 'estimate', {}, admin);
  const read = await make('grafana', 'read', {}, admin);
  return { admin, hook, estimate, read };
}

const refusal = ({ status, body, headers }: Answer) => ({
  status,
  code: body.code,
  asbb: body.error?.code,
  reason: body.facts?.reason,
  challenge: headers.get('www-authenticate'),
});

/** Beside an admin. An operation that is not in this table fails the test: whoever adds one says here who may call it. */
const MAY: Record<string, string[] | 'anyone'> = {
  readHealth: 'anyone',
  isAlive: 'anyone',
  isReady: 'anyone',
  readVersion: 'anyone',
  readMetrics: ['read'],
  checkBudget: ['hook'],
  estimateBudget: ['hook', 'read'],
  reconcileBudget: ['hook'],
  listAccounts: ['read'],
  createAccount: [],
  readAccount: ['read'],
  updateAccount: [],
  archiveAccount: [],
  unarchiveAccount: [],
  readBalance: ['read'],
  readStatement: ['read'],
  listFunds: ['read'],
  readPolicy: ['read'],
  updatePolicy: [],
  listPartitionLimits: ['read'],
  putPartitionLimit: [],
  removePartitionLimit: [],
  listUserLimits: ['read'],
  putUserLimit: [],
  removeUserLimit: [],
  deposit: [],
  withdraw: [],
  transfer: [],
  refund: [],
  listRefunds: ['read'],
  readWall: ['read'],
  adjust: [],
  listTransactions: ['read'],
  readTransaction: ['read'],
  listHolds: ['hook', 'read'],
  readHold: ['hook', 'read'],
  resizeHold: [],
  releaseHold: [],
  listClusters: ['read'],
  createCluster: [],
  readCluster: ['hook', 'read'],
  putCluster: [],
  putPartition: [],
  removePartition: [],
  listRates: ['read'],
  setRate: [],
  endRate: [],
  recordJobEvents: ['hook'],
  listJobs: ['hook', 'read'],
  readJob: ['hook', 'read'],
  submitSlurmJob: ['hook'],
  modifySlurmJob: ['hook'],
  estimateSlurmJob: ['estimate', 'hook'],
  withdrawSlurmSubmissions: ['hook'],
  recordSlurmRecords: ['hook'],
  readShadowReport: ['read'],
  listSlurmRefusals: ['read'],
  readSlurmPolicy: ['hook', 'read'],
  listSlurmQueue: ['hook'],
  recordSlurmHistory: ['hook'],
  listSlurmLooks: ['hook', 'read'],
  lookAtSlurm: [],
  readUsage: ['read'],
  readForecast: ['read'],
  reconcileAsbx: ['hook'],
  receiveEpilog: ['hook'],
  readAsbxStatus: ['hook', 'read'],
  listUnmatched: ['read'],
  readUnmatched: ['read'],
  resolveUnmatched: [],
  dismissUnmatched: [],
  runAudit: ['read'],
  verifySeals: ['read'],
  listAudits: ['read'],
  readAudit: ['read'],
  recover: [],
  createKey: [],
  listKeys: [],
  revokeKey: [],
  listChanges: ['read'],
};

test('every operation lets in whom the table names, and nobody else', async () => {
  const keys = await makeAll();
  const operations = operationsOf(api.app);
  expect(operations.map(({ spec }) => spec.id).sort()).toEqual(Object.keys(MAY).sort());
  for (const { method, path, spec } of operations) {
    const may = MAY[spec.id] ?? [];
    // What names nothing that exists gets past the door and no further.
    const address = path.replace(':cluster', 'eagle').replace(/:\w+/g, 'nothing');
    const body = method === 'GET' || method === 'DELETE' ? undefined : [];
    const answers: Record<string, Answer> = { none: await api.ask(method, address, body) };
    for (const [scope, key] of Object.entries(keys)) answers[scope] = await api.ask(method, address, body, bearer(key));
    const stopped = Object.entries(answers)
      .filter(([, answer]) => answer.status === 401 || answer.body.code === 'forbidden')
      .map(([scope, answer]) => `${scope} ${answer.status}`);
    const expected =
      may === 'anyone'
        ? []
        : ['none 401', ...['hook', 'estimate', 'read'].filter((scope) => !may.includes(scope)).map((s) => `${s} 403`)];
    expect({ operation: spec.id, stopped }).toEqual({ operation: spec.id, stopped: expected });
  }
});

test('until an admin has a key this machine is served without one; from then on nobody is, for ever', async () => {
  const hook = await make('eagle-hook', 'hook', { cluster: 'eagle' });
  expect((await api.get('/api/v1/accounts')).status).toBe(200);
  expect((await api.get('/api/v1/accounts', bearer(hook))).status).toBe(403);

  const admin = await make('boss', 'admin');
  expect(refusal(await api.get('/api/v1/accounts'))).toEqual({
    status: 401,
    code: 'unauthenticated',
    asbb: 'UNAUTHORIZED',
    reason: 'no_key',
    challenge: 'Bearer realm="bursar"',
  });
  expect((await api.get('/api/v1/accounts', bearer(admin))).status).toBe(200);
  expect((await api.get('/api/v1/accounts', { headers: { 'X-API-Key': admin } })).status).toBe(200);
  expect((await api.get('/livez')).status).toBe(200);

  expect((await api.delete('/api/v1/keys/boss', bearer(admin))).status).toBe(204);
  expect(refusal(await api.get('/api/v1/accounts')).status).toBe(401);
});

test('a token that an ASBB client has always sent is nothing to us until keys are needed', async () => {
  expect((await api.get('/api/v1/accounts', bearer('s3cret'))).status).toBe(200);
  await make('boss', 'admin');
  expect(refusal(await api.get('/api/v1/accounts', bearer('s3cret')))).toMatchObject({
    status: 401,
    reason: 'unknown_key',
    challenge: 'Bearer realm="bursar", error="invalid_token"',
  });
});

test('who is not asked on this machine is nobody, also while no key exists', async () => {
  const open = createApp({
    ledger: api.ledger,
    metrics: api.metrics,
    log: pino({ level: 'silent' }),
    temporal: { namespace: 'default' },
    defaultCluster: 'default',
    timeZone: 'UTC',
    hostNames: ['bursar.example.org'],
  });
  const called = (Host: string) => open.request('/api/v1/accounts', { headers: { Host } });
  expect((await called('127.0.0.1:8080')).status).toBe(200);
  expect((await called('bursar.example.org')).status).toBe(401);
  expect((await called('evil.example')).status).toBe(403);
  const key = await make('boss', 'admin');
  const headers = { Host: 'Bursar.example.org', Authorization: `Bearer ${key}` };
  await eventually('the key is known there', async () => (await open.request('/api/v1/accounts', { headers })).ok);
  const foreign = { ...headers, Origin: 'https://evil.example' };
  expect((await open.request('/api/v1/accounts', { headers: foreign })).status).toBe(403);
});

test('a wrong secret, an expired key and a revoked one are refused, and told apart', async () => {
  const admin = await make('boss', 'admin');
  const brief = await make('brief', 'read', { expires_at: '2020-01-01T00:00:00Z' }, admin);
  const gone = await make('gone', 'read', {}, admin);
  expect((await api.get('/api/v1/accounts', bearer(gone))).status).toBe(200);
  await api.delete('/api/v1/keys/gone', bearer(admin));
  const reasonOf = async (key: string) => refusal(await api.get('/api/v1/accounts', bearer(key))).reason as string;
  expect(await reasonOf(brief)).toBe('expired_key');
  expect(await reasonOf(gone)).toBe('revoked_key');
  const last = admin.at(-1) === '0' ? '1' : '0';
  expect(await reasonOf(admin.slice(0, -1) + last)).toBe('unknown_key');
  expect(await reasonOf(`bursar_0123456789ab_${'0'.repeat(64)}`)).toBe('unknown_key');
  expect(await reasonOf('bursar_local_0')).toBe('unknown_key');

  const listed = await api.get('/api/v1/keys', bearer(admin));
  expect(listed.body.map(({ name, status }: { name: string; status: string }) => [name, status])).toEqual([
    ['gone', 'revoked'],
    ['brief', 'expired'],
    ['boss', 'active'],
  ]);
  const shown = await api.get('/metrics', bearer(admin));
  expect(shown.text).toContain('bursar_http_refused_total{reason="revoked_key"} 1');
  expect(shown.text).toContain('bursar_http_refused_total{reason="unknown_key"} 3');
});

test('a name may be given again once its key was revoked, and not before', async () => {
  const admin = await make('boss', 'admin');
  await make('portal', 'estimate', {}, admin);
  const again = await api.post('/api/v1/keys', { name: 'portal', scope: 'read' }, bearer(admin));
  expect(again).toMatchObject({ status: 409, body: { code: 'api_key_exists', error: { code: 'CONFLICT' } } });
  await api.delete('/api/v1/keys/portal', bearer(admin));
  await make('portal', 'read', {}, admin);
  expect((await api.delete('/api/v1/keys/nobody-here', bearer(admin))).body.code).toBe('api_key_not_found');
});

test.each([
  [{ name: 'local', scope: 'admin' }, '/name'],
  [{ name: 'x', scope: 'hook' }, '/cluster'],
  [{ name: 'x', scope: 'read', cluster: 'eagle' }, '/cluster'],
  [{ name: 'x', scope: 'root' }, '/scope'],
  [{ name: 'a b', scope: 'read' }, '/name'],
])('%j is refused and no key is made', async (body, pointer) => {
  const answer = await api.post('/api/v1/keys', body);
  expect(answer.status).toBe(400);
  expect(answer.body.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer);
  expect((await api.get('/api/v1/keys')).body).toEqual([]);
});

describe('a hook', () => {
  const check = (more: object = {}) => ({ account: 'a', ...JOB, ...more });

  test('is confined to its cluster: what names none means its own, what names another is refused', async () => {
    const { admin, hook } = await makeAll();
    const decision = await api.post('/api/v1/budget/check', check(), bearer(hook));
    const hold = await api.get(`/api/v1/holds/${decision.body.transaction_id}`, bearer(hook));
    expect(hold.body).toMatchObject({ cluster: 'eagle' });

    expect(refusal(await api.post('/api/v1/budget/check', check({ cluster: 'default' }), bearer(hook)))).toEqual({
      status: 403,
      code: 'forbidden',
      asbb: 'FORBIDDEN',
      reason: 'cluster',
      challenge: 'Bearer realm="bursar", error="insufficient_scope"',
    });
    const event = { type: 'started', job_id: '7', at: '2026-03-02T14:31:51Z' };
    const events = { events: [event, { ...event, cluster: 'default' }] };
    expect((await api.post('/api/v1/jobs/events', events, bearer(hook))).status).toBe(403);
    expect((await api.post('/api/v1/jobs/events', { events: [event] }, bearer(hook))).status).toBe(200);
    expect((await api.get('/api/v1/jobs/eagle/7', bearer(hook))).status).toBe(200);
    expect((await api.get('/api/v1/jobs/default/7', bearer(hook))).status).toBe(403);
    expect((await api.get('/api/v1/clusters/default', bearer(hook))).status).toBe(403);

    const other = await api.post('/api/v1/budget/check', check({ cluster: 'default' }), bearer(admin));
    const theirs = other.body.transaction_id as string;
    expect((await api.get(`/api/v1/holds/${theirs}`, bearer(hook))).status).toBe(404);
    expect((await api.get('/api/v1/holds', bearer(hook))).body).toHaveLength(1);
    const cost = { transaction_id: theirs, actual_cost: 0.01 };
    expect((await api.post('/api/v1/budget/reconcile', cost, bearer(hook))).status).toBe(404);
    const claim = { events: [{ ...event, job_id: '8', transaction_id: theirs }] };
    await api.post('/api/v1/jobs/events', claim, bearer(hook));
    const untouched = await api.get(`/api/v1/holds/${theirs}`, bearer(admin));
    expect(untouched.body).toMatchObject({ status: 'open', cluster: 'default' });
    expect(untouched.body.job_id).toBeUndefined();

    const own = { transaction_id: decision.body.transaction_id, job_id: '9', actual_cost: 0.05 };
    expect((await api.post('/api/v1/budget/reconcile', own, bearer(hook))).status).toBe(200);
  });

  test('may not date a check back, which an admin may', async () => {
    const { admin, hook } = await makeAll();
    const past = check({ at: '2026-01-02T00:00:00Z' });
    expect(refusal(await api.post('/api/v1/budget/check', past, bearer(hook)))).toMatchObject({ reason: 'scope' });
    expect((await api.post('/api/v1/budget/estimate', past, bearer(hook))).status).toBe(200);
    expect((await api.post('/api/v1/budget/check', past, bearer(admin))).status).toBe(200);
  });

  test('finds by its key the hold that was placed before there were keys', async () => {
    const before = await api.post('/api/v1/budget/check', check({ cluster: 'eagle', idempotency_key: 'k' }));
    const { hook } = await makeAll();
    const found = await api.get('/api/v1/holds?key=k', bearer(hook));
    expect(found.body).toMatchObject([{ transaction_id: before.body.transaction_id }]);
    const event = { type: 'started', job_id: '7', at: new Date().toISOString(), hold_key: 'k' };
    await api.post('/api/v1/jobs/events', { events: [event] }, bearer(hook));
    expect((await api.get('/api/v1/holds?key=k', bearer(hook))).body).toMatchObject([{ job_id: '7' }]);
  });
});

test('a key is a principal: its idempotency keys are its own, and what it does has its name', async () => {
  const { admin, hook } = await makeAll();
  const body = { account: 'a', cluster: 'eagle', ...JOB, idempotency_key: 'same' };
  const ids = new Set<string>();
  for (const key of [admin, hook, admin, hook]) {
    ids.add((await api.post('/api/v1/budget/check', body, bearer(key))).body.transaction_id as string);
  }
  expect(ids.size).toBe(2);
  await api.post('/api/v1/accounts/a/deposits', { amount: 5 }, bearer(admin));
  const [row] =
    await api.sql`select actor from ledger.transactions where kind = 'deposit' order by txn_no desc limit 1`;
  expect(row).toEqual({ actor: 'boss' });
});

test('a key is in one answer and nowhere else: not in the log, the database, or any other answer', async () => {
  let logged = '';
  const sink = new Writable({
    write: (bytes: Buffer, _encoding, done) => {
      logged += bytes.toString();
      done();
    },
  });
  const app = createApp({
    ledger: api.ledger,
    metrics: createMetrics({ accountsMax: 1 }),
    log: pino({ level: 'trace' }, sink),
    temporal: { namespace: 'default' },
    defaultCluster: 'default',
    timeZone: 'UTC',
  });
  const ask = async (method: string, path: string, body?: object, key?: string) =>
    (
      await app.request(path, {
        method,
        headers: { 'Content-Type': 'application/json', ...(key !== undefined && { 'X-API-Key': key }) },
        ...(body && { body: JSON.stringify(body) }),
      })
    ).text();
  const { key } = JSON.parse(await ask('POST', '/api/v1/keys', { name: 'boss', scope: 'admin' })) as { key: string };
  expect(key).toMatch(/^bursar_[0-9a-f]{12}_[0-9a-f]{64}$/);
  const secret = key.slice(-64);
  const said = [
    await ask('GET', '/api/v1/keys', undefined, key),
    await ask('GET', '/api/v1/changes', undefined, key),
    await ask('POST', '/api/v1/keys', { name: 'boss', scope: 'admin' }, key),
    await ask('GET', '/nowhere', undefined, key),
    await ask('GET', '/metrics', undefined, key),
    await ask('DELETE', '/api/v1/keys/boss', undefined, key),
    await ask('GET', '/api/v1/keys', undefined, key),
  ].join();
  const [row] = await api.sql<{ rows: string }[]>`
    select (select json_agg(k)::text from ledger.api_keys k) || (select json_agg(c)::text from ledger.changes c)
      || coalesce((select json_agg(c)::text from ledger.commands c), '') as rows`;
  expect(logged).toContain('request answered');
  expect(row?.rows).toContain('boss');
  for (const text of [said, logged, row?.rows]) expect(text).not.toContain(secret);
});

describe('the keyring', () => {
  /** A second process over the same ledger, and how often it read and wrote keys. */
  function another(ownToken?: () => string | undefined) {
    const calls = { known: 0, used: 0 };
    const ledger: Ledger = openLedger(api.sql);
    const keys: Ledger['keys'] = {
      ...ledger.keys,
      known: () => ((calls.known += 1), ledger.keys.known()),
      used: (id) => ((calls.used += 1), ledger.keys.used(id)),
    };
    const app = createApp({
      ledger: { ...ledger, keys },
      metrics: createMetrics({ accountsMax: 1 }),
      log: pino({ level: 'silent' }),
      temporal: { namespace: 'default' },
      defaultCluster: 'default',
      timeZone: 'UTC',
      ...(ownToken && { ownToken }),
    });
    const status = async (key: string) =>
      (await app.request('/api/v1/clusters', { headers: { Authorization: `Bearer ${key}` } })).status;
    return { calls, status };
  }

  test('reads all keys once for many requests, and notes their use once', async () => {
    const admin = await make('boss', 'admin');
    const { calls, status } = another();
    const began = performance.now();
    for (let i = 0; i < 100; i++) expect(await status(admin)).toBe(200);
    expect(calls.used).toBe(1);
    // They serve for two seconds, and are then read again.
    expect(calls.known).toBeLessThanOrEqual(1 + (performance.now() - began) / 2_000);
    const lastUse = async () => (await api.get('/api/v1/keys', bearer(admin))).body[0].last_used_at as string;
    const first = await eventually('the use is noted', lastUse);
    await api.ledger.keys.used(admin.split('_')[1] ?? '');
    expect(await lastUse()).toBe(first);
    await api.sql`update ledger.api_keys set last_used_at = last_used_at - interval '61 seconds'`;
    await api.ledger.keys.used(admin.split('_')[1] ?? '');
    expect(Date.parse(await lastUse())).toBeGreaterThan(Date.parse(first) - 1000);
  });

  test('of another process knows a new key at once, and a revocation within five seconds', async () => {
    const admin = await make('boss', 'admin');
    const { status } = another();
    expect(await status(admin)).toBe(200);
    const fresh = await make('fresh', 'read', {}, admin);
    await eventually('the new key is known', async () => (await status(fresh)) === 200);
    await api.delete('/api/v1/keys/fresh', bearer(admin));
    const revokedAt = performance.now();
    let servedAt = revokedAt;
    await eventually('the revoked key is refused', async () => {
      const askedAt = performance.now();
      if ((await status(fresh)) === 401) return true;
      servedAt = askedAt;
      return false;
    });
    expect(servedAt - revokedAt).toBeLessThanOrEqual(FRESH_MS);
  });

  test("lets in this machine's own command by the token in its home, as local", async () => {
    await make('boss', 'admin');
    const own = `bursar_local_${'a'.repeat(64)}`;
    const { status } = another(() => own);
    expect(await status(own)).toBe(200);
    expect(await status(`bursar_local_${'b'.repeat(64)}`)).toBe(401);
    expect(await another(() => undefined).status(own)).toBe(401);
  });

  test('takes the token of another home for none, while none is needed', async () => {
    expect(await another().status(`bursar_local_${'a'.repeat(64)}`)).toBe(200);
  });
});

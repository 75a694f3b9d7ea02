/** The same key and request get the first answer again; another request with that key is refused; nothing happens twice. */
import { JOB, startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const CHECK = '/api/v1/budget/check';

test('a check that is repeated holds once and gets the first answer', async () => {
  const account = await api.account('once', 10);
  const body = { account, ...JOB, idempotency_key: 'submit-1' };
  const first = await api.post(CHECK, body);
  const again = await api.post(CHECK, body);
  expect(again.body).toEqual({ ...first.body, replayed: true });
  expect((await api.get(`/api/v1/accounts/${account}`)).body.budget_held).toBe(first.body.hold_amount);
});

test('a denial is replayed too, although there is money by then; a new key asks anew', async () => {
  const account = await api.account('denied-once', 0);
  const ask = (key: string) => api.post(CHECK, { account, ...JOB, idempotency_key: key });
  const first = await ask('d-1');
  expect(first.body).toMatchObject({ available: false, code: 'insufficient_budget' });
  await api.post(`/api/v1/accounts/${account}/deposits`, { amount: 10 });
  expect((await ask('d-1')).body).toEqual({ ...first.body, replayed: true });
  expect((await ask('d-2')).body.available).toBe(true);
});

test('the header says the same as the field, and both must agree', async () => {
  const account = await api.account('header', 10);
  const headers = { 'Idempotency-Key': 'h-1' };
  const first = await api.post(CHECK, { account, ...JOB }, { headers });
  const again = await api.post(CHECK, { account, ...JOB, idempotency_key: 'h-1' });
  expect(again.body).toMatchObject({ transaction_id: first.body.transaction_id, replayed: true });
  const both = await api.post(CHECK, { account, ...JOB, idempotency_key: 'other' }, { headers });
  expect({ status: both.status, field: both.body.error.field }).toEqual({ status: 400, field: 'idempotency_key' });
});

test('the same request in other words is the same request', async () => {
  const account = await api.account('words', 10);
  const raw = (text: string) => api.post(`/api/v1/accounts/${account}/deposits`, undefined, { raw: text });
  const first = await raw('{"amount": 1.5, "idempotency_key": "w-1", "effective_at": "2026-01-01T01:00:00+01:00"}');
  const again = await raw('{"idempotency_key":"w-1","effective_at":"2026-01-01T00:00:00Z","amount":"1.50"}');
  expect(again.body).toEqual(first.body);
  expect((await api.get(`/api/v1/accounts/${account}`)).body.budget_limit).toBe(11.5);
});

test.each([
  ['another amount', { amount: 2 }, 'keys-a'],
  ['another account', { amount: 1 }, 'keys-b'],
])('a key with %s is 409, and nothing is written', async (_what, body, to) => {
  for (const name of ['keys-a', 'keys-b']) {
    if ((await api.get(`/api/v1/accounts/${name}`)).status === 404) await api.account(name);
  }
  const key = `reused-${to}`;
  await api.post('/api/v1/accounts/keys-a/deposits', { amount: 1, idempotency_key: key });
  const before = await api.rowCounts();
  const { status, body: problem } = await api.post(`/api/v1/accounts/${to}/deposits`, {
    ...body,
    idempotency_key: key,
  });
  expect(status).toBe(409);
  expect(problem).toMatchObject({ code: 'key_reused', error: { code: 'CONFLICT' } });
  expect(await api.rowCounts()).toEqual(before);
});

test('bad input, unknown accounts and outages burn no key', async () => {
  const key = 'unburnt';
  expect((await api.post(CHECK, { account: 'later', ...JOB, nodes: 'x', idempotency_key: key })).status).toBe(400);
  expect((await api.post(CHECK, { account: 'later', ...JOB, idempotency_key: key })).status).toBe(404);
  await api.account('later', 10);
  expect((await api.post(CHECK, { account: 'later', ...JOB, idempotency_key: key })).body).toMatchObject({
    available: true,
    replayed: false,
  });
});

test('200 repeats at once of one check hold once', async () => {
  const account = await api.account('stampede', 1000);
  const body = { account, ...JOB, idempotency_key: 'stampede' };
  const answers = await Promise.all(Array.from({ length: 200 }, () => api.post(CHECK, body)));
  expect(new Set(answers.map((answer) => answer.body.transaction_id)).size).toBe(1);
  expect((await api.get(`/api/v1/accounts/${account}`)).body.budget_held).toBe(answers[0]?.body.hold_amount);
});

describe.each([
  ['deposits', (account: string) => [`/api/v1/accounts/${account}/deposits`, { amount: 3 }] as const],
  ['withdrawals', (account: string) => [`/api/v1/accounts/${account}/withdrawals`, { amount: 3 }] as const],
  ['transfers', (account: string) => ['/api/v1/transfers', { from: account, to: 'target', amount: 3 }] as const],
])('%s', (what, command) => {
  test('happen once', async () => {
    if ((await api.get('/api/v1/accounts/target')).status === 404) await api.account('target');
    const account = await api.account(`moves-${what}`, 100);
    const [path, body] = command(account);
    const key = { idempotency_key: `once-${what}` };
    const [first, ...others] = await Promise.all(Array.from({ length: 8 }, () => api.post(path, { ...body, ...key })));
    expect(first?.status).toBe(201);
    for (const other of others) expect(other.body).toEqual(first?.body);
    const { budget_limit } = (await api.get(`/api/v1/accounts/${account}`)).body;
    expect(budget_limit).toBe(what === 'deposits' ? 103 : 97);
  });
});

test('a hold is found by the key it was placed with', async () => {
  const account = await api.account('found', 10);
  const { body } = await api.post(CHECK, { account, ...JOB, idempotency_key: 'find-me' });
  const found = await api.get('/api/v1/holds?key=find-me');
  expect(found.body).toMatchObject([{ transaction_id: body.transaction_id, key: 'find-me', status: 'open' }]);
  expect((await api.get('/api/v1/holds?key=nobody')).status).toBe(404);
});

test('a release with the same key, or without any, closes once', async () => {
  const account = await api.account('released', 10);
  const { transaction_id } = (await api.post(CHECK, { account, ...JOB })).body;
  const path = `/api/v1/holds/${transaction_id}/release`;
  const first = await api.post(path, { reason: 'not needed', idempotency_key: 'r-1' });
  expect(first.body).toMatchObject({ status: 'released', held: 0, released: first.body.placed });
  expect((await api.post(path, { reason: 'not needed', idempotency_key: 'r-1' })).body).toEqual(first.body);
  expect((await api.post(path)).body).toMatchObject({ status: 'released' });
  expect((await api.get(`/api/v1/accounts/${account}`)).body).toMatchObject({ budget_held: 0, budget_available: 10 });
});

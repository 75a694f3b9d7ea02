/** Bad input is 400, 413 or 415, names the field and says what to do, and writes nothing. Never 500. */
import { ACCOUNT, JOB, startApi, type TestApi } from './helpers/api';

let api: TestApi;
let written: Record<string, number>;
beforeAll(async () => {
  api = await startApi();
  await api.account('a');
  await api.account('b');
  written = await api.rowCounts();
});
afterAll(() => api.stop());
afterEach(async () => expect(await api.rowCounts()).toEqual(written));

const check = (more: object) => ({ account: 'a', ...JOB, ...more });
const account = (more: object) => ({ ...ACCOUNT, slurm_account: 'new', ...more });
const event = (more: object) => ({ events: [{ type: 'started', job_id: '1', at: '2026-01-01T00:00:00Z', ...more }] });

const CHECK = '/api/v1/budget/check';
const ACCOUNTS = '/api/v1/accounts';
const DEPOSITS = '/api/v1/accounts/a/deposits';

interface Case {
  why: string;
  to: string;
  method?: 'POST' | 'PUT';
  body: unknown;
  /** Pointers of the fields that are wrong, all of them. */
  fields: string[];
}

const CASES: Case[] = [
  { why: 'nothing at all', to: CHECK, body: {}, fields: ['account', 'partition', 'nodes', 'cpus', 'wall_time'] },
  { why: 'an empty account', to: CHECK, body: check({ account: '' }), fields: ['account'] },
  { why: 'numbers for names', to: CHECK, body: check({ account: 1, partition: 2 }), fields: ['account', 'partition'] },
  { why: 'words for counts', to: CHECK, body: check({ nodes: 'two', cpus: [] }), fields: ['nodes', 'cpus'] },
  { why: 'a fraction of a node', to: CHECK, body: check({ nodes: 1.5 }), fields: ['nodes'] },
  { why: 'more nodes than there are', to: CHECK, body: check({ nodes: 10_000_001 }), fields: ['nodes'] },
  { why: 'an empty time limit', to: CHECK, body: check({ wall_time: '' }), fields: ['wall_time'] },
  { why: 'no time limit by any grammar', to: CHECK, body: check({ wall_time: 'soon' }), fields: ['wall_time'] },
  {
    why: 'a time limit of a million years',
    to: CHECK,
    body: check({ wall_time: '999999999-0' }),
    fields: ['wall_time'],
  },
  { why: 'memory in parsecs', to: CHECK, body: check({ memory: '64 parsecs' }), fields: ['memory'] },
  { why: 'TRES without sense', to: CHECK, body: check({ tres: 'cpu' }), fields: ['tres'] },
  { why: 'TRES that nobody has', to: CHECK, body: check({ tres: 'cpu=1,gpuu=4' }), fields: ['tres'] },
  { why: 'TRES said twice', to: CHECK, body: check({ tres: 'cpu=4,cpu=8' }), fields: ['tres'] },
  { why: 'GRES without sense', to: CHECK, body: check({ gres: 'gpu::' + '!' }), fields: ['gres'] },
  { why: 'a list for job_details', to: CHECK, body: check({ job_details: [1] }), fields: ['job_details'] },
  { why: 'no components', to: CHECK, body: { account: 'a', components: [] }, fields: ['components'] },
  {
    why: 'mistakes within components',
    to: CHECK,
    body: { account: 'a', components: [{ ...JOB }, { partition: '', nodes: 1, wall_time: 'x' }] },
    fields: ['components/1/partition', 'components/1/cpus', 'components/1/wall_time'],
  },
  { why: 'no array', to: CHECK, body: check({ array_tasks: 0 }), fields: ['array_tasks'] },
  { why: 'an endless array', to: CHECK, body: check({ array_tasks: '0-99999999' }), fields: ['array_tasks'] },
  { why: 'a date in year 0', to: CHECK, body: check({ at: '0000-01-01T00:00:00Z' }), fields: ['at'] },
  { why: 'a date without a time', to: CHECK, body: check({ at: '2026-01-01' }), fields: ['at'] },
  { why: 'a day that is not', to: CHECK, body: check({ at: '2026-02-30T00:00:00Z' }), fields: ['at'] },
  { why: 'an empty key', to: CHECK, body: check({ idempotency_key: '' }), fields: ['idempotency_key'] },
  { why: 'a long key', to: CHECK, body: check({ idempotency_key: 'k'.repeat(256) }), fields: ['idempotency_key'] },
  { why: 'NUL in a name', to: CHECK, body: check({ user_id: 'a\0b' }), fields: ['user_id'] },
  { why: 'NUL deep in free JSON', to: CHECK, body: check({ job_details: { a: ['\0'] } }), fields: ['job_details/a/0'] },
  { why: 'half a surrogate pair', to: CHECK, body: check({ job_name: 'x\ud800' }), fields: ['job_name'] },

  {
    why: 'no reconcile',
    to: '/api/v1/budget/reconcile',
    body: {},
    fields: ['actual_cost', 'job_id', 'transaction_id'],
  },
  {
    why: 'a negative cost',
    to: '/api/v1/budget/reconcile',
    body: { job_id: 1, actual_cost: -1 },
    fields: ['actual_cost'],
  },
  {
    why: 'a cost beyond the ceiling',
    to: '/api/v1/budget/reconcile',
    body: { job_id: 1, actual_cost: 8_589_934_592 },
    fields: ['actual_cost'],
  },
  {
    why: 'a cost in words',
    to: '/api/v1/budget/reconcile',
    body: { job_id: 1, actual_cost: 'NaN' },
    fields: ['actual_cost'],
  },

  { why: 'no account', to: ACCOUNTS, body: {}, fields: ['slurm_account', 'name', 'start_date', 'end_date'] },
  { why: 'a slash in the name', to: ACCOUNTS, body: account({ slurm_account: 'a/b' }), fields: ['slurm_account'] },
  { why: 'a name of 65', to: ACCOUNTS, body: account({ slurm_account: 'x'.repeat(65) }), fields: ['slurm_account'] },
  { why: 'a negative limit', to: ACCOUNTS, body: account({ budget_limit: -1 }), fields: ['budget_limit'] },
  { why: 'seven decimals', to: ACCOUNTS, body: account({ budget_limit: '1.0000001' }), fields: ['budget_limit'] },
  { why: 'the ceiling', to: ACCOUNTS, body: account({ budget_limit: 8_589_934_592 }), fields: ['budget_limit'] },
  {
    why: 'an end before the start',
    to: ACCOUNTS,
    body: account({ end_date: '2025-01-01T00:00:00Z' }),
    fields: ['end_date'],
  },
  { why: 'an end at the start', to: ACCOUNTS, body: account({ end_date: ACCOUNT.start_date }), fields: ['end_date'] },
  { why: 'a date without a time', to: ACCOUNTS, body: account({ start_date: '2026-01-01' }), fields: ['start_date'] },
  {
    why: 'a schedule',
    to: ACCOUNTS,
    body: account({ has_incremental_budget: true, allocation_schedule: {} }),
    fields: ['has_incremental_budget', 'allocation_schedule'],
  },
  { why: 'an unknown status', to: ACCOUNTS, body: account({ status: 'sleepy' }), fields: ['status'] },
  { why: 'no zone', to: ACCOUNTS, body: account({ time_zone: 'Mars/Olympus' }), fields: ['time_zone'] },
  { why: 'an offset for a zone', to: ACCOUNTS, body: account({ time_zone: '+02:00' }), fields: ['time_zone'] },
  { why: 'a unit with quotes', to: ACCOUNTS, body: account({ unit: "'; drop" }), fields: ['unit'] },
  { why: 'a list', to: ACCOUNTS, body: [], fields: [''] },
  { why: 'text', to: ACCOUNTS, body: 'account', fields: [''] },
  {
    why: 'a wrong update',
    to: `${ACCOUNTS}/a`,
    method: 'PUT',
    body: { budget_limit: {}, end_date: 5 },
    fields: ['budget_limit', 'end_date'],
  },

  { why: 'no amount', to: DEPOSITS, body: {}, fields: ['amount'] },
  { why: 'nothing as an amount', to: DEPOSITS, body: { amount: 0 }, fields: ['amount'] },
  { why: 'a negative amount', to: DEPOSITS, body: { amount: -5 }, fields: ['amount'] },
  { why: 'minus nothing', to: DEPOSITS, body: { amount: '-0' }, fields: ['amount'] },
  { why: 'words', to: DEPOSITS, body: { amount: 'Infinity' }, fields: ['amount'] },
  { why: 'hexadecimal', to: DEPOSITS, body: { amount: '0x10' }, fields: ['amount'] },
  { why: 'true', to: DEPOSITS, body: { amount: true }, fields: ['amount'] },
  { why: 'null where a value is needed', to: DEPOSITS, body: { amount: null }, fields: ['amount'] },
  { why: 'a misspelt field', to: DEPOSITS, body: { amount: 1, efective_at: 'x' }, fields: ['efective_at'] },
  { why: 'a field in another case', to: DEPOSITS, body: { Amount: 1 }, fields: ['Amount', 'amount'] },
  {
    why: 'a closed window',
    to: DEPOSITS,
    body: { amount: 1, opens_at: '2026-02-01T00:00:00Z', closes_at: '2026-02-01T00:00:00Z' },
    fields: ['closes_at'],
  },
  { why: 'a transfer to itself', to: '/api/v1/transfers', body: { from: 'a', to: 'a', amount: 1 }, fields: ['to'] },
  {
    why: 'a silent adjustment',
    to: '/api/v1/adjustments',
    body: { transaction_id: 'x', amount: 0 },
    fields: ['amount', 'description'],
  },

  {
    why: 'no rate',
    to: '/api/v1/rates',
    body: {},
    fields: ['cluster', 'resource', 'unit', 'starts_at', 'source', 'price'],
  },
  {
    why: 'two rates in one',
    to: '/api/v1/rates',
    body: {
      cluster: 'default',
      resource: 'cpu',
      unit: 'USD',
      price: 1,
      su_per_unit: 1,
      starts_at: ACCOUNT.start_date,
      source: 'x',
    },
    fields: ['price'],
  },
  {
    why: 'an unknown resource',
    to: '/api/v1/rates',
    body: { cluster: 'default', resource: 'disk', unit: 'USD', price: 1, starts_at: ACCOUNT.start_date, source: 'x' },
    fields: ['resource'],
  },
  { why: 'a cluster without a zone', to: '/api/v1/clusters', body: { name: 'c' }, fields: ['time_zone'] },
  {
    why: 'a cap that lets nothing be held',
    to: '/api/v1/clusters/default',
    method: 'PUT',
    body: { hold_cap: 0 },
    fields: ['hold_cap'],
  },
  { why: 'a new cluster without a zone', to: '/api/v1/clusters/c', method: 'PUT', body: {}, fields: ['time_zone'] },
  {
    why: 'a weight below zero',
    to: '/api/v1/clusters/default/partitions/p',
    method: 'PUT',
    body: { queue_weight: -1 },
    fields: ['queue_weight'],
  },
  {
    why: 'a multiplier of zero',
    to: '/api/v1/clusters/default',
    method: 'PUT',
    body: { hold_multiplier: 0 },
    fields: ['hold_multiplier'],
  },
  {
    why: "a multiplier of percents, a cluster's",
    to: '/api/v1/clusters/default',
    method: 'PUT',
    body: { hold_multiplier: 100.000001 },
    fields: ['hold_multiplier'],
  },
  {
    why: "a multiplier of percents, an account's",
    to: `${ACCOUNTS}/a`,
    method: 'PUT',
    body: { hold_multiplier: '100.000001' },
    fields: ['hold_multiplier'],
  },
  {
    why: "a multiplier of percents, in an account's policy",
    to: `${ACCOUNTS}/a/policy`,
    method: 'PUT',
    body: { hold_multiplier: 120 },
    fields: ['hold_multiplier'],
  },
  {
    why: 'a limit without a limit',
    to: `${ACCOUNTS}/a/partition-limits/p`,
    method: 'PUT',
    body: {},
    fields: ['limit'],
  },
  {
    why: 'a policy of its own',
    to: `${ACCOUNTS}/a/policy`,
    method: 'PUT',
    body: { on_exhaustion: 'shrug' },
    fields: ['on_exhaustion'],
  },

  { why: 'no events', to: '/api/v1/jobs/events', body: { events: [] }, fields: ['events'] },
  { why: 'an unknown event', to: '/api/v1/jobs/events', body: event({ type: 'exploded' }), fields: ['events/0/type'] },
  {
    why: 'a cost event without a cost',
    to: '/api/v1/jobs/events',
    body: event({ type: 'cost' }),
    fields: ['events/0/cost'],
  },
  {
    why: 'an unknown end',
    to: '/api/v1/jobs/events',
    body: event({ end_state: 'MEH' }),
    fields: ['events/0/end_state'],
  },
  { why: 'no time', to: '/api/v1/jobs/events', body: event({ at: 1_772_460_311 }), fields: ['events/0/at'] },
  {
    why: 'an unknown field in an event',
    to: '/api/v1/jobs/events',
    body: event({ job_nam: 'x' }),
    fields: ['events/0/job_nam'],
  },
  {
    why: 'too many events',
    to: '/api/v1/jobs/events',
    body: { events: Array(1001).fill(event({}).events[0]) },
    fields: ['events'],
  },
];

test.each(CASES)('$why ($to)', async ({ to, method = 'POST', body, fields }) => {
  const answer = await api.ask(method, to, body);
  expect(answer.status).toBe(400);
  const pointers = answer.body.errors.map(({ pointer }: { pointer: string }) => pointer.slice(1)).sort();
  expect([...new Set(pointers)]).toEqual([...fields].sort());
  for (const { detail } of answer.body.errors) expect(detail).toMatch(/\S{2,}/);
  expect(answer.body.error.field).toBe((answer.body.errors[0].pointer.slice(1) || 'body').replaceAll('/', '.'));
});

test.each([
  ['a list', '[]'],
  ['a number', '1'],
  ['text', '"account"'],
])('a body that is %s is said once to be no JSON object', async (_why, raw) => {
  for (const to of [CHECK, ACCOUNTS, '/api/v1/budget/reconcile', '/api/v1/rates']) {
    const { status, body } = await api.post(to, undefined, { raw });
    expect({ to, status, errors: body.errors }).toEqual({
      to,
      status: 400,
      errors: [{ pointer: '', detail: 'must be a JSON object' }],
    });
    expect(body.detail).toBe('the body must be a JSON object.');
  }
});

test('a component that is a list is said to be no object, and its fields are not', async () => {
  const { body } = await api.post(CHECK, { account: 'a', components: [[]] });
  expect(body.errors).toEqual([{ pointer: '/components/0', detail: 'must be an object' }]);
});

describe('numerals are judged as they were written', () => {
  test.each([
    ['0.10000000000000000555', 'six decimals'],
    ['1e-7', 'six decimals'],
    ['1e400', '8589934592'],
    ['8589934592.000000', '8589934592'],
    ['-1e-3', 'greater than 0'],
  ])('{"amount": %s}', async (numeral, says) => {
    const { status, body } = await api.post(DEPOSITS, undefined, { raw: `{"amount": ${numeral}}` });
    expect(status).toBe(400);
    expect(body.errors).toEqual([{ pointer: '/amount', detail: expect.stringMatching(says) }]);
  });
});

describe('bodies that are no JSON', () => {
  test.each([
    ['nothing', ''],
    ['a word', 'hello'],
    ['NaN', '{"amount": NaN}'],
    ['half of it', '{"amount": 1'],
    ['two of them', '{} {}'],
    ['the same name twice', '{"amount": 1, "amount": 2}'],
    ['a raw NUL', '{"description": "a\0b", "amount": 1}'],
    ['depth', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['depth in a free field', `{"amount": 1, "description": ${'['.repeat(65)}${']'.repeat(65)}}`],
  ])('%s', async (_why, raw) => {
    const { status, body } = await api.post(DEPOSITS, undefined, { raw });
    expect(status).toBe(400);
    expect(body.error.field).toBe('body');
  });

  test('invalid UTF-8', async () => {
    const raw = new Uint8Array([...Buffer.from('{"amount": 1, "description": "'), 0xc3, 0x28, ...Buffer.from('"}')]);
    const { status, body } = await api.post(DEPOSITS, undefined, { raw });
    expect({ status, field: body.error.field }).toEqual({ status: 400, field: 'body' });
  });

  test('undecodable JSON has the words of ASBB', async () => {
    const { body } = await api.post(CHECK, undefined, { raw: '{' });
    expect(body.error).toMatchObject({ code: 'VALIDATION_ERROR', message: 'Invalid JSON format', field: 'body' });
  });

  test('too many bytes are 413, announced or not', async () => {
    const long = JSON.stringify({ amount: 1, description: 'x'.repeat(1_100_000) });
    const announced = await api.post(DEPOSITS, undefined, {
      raw: long,
      headers: { 'Content-Length': String(long.length) },
    });
    expect(announced.status).toBe(413);
    expect((await api.post(DEPOSITS, undefined, { raw: long })).status).toBe(413);
  });

  test('another content type is 415; none is served', async () => {
    const form = await api.post(DEPOSITS, undefined, {
      raw: '{"amount":1}',
      headers: { 'Content-Type': 'text/plain' },
    });
    expect(form.status).toBe(415);
    const charset = await api.post(DEPOSITS, undefined, {
      raw: '{}',
      headers: { 'Content-Type': 'application/json; charset=utf-8' },
    });
    expect(charset.status).toBe(400);
  });
});

describe('addresses and queries', () => {
  test.each([
    ['/api/v1/accounts/%00', 400],
    ['/api/v1/accounts/a%2Fb', 400],
    ['/api/v1/accounts/%ff', 404],
    ['/api/v1/accounts/%zz/balance', 404],
    [`/api/v1/accounts/${'x'.repeat(65)}`, 400],
    ['/api/v1/accounts/a/balance?at=now', 400],
    ['/api/v1/accounts/a/balance?at=2026-01-01T00:00:00+01:00', 400],
    ['/api/v1/accounts/a/statement', 400],
    ['/api/v1/accounts/a/statement?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z', 400],
    ['/api/v1/transactions?type=gift', 400],
    ['/api/v1/transactions?account=%00', 400],
    ['/api/v1/transactions?cursor=%27', 400],
    ['/api/v1/accounts?status=sleepy', 400],
    ['/api/v1/accounts?cursor=nonsense', 400],
    ['/api/v1/holds?limit=0', 400],
    ['/api/v1/holds?limit=1001', 400],
    ['/api/v1/holds?limit=1e2', 400],
    ['/api/v1/holds?overdue=yes', 400],
    ['/api/v1/holds?acount=a', 400],
    ['/api/v1/holds?account=a&account=b', 400],
    ['/api/v1/holds?cursor=nonsense', 400],
    ['/api/v1/jobs?state=odd', 400],
    ['/api/v1/jobs?cursor=nonsense', 400],
    ['/api/v1/rates?cursor=nonsense', 400],
    ['/api/v1/rates?at=2026', 400],
    ['/api/v1/clusters/-x', 400],
    ['/api/v1/jobs/default/%00', 400],
    ['/api/v1/audit/seals?against=abc', 400],
  ])('%s is %d', async (path, status) => {
    const answer = await api.get(path);
    expect(answer.status).toBe(status);
  });

  test('a misspelt parameter or field is answered with the nearest name', async () => {
    const query = await api.get('/api/v1/holds?acount=a');
    expect(query.body.errors[0].detail).toContain('did you mean "account"?');
    const field = await api.post(DEPOSITS, { amount: 1, descripton: 'x' });
    expect(field.body.errors[0].detail).toContain('did you mean "description"?');
  });
});

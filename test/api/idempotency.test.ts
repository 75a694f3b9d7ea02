/** The same key and request get the first answer again; another request with that key is refused; nothing happens twice. */
import { type Answer, JOB, startApi, type TestApi } from './helpers/api';

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

/** A request, and what else is asked for with its key. */
interface Command {
  asked: Asked;
  other: Asked;
  /** Undoes or changes what was done, so that its repetition would do it again. */
  meanwhile?: Asked;
}
type Asked = [method: string, path: string, body?: object];

const V1 = '/api/v1';
let made = 0;
const accountPath = async () => `${V1}/accounts/${await api.account(`keyed-${(made += 1)}`, 100)}`;
const holdPath = async () => {
  const { body } = await api.post(CHECK, { account: await api.account(`keyed-${(made += 1)}`, 100), ...JOB });
  return `${V1}/holds/${body.transaction_id}`;
};
const chargeId = async () => {
  const transaction_id = (await holdPath()).split('/').at(-1);
  const job_id = `keyed-job-${(made += 1)}`;
  await api.post(`${V1}/budget/reconcile`, { job_id, actual_cost: 5, transaction_id });
  return (await api.get(`${V1}/transactions?job_id=${job_id}&type=charge`)).body[0].transaction_id as string;
};
const rate = { cluster: 'default', unit: 'USD', price: 1, source: 'test', starts_at: '2030-01-01T00:00:00Z' };

const COMMANDS: Record<string, () => Promise<Command>> = {
  checkBudget: async () => {
    const account = await api.account('keyed-check', 100);
    return { asked: ['POST', CHECK, { account, ...JOB }], other: ['POST', CHECK, { account, ...JOB, cpus: 2 }] };
  },
  reconcileBudget: async () => {
    const path = `${V1}/budget/reconcile`;
    const report = { job_id: 'keyed', transaction_id: (await holdPath()).split('/').at(-1) };
    return {
      asked: ['POST', path, { ...report, actual_cost: 0.05 }],
      other: ['POST', path, { ...report, actual_cost: 0.06, correction: true }],
      meanwhile: ['POST', path, { ...report, actual_cost: 0.07, correction: true }],
    };
  },
  createAccount: async () => {
    const account = {
      slurm_account: 'keyed-new',
      start_date: '2026-01-01T00:00:00Z',
      end_date: '2099-01-01T00:00:00Z',
    };
    const path = `${V1}/accounts`;
    return {
      asked: ['POST', path, { ...account, name: 'One' }],
      other: ['POST', path, { ...account, name: 'Two' }],
      meanwhile: ['PUT', `${path}/keyed-new`, { name: 'Three' }],
    };
  },
  updateAccount: async () => {
    const path = await accountPath();
    const named = (name: string): Asked => ['PUT', path, { name }];
    return { asked: named('One'), other: named('Two'), meanwhile: named('Three') };
  },
  archiveAccount: async () => {
    const path = await accountPath();
    return {
      asked: ['DELETE', path],
      other: ['DELETE', await accountPath()],
      meanwhile: ['POST', `${path}/unarchive`],
    };
  },
  unarchiveAccount: async () => {
    const path = await accountPath();
    await api.delete(path);
    return {
      asked: ['POST', `${path}/unarchive`],
      other: ['POST', `${await accountPath()}/unarchive`],
      meanwhile: ['DELETE', path],
    };
  },
  updatePolicy: async () => {
    const path = `${await accountPath()}/policy`;
    const overdraft = (overdraft_limit: number): Asked => ['PUT', path, { overdraft_limit }];
    return { asked: overdraft(1), other: overdraft(2), meanwhile: overdraft(3) };
  },
  putPartitionLimit: async () => {
    const path = `${await accountPath()}/partition-limits/cpu`;
    const cap = (limit: number): Asked => ['PUT', path, { limit }];
    return { asked: cap(1), other: cap(2), meanwhile: cap(3) };
  },
  removePartitionLimit: async () => {
    const path = `${await accountPath()}/partition-limits`;
    await api.put(`${path}/cpu`, { limit: 1 });
    const meanwhile: Asked = ['PUT', `${path}/cpu`, { limit: 2 }];
    return { asked: ['DELETE', `${path}/cpu`], other: ['DELETE', `${path}/gpu`], meanwhile };
  },
  putUserLimit: async () => {
    const path = `${await accountPath()}/user-limits/eve`;
    return { asked: ['PUT', path, { limit: 1 }], other: ['PUT', `${path}?partition=cpu`, { limit: 1 }] };
  },
  removeUserLimit: async () => {
    const path = `${await accountPath()}/user-limits/eve`;
    await api.put(path, { limit: 1 });
    const meanwhile: Asked = ['PUT', path, { limit: 2 }];
    return { asked: ['DELETE', path], other: ['DELETE', `${path}?partition=cpu`], meanwhile };
  },
  deposit: async () => {
    const path = `${await accountPath()}/deposits`;
    return { asked: ['POST', path, { amount: 1 }], other: ['POST', path, { amount: 2 }] };
  },
  withdraw: async () => {
    const path = `${await accountPath()}/withdrawals`;
    return { asked: ['POST', path, { amount: 1 }], other: ['POST', path, { amount: 2 }] };
  },
  transfer: async () => {
    const [from, to] = [await api.account('keyed-from', 10), await api.account('keyed-to', 10)];
    const path = `${V1}/transfers`;
    return { asked: ['POST', path, { from, to, amount: 1 }], other: ['POST', path, { from: to, to: from, amount: 1 }] };
  },
  refund: async () => {
    const transaction_id = await chargeId();
    const path = `${V1}/refunds`;
    return {
      asked: ['POST', path, { transaction_id, amount: 1 }],
      other: ['POST', path, { transaction_id, amount: 2 }],
    };
  },
  adjust: async () => {
    const adjustment = { transaction_id: await chargeId(), description: 'the old rate' };
    const path = `${V1}/adjustments`;
    return {
      asked: ['POST', path, { ...adjustment, amount: 1 }],
      other: ['POST', path, { ...adjustment, amount: -1 }],
    };
  },
  resizeHold: async () => {
    const path = `${await holdPath()}/resize`;
    const to = (amount: number): Asked => ['POST', path, { amount }];
    return { asked: to(1), other: to(2), meanwhile: to(3) };
  },
  releaseHold: async () => {
    const path = await holdPath();
    const report = { job_id: 'keyed-late', actual_cost: 1, transaction_id: path.split('/').at(-1) };
    return {
      asked: ['POST', `${path}/release`],
      other: ['POST', `${path}/release`, { reason: 'another' }],
      meanwhile: ['POST', `${V1}/budget/reconcile`, report],
    };
  },
  createCluster: async () => {
    const path = `${V1}/clusters`;
    return {
      asked: ['POST', path, { name: 'keyed', time_zone: 'UTC' }],
      other: ['POST', path, { name: 'keyed-2', time_zone: 'UTC' }],
      meanwhile: ['PUT', `${path}/keyed`, { time_zone: 'Europe/Berlin' }],
    };
  },
  putCluster: async () => {
    const path = `${V1}/clusters/keyed-put`;
    const zone = (time_zone: string): Asked => ['PUT', path, { time_zone }];
    return { asked: zone('UTC'), other: zone('Asia/Tokyo'), meanwhile: zone('Europe/Berlin') };
  },
  putPartition: async () => {
    const path = `${V1}/clusters/default/partitions/keyed`;
    const weight = (queue_weight: number): Asked => ['PUT', path, { queue_weight }];
    return { asked: weight(2), other: weight(3), meanwhile: weight(4) };
  },
  removePartition: async () => {
    const path = `${V1}/clusters/default/partitions`;
    await api.put(`${path}/keyed-gone`, { queue_weight: 2 });
    return {
      asked: ['DELETE', `${path}/keyed-gone`],
      other: ['DELETE', `${path}/keyed`],
      meanwhile: ['PUT', `${path}/keyed-gone`, { queue_weight: 3 }],
    };
  },
  setRate: async () => {
    const path = `${V1}/rates`;
    return {
      asked: ['POST', path, { ...rate, resource: 'gpu:k1' }],
      other: ['POST', path, { ...rate, resource: 'gpu:k1', price: 2 }],
    };
  },
  endRate: async () => {
    const { rate_no } = (await api.post(`${V1}/rates`, { ...rate, resource: 'gpu:k2' })).body;
    const end = (ends_at: string): Asked => ['POST', `${V1}/rates/${rate_no}/end`, { ends_at }];
    return {
      asked: end('2034-01-01T00:00:00Z'),
      other: end('2032-01-01T00:00:00Z'),
      meanwhile: end('2033-01-01T00:00:00Z'),
    };
  },
};

const waitingPath = async () => {
  const report = { job_id: `keyed-waiting-${(made += 1)}`, actual_cost: 0.05 };
  return `${V1}/unmatched/${(await api.post(`${V1}/budget/reconcile`, report)).body.unmatched_id}`;
};
COMMANDS.resolveUnmatched = async () => {
  const [path, account] = [`${await waitingPath()}/resolve`, await api.account('keyed-resolve', 100)];
  return { asked: ['POST', path, { account }], other: ['POST', path, { account, reason: 'another' }] };
};
COMMANDS.dismissUnmatched = async () => {
  const path = `${await waitingPath()}/dismiss`;
  return { asked: ['POST', path, { reason: 'one' }], other: ['POST', path, { reason: 'two' }] };
};

const ask = ([method, path, body]: Asked, key?: string) =>
  api.ask(method, path, body, key === undefined ? {} : { headers: { 'Idempotency-Key': key } });

describe('a key is honoured by', () => {
  test.each(Object.entries(COMMANDS))('%s', async (id, prepare) => {
    const { asked, other, meanwhile } = await prepare();
    const key = `key-of-${id}`;
    const first = await ask(asked, key);
    expect(first.status).toBeLessThan(300);
    if (meanwhile) expect((await ask(meanwhile)).status).toBeLessThan(300);

    const before = await api.rowCounts();
    const again = await ask(asked, key);
    const { replayed, ...answer } = again.body;
    expect([undefined, true]).toContain(replayed);
    expect({ status: again.status, answer }).toEqual({ status: first.status, answer: withoutReplayed(first.body) });
    const refused = await ask(other, key);
    expect({ status: refused.status, code: refused.body.code }).toEqual({ status: 409, code: 'key_reused' });
    expect(await api.rowCounts()).toEqual(before);
  });

  test('everything that says so in the document, and that is all that changes anything', async () => {
    const { paths, components } = (await api.get('/openapi.json')).body as Document;
    const commands = Object.values(paths).flatMap((methods) =>
      Object.entries(methods).flatMap(([method, operation]) => (method === 'get' ? [] : [operation])),
    );
    const keyed = commands.filter(({ parameters = [] }) => parameters.some(({ name }) => name === 'Idempotency-Key'));
    expect(keyed.map(({ operationId }) => operationId).toSorted()).toEqual(Object.keys(COMMANDS).toSorted());
    const refusing = commands.filter(({ responses }) => responses[409]?.description.includes('`key_reused`'));
    expect(refusing.filter((command) => !HOOK_KEYED.includes(command.operationId))).toEqual(keyed);
    const bodies = keyed.flatMap(({ requestBody }) => requestBody?.content['application/json'].schema.$ref ?? []);
    const withoutKey = bodies.filter(
      (ref) => !components.schemas[ref.split('/').at(-1) ?? '']?.properties?.idempotency_key,
    );
    expect(withoutKey).toEqual([]);
    expect(commands.filter((command) => !keyed.includes(command)).map(({ operationId }) => operationId)).toEqual([
      'estimateBudget',
      'recordJobEvents',
      ...HOOK_KEYED,
      'estimateSlurmJob',
      'withdrawSlurmSubmissions',
      'recordSlurmRecords',
      'listSlurmQueue',
      'recordSlurmHistory',
      'lookAtSlurm',
      'reconcileAsbx',
      'receiveEpilog',
      'recover',
      'createKey',
      'revokeKey',
    ]);
  });
});

/** A hook's key is part of what it asks, for it is stamped on the job. */
const HOOK_KEYED = ['submitSlurmJob', 'modifySlurmJob'];

interface Document {
  paths: Record<string, Record<string, Documented>>;
  components: { schemas: Record<string, { properties?: Record<string, unknown> }> };
}
interface Documented {
  operationId: string;
  requestBody?: { content: { 'application/json': { schema: { $ref?: string } } } };
  parameters?: { name: string }[];
  responses: Record<string, { description: string }>;
}

const withoutReplayed = ({ replayed: _replayed, ...answer }: Answer['body']) => answer;

test('events need no key: sent again, with one or without, they are duplicates and change nothing', async () => {
  const event = {
    type: 'started',
    job_id: 'keyless',
    at: '2026-03-01T00:00:00Z',
    account: await api.account('keyless'),
  };
  const say = (key: string) => ask(['POST', `${V1}/jobs/events`, { events: [event] }], key);
  expect((await say('e-1')).body).toMatchObject({ recorded: 1, duplicates: 0 });
  const before = await api.rowCounts();
  expect((await say('e-1')).body).toMatchObject({ recorded: 0, duplicates: 1 });
  expect((await say('e-2')).body).toMatchObject({ recorded: 0, duplicates: 1 });
  expect(await api.rowCounts()).toEqual(before);
});

/** Every fault that is documented can be met over HTTP, with its status and ASBB's code; a check says the same with 200. */
import { FAULTS, type FaultCode } from '../../domain/faults';
import type { Ledger } from '../../ledger/contract';
import { readConfig } from '../../platform/config';
import { type Answer, JOB, startApi, type TestApi } from './helpers/api';

let api: TestApi;
const met = new Set<string>();

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const V1 = '/api/v1';
const ALWAYS = { start_date: '2026-01-01T00:00:00Z', end_date: '2099-01-01T00:00:00Z' };

const check = (account: string, more: object = {}) => api.post(`${V1}/budget/check`, { account, ...JOB, ...more });

/** A held job of an account with this much money. */
async function held(account: string, limit = 100): Promise<string> {
  await api.account(account, limit);
  return (await check(account)).body.transaction_id as string;
}

async function charged(account: string): Promise<string> {
  const transaction_id = await held(account);
  await api.post(`${V1}/budget/reconcile`, { job_id: account, actual_cost: 5, transaction_id });
  return (await api.get(`${V1}/transactions?account=${account}&type=charge`)).body[0].transaction_id as string;
}

const COMMANDS: Partial<Record<FaultCode, () => Promise<Answer>>> = {
  malformed_request: () => api.post(`${V1}/transfers`, {}),
  foreign_origin: () => api.get(`${V1}/accounts`, { headers: { Host: 'evil.example' } }),
  unauthenticated: () => api.get(`${V1}/accounts`, { headers: { 'X-API-Key': `bursar_0_${'0'.repeat(64)}` } }),
  forbidden: async () => {
    const made = await api.post(`${V1}/keys`, { name: 'portal', scope: 'estimate' });
    return api.get(`${V1}/accounts`, { headers: { 'X-API-Key': made.body.key as string } });
  },
  unsupported_media_type: () =>
    api.post(`${V1}/transfers`, undefined, { raw: 'x', headers: { 'Content-Type': 'text/csv' } }),
  body_too_large: () => api.post(`${V1}/transfers`, { description: 'x'.repeat(2_000_000) }),
  route_not_found: () => api.get('/nowhere'),
  method_not_allowed: () => api.ask('DELETE', `${V1}/transfers`),
  cluster_not_found: () => api.get(`${V1}/clusters/nowhere`),
  partition_not_found: () => api.delete(`${V1}/clusters/default/partitions/nowhere`),
  account_not_found: () => api.get(`${V1}/accounts/nobody`),
  fund_not_found: async () => {
    await api.account('fundless');
    return api.post(`${V1}/accounts/fundless/deposits`, { amount: 1, fund_id: 'fund_x' });
  },
  limit_not_found: async () => {
    await api.account('limitless');
    return api.delete(`${V1}/accounts/limitless/partition-limits/cpu`);
  },
  audit_not_found: () => api.get(`${V1}/audits/4711`),
  hold_not_found: () => api.get(`${V1}/holds/txn_nothing`),
  transaction_not_found: () => api.get(`${V1}/transactions/txn_nothing`),
  job_not_found: () => api.get(`${V1}/jobs/default/4711`),
  rate_not_found: () => api.post(`${V1}/rates/4711/end`, { ends_at: '2027-01-01T00:00:00Z' }),
  unmatched_not_found: () => api.get(`${V1}/unmatched/4711`),
  unmatched_closed: async () => {
    const { unmatched_id } = (await api.post(`${V1}/budget/reconcile`, { job_id: 'unheard-of', actual_cost: 1 })).body;
    await api.post(`${V1}/unmatched/${unmatched_id}/dismiss`, { reason: 'x' });
    return api.post(`${V1}/unmatched/${unmatched_id}/dismiss`, { reason: 'x' });
  },
  hold_taken: async () => {
    const transaction_id = await held('taken');
    await api.post(`${V1}/budget/reconcile`, { job_id: 'its-own', actual_cost: 1, transaction_id });
    const { unmatched_id } = (await api.post(`${V1}/budget/reconcile`, { job_id: 'another', actual_cost: 1 })).body;
    return api.post(`${V1}/unmatched/${unmatched_id}/resolve`, { transaction_id });
  },
  api_key_not_found: () => api.delete(`${V1}/keys/nothing`),
  key_reused: async () => {
    await api.account('keys');
    await api.post(`${V1}/accounts/keys/deposits`, { amount: 1, idempotency_key: 'k' });
    return api.post(`${V1}/accounts/keys/deposits`, { amount: 2, idempotency_key: 'k' });
  },
  api_key_exists: async () => {
    await api.post(`${V1}/keys`, { name: 'twice', scope: 'read' });
    return api.post(`${V1}/keys`, { name: 'twice', scope: 'read' });
  },
  account_exists: async () => {
    await api.account('twice');
    return api.post(`${V1}/accounts`, { slurm_account: 'twice', name: 'x', ...ALWAYS });
  },
  cluster_exists: () => api.post(`${V1}/clusters`, { name: 'default', time_zone: 'UTC' }),
  rate_overlaps: async () => {
    const rate = { cluster: 'default', resource: 'gpu:v100', unit: 'USD', price: 1, source: 'x' };
    await api.post(`${V1}/rates`, { ...rate, starts_at: '2030-01-01T00:00:00Z' });
    return api.post(`${V1}/rates`, { ...rate, starts_at: '2029-01-01T00:00:00Z' });
  },
  holds_open: async () => {
    await held('holding');
    return api.delete(`${V1}/accounts/holding`);
  },
  hold_closed: async () => {
    const hold = await held('closing');
    await api.post(`${V1}/holds/${hold}/release`);
    return api.post(`${V1}/holds/${hold}/resize`, { amount: 1 });
  },
  not_a_hold: async () => {
    const transaction_id = await charged('no-hold');
    return api.post(`${V1}/budget/reconcile`, { job_id: 'x', actual_cost: 1, transaction_id });
  },
  already_reconciled: async () => {
    const transaction_id = await held('settled');
    await api.post(`${V1}/budget/reconcile`, { job_id: 's', actual_cost: 0.05, transaction_id });
    return api.post(`${V1}/budget/reconcile`, { job_id: 's', actual_cost: 0.06, transaction_id });
  },
  unit_mismatch: async () => {
    await api.account('in-su', 1, { unit: 'SU' });
    return api.post(`${V1}/accounts/in-su/deposits`, { amount: 1, unit: 'EUR' });
  },
  refund_exceeds_charge: async () => {
    const transaction_id = await charged('refunded');
    return api.post(`${V1}/refunds`, { transaction_id, amount: 5.000001 });
  },
  limit_below_use: async () => {
    await charged('spent');
    return api.put(`${V1}/accounts/spent`, { budget_limit: 4.999999 });
  },
  invalid_parent: async () => {
    await api.account('ouroboros');
    return api.put(`${V1}/accounts/ouroboros`, { parent: 'ouroboros' });
  },
  ceiling_exceeded: async () => {
    await api.account('ceiling', '8589934591');
    return api.post(`${V1}/accounts/ceiling/deposits`, { amount: 1 });
  },
  insufficient_budget: async () => {
    await api.account('withdrawn', 1);
    return api.post(`${V1}/accounts/withdrawn/withdrawals`, { amount: 1.000001 });
  },
  partition_limit_exceeded: async () => {
    const hold = await held('capped');
    await api.put(`${V1}/accounts/capped/partition-limits/cpu`, { limit: 1 });
    return api.post(`${V1}/holds/${hold}/resize`, { amount: 1.000001 });
  },
  user_limit_exceeded: async () => {
    await api.account('capped-user', 100);
    const hold = (await check('capped-user', { user_id: 'eve' })).body.transaction_id;
    await api.put(`${V1}/accounts/capped-user/user-limits/eve`, { limit: 1 });
    return api.post(`${V1}/holds/${hold}/resize`, { amount: 1.000001 });
  },
  parent_limit_exceeded: async () => {
    await api.account('above', 1);
    await api.account('below', 100, { parent: 'above' });
    const hold = (await check('below')).body.transaction_id;
    return api.post(`${V1}/holds/${hold}/resize`, { amount: 1.000001 });
  },
  temporal_unavailable: () => api.post(`${V1}/recover`),
};

describe('of commands', () => {
  test.each(Object.entries(COMMANDS))('%s', async (code, provoke) => {
    const { status, body, headers } = await provoke();
    const fault = FAULTS[code as FaultCode];
    expect(body).toMatchObject({
      code,
      status: fault.status,
      title: fault.title,
      type: `/docs/faults#${code}`,
      error: { code: fault.asbb, message: expect.stringMatching(/\S/) },
    });
    expect(status).toBe(fault.status);
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(body.request_id).toBe(headers.get('x-request-id'));
    met.add(code);
  });
});

const REFUSALS: Partial<Record<FaultCode, () => Promise<Answer>>> = {
  account_archived: async () => {
    await api.account('archived', 0);
    await api.delete(`${V1}/accounts/archived`);
    return check('archived');
  },
  account_inactive: async () => check(await api.account('sleeping', 1, { status: 'inactive' })),
  account_not_started: async () => check(await api.account('early', 1, { start_date: '2098-01-01T00:00:00Z' })),
  account_expired: async () =>
    check(await api.account('late', 1, { start_date: '2020-01-01T00:00:00Z', end_date: '2021-01-01T00:00:00Z' })),
  parent_inactive: async () => {
    await api.account('parent', 10);
    await api.account('child', 10, { parent: 'parent' });
    await api.put(`${V1}/accounts/parent`, { status: 'suspended' });
    return check('child');
  },
  time_limit_missing: async () => check(await api.account('endless'), { wall_time: 'UNLIMITED' }),
  unpriced: async () => {
    await api.post(`${V1}/clusters`, { name: 'unpriced', time_zone: 'UTC', price_preset: 'none' });
    return check(await api.account('priceless'), { cluster: 'unpriced', gpus: 1 });
  },
  advisor_unavailable: async () => {
    const env = { BURSAR_ADVISOR_URL: 'http://127.0.0.1:1', BURSAR_INTEGRATION_FAILURE_MODE: 'STRICT' };
    const { integration } = readConfig([], env, { file: '/dev/null' });
    const strict = await startApi({ integration });
    const answer = await strict.post(`${V1}/budget/check`, { account: await strict.account('strict'), ...JOB });
    await strict.stop();
    return answer;
  },
  insufficient_budget: async () => check(await api.account('poor', 0.119999)),
  partition_limit_exceeded: async () => {
    await api.account('p-capped');
    await api.put(`${V1}/accounts/p-capped/partition-limits/cpu`, { limit: 0.119999 });
    return check('p-capped');
  },
  user_limit_exceeded: async () => {
    await api.account('u-capped');
    await api.put(`${V1}/accounts/u-capped/user-limits/*`, { limit: 0.119999 });
    return check('u-capped', { user_id: 'eve' });
  },
  parent_limit_exceeded: async () => {
    await api.account('small-parent', 0.119999);
    return check(await api.account('rich-child', 100, { parent: 'small-parent' }));
  },
};

describe('of checks, which answer 200', () => {
  test.each(Object.entries(REFUSALS))('%s', async (code, provoke) => {
    const { status, body } = await provoke();
    expect(body).toMatchObject({ available: false, code });
    expect(status).toBe(200);
    expect(body.message.length).toBeGreaterThan(FAULTS[code as FaultCode].title.length);
    expect(body.explanation).toBeDefined();
    met.add(code);
  });
});

test('whatever else breaks is 500, told to the log in full and to the caller not at all', async () => {
  const secret = 'password=hunter2';
  const broken = await startApi({
    ledger: {
      ...api.ledger,
      accounts: { ...api.ledger.accounts, read: () => Promise.reject(new Error(secret)) },
    } as Ledger,
  });
  const { status, body, text } = await broken.get(`${V1}/accounts/x`);
  expect(status).toBe(500);
  expect(body.error).toMatchObject({ code: 'INTERNAL_ERROR' });
  expect(text).not.toContain('hunter2');
  await broken.stop();
  met.add('internal_error');
});

test('no documented fault is left that nobody has met here, or in the tests of connections, outages and exposure', () => {
  const elsewhere = ['too_many_requests', 'headers_too_large', 'request_too_slow', 'ledger_unavailable'];
  expect(Object.keys(FAULTS).filter((code) => !met.has(code))).toEqual(elsewhere);
});

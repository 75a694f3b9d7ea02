/** ASBB's clients notice nothing: the requests of contract section 3 get the fields, types and statuses they know. */
import { ACCOUNT, startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const CHECK = {
  partition: 'gpu-aws',
  nodes: 2,
  cpus: 16,
  gpus: 4,
  memory: '64GB',
  wall_time: '04:00:00',
  user_id: 'rkaur',
  job_details: { job_name: 'train-07', work_dir: '/scratch/rkaur' },
};

describe('POST /budget/check', () => {
  test('an approval has every field of the contract, and the hold is on the books', async () => {
    const account = await api.account('climate-ml', 1000);
    const { status, body } = await api.post('/api/v1/budget/check', { account, ...CHECK });
    // Formula A: (2 nodes x 16 cpus x 0.10 x 4 h + 4 gpus x 0.10 x 20 x 4 h) x 2.0 for gpu = 89.60; held x 1.2.
    expect(status).toBe(200);
    expect(body).toMatchObject({
      available: true,
      estimated_cost: 89.6,
      hold_amount: 107.52,
      budget_remaining: 892.48,
      confidence: 0.6,
      details: { account_balance: 1000, current_hold: 107.52, hold_percentage: 1.2, advisor_confidence: 0.6 },
      unit: 'USD',
    });
    expect(body.transaction_id).toMatch(/^txn_[0-9A-Z]{26}$/);
    expect(body.message).toMatch(/^Budget check passed/);
    expect((await api.get(`/api/v1/accounts/${account}`)).body).toMatchObject({
      budget_limit: 1000,
      budget_used: 0,
      budget_held: 107.52,
      budget_available: 892.48,
    });
  });

  test('a denial is HTTP 200 with available:false, its reason in the message, and nothing held', async () => {
    const account = await api.account('poor', 12.07);
    const { status, body } = await api.post('/api/v1/budget/check', { account, ...CHECK });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      available: false,
      code: 'insufficient_budget',
      estimated_cost: 89.6,
      hold_amount: 107.52,
      budget_remaining: 12.07,
      details: { account_balance: 12.07, current_hold: 0, hold_percentage: 1.2 },
    });
    expect(body.message).toMatch(/^Insufficient budget: /);
    expect(body).not.toHaveProperty('transaction_id');
    expect(body.explanation).toMatchObject({ requested: '107.52' });
    expect((await api.get(`/api/v1/accounts/${account}`)).body.budget_held).toBe(0);
  });

  test('a job that needs exactly what is left passes; one millionth more does not', async () => {
    const exact = await api.account('exact', 107.52);
    expect((await api.post('/api/v1/budget/check', { account: exact, ...CHECK })).body.available).toBe(true);
    const short = await api.account('short', 107.519999);
    expect((await api.post('/api/v1/budget/check', { account: short, ...CHECK })).body.available).toBe(false);
  });

  test('an unknown account is 404 in the words of ASBB', async () => {
    const { status, body } = await api.post('/api/v1/budget/check', { account: 'nobody', ...CHECK });
    expect(status).toBe(404);
    expect(body).toMatchObject({ code: 'account_not_found', status: 404, error: { code: 'NOT_FOUND' } });
    expect(body.error.message).toContain('nobody');
    expect(body.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(body.instance).toContain(body.request_id);
  });

  test('names match in any case, null is absent, and unknown fields are ignored', async () => {
    const account = await api.account('any-case');
    const { status, body } = await api.post('/api/v1/budget/check', {
      Account: account,
      PARTITION: 'cpu',
      Nodes: 1,
      cpuS: 1,
      wall_TIME: '01:00:00',
      gpus: null,
      memory: null,
      burst_hint: { anything: [1, 2] },
    });
    expect({ status, available: body.available }).toEqual({ status: 200, available: true });
  });

  test('what was asked for and costs nothing is named, not left out', async () => {
    const account = await api.account('unbilled');
    const tres = 'cpu=2,node=1,billing=2,license/matlab=1,gres/fpga=1,bb/cray=5G';
    const asked = { account, partition: 'cpu', wall_time: '01:00:00', tres };
    const { estimate } = (await api.post('/api/v1/budget/check', asked)).body;
    expect(estimate.unbilled).toEqual(['billing', 'license/matlab', 'gres/fpga', 'bb/cray']);
    expect(estimate.lines).toContain('license/matlab costs nothing: rates are for nodes, CPUs, memory and GPUs');
  });

  test('asking with an estimate gives the same answer and writes nothing', async () => {
    const account = await api.account('only-asking');
    const before = await api.rowCounts();
    const estimate = await api.post('/api/v1/budget/estimate', { account, ...CHECK });
    expect(estimate.body).toMatchObject({ available: true, estimated_cost: 89.6, hold_amount: 107.52 });
    expect(estimate.body).not.toHaveProperty('transaction_id');
    expect(await api.rowCounts()).toEqual(before);
  });
});

describe('POST /budget/reconcile', () => {
  const placed = async (account: string) =>
    (await api.post('/api/v1/budget/check', { account, ...CHECK })).body.transaction_id as string;

  test('charges the cost, gives back the rest, and holds nothing any more', async () => {
    const account = await api.account('reconciled');
    const transaction_id = await placed(account);
    const { status, body } = await api.post('/api/v1/budget/reconcile', {
      job_id: '88123',
      actual_cost: 37.25,
      transaction_id,
      job_metadata: '{"exit_code":0}',
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      success: true,
      original_hold: 107.52,
      actual_charge: 37.25,
      refund_amount: 70.27,
      additional_charge: 0,
      transaction_id,
      message: 'Job reconciliation completed successfully',
    });
    expect((await api.get(`/api/v1/accounts/${account}`)).body).toMatchObject({
      budget_used: 37.25,
      budget_held: 0,
      budget_available: 962.75,
    });
  });

  test('a numeric job id without a transaction id finds its hold once an event has bound it', async () => {
    const account = await api.account('epilog');
    const transaction_id = await placed(account);
    await api.post('/api/v1/jobs/events', {
      events: [{ type: 'submitted', job_id: 88200, at: '2026-03-02T14:00:00Z', transaction_id }],
    });
    const { status, body } = await api.post('/api/v1/budget/reconcile', { job_id: 88200, actual_cost: 1.5 });
    expect(status).toBe(200);
    expect(body).toMatchObject({ transaction_id, actual_charge: 1.5 });
  });

  test('what is no hold is 400, what is unknown 404', async () => {
    const account = await api.account('not-a-hold');
    const deposit = await api.post(`/api/v1/accounts/${account}/deposits`, { amount: 1 });
    const wrong = await api.post('/api/v1/budget/reconcile', {
      job_id: '1',
      actual_cost: 1,
      transaction_id: deposit.body.transaction_id,
    });
    expect(wrong.status).toBe(400);
    expect(wrong.body.error.message).toContain('is not a hold transaction');
    const unknown = await api.post('/api/v1/budget/reconcile', {
      job_id: '1',
      actual_cost: 1,
      transaction_id: 'txn_1_2',
    });
    expect(unknown.status).toBe(404);
  });
});

describe('/accounts', () => {
  test('create, read, update, list, delete', async () => {
    const created = await api.post('/api/v1/accounts', {
      slurm_account: 'crud',
      name: 'Climate ML',
      description: 'NSF task 2',
      budget_limit: 100,
      start_date: '2026-01-01T00:00:00Z',
      end_date: '2099-01-01T00:00:00Z',
    });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({
      slurm_account: 'crud',
      name: 'Climate ML',
      description: 'NSF task 2',
      budget_limit: 100,
      budget_used: 0,
      budget_held: 0,
      has_incremental_budget: false,
      total_allocated: 0,
      status: 'active',
      start_date: '2026-01-01T00:00:00Z',
      end_date: '2099-01-01T00:00:00Z',
    });
    expect(Number.isInteger(created.body.id)).toBe(true);

    const changed = await api.put('/api/v1/accounts/crud', { budget_limit: 250.5, name: null, status: 'suspended' });
    expect(changed.body).toMatchObject({ budget_limit: 250.5, name: 'Climate ML', status: 'suspended' });
    expect((await api.put('/api/v1/accounts/crud', {})).body).toMatchObject({ budget_limit: 250.5 });

    const suspended = await api.get('/api/v1/accounts?status=suspended');
    expect(suspended.body.map((each: { slurm_account: string }) => each.slurm_account)).toEqual(['crud']);
    const newest = (await api.get('/api/v1/accounts?limit=1')).body;
    expect(newest).toHaveLength(1);

    expect((await api.delete('/api/v1/accounts/crud')).status).toBe(204);
    const again = await api.post('/api/v1/accounts', { ...ACCOUNT, slurm_account: 'crud' });
    expect({ status: again.status, code: again.body.error.code }).toEqual({ status: 409, code: 'DUPLICATE_ACCOUNT' });
    expect((await api.get('/api/v1/accounts?status=suspended')).body).toEqual([]);
    expect((await api.post('/api/v1/accounts/crud/unarchive')).body).not.toHaveProperty('archived_at');
  });

  test('an empty list is [], and paging that makes no sense is ignored', async () => {
    expect((await api.get('/api/v1/accounts?status=expired&limit=-3&offset=x')).body).toEqual([]);
  });
});

describe('GET /transactions', () => {
  test("shows ASBB's type, our kind and the direction, newest first, by filter", async () => {
    const account = await api.account('ledgered', 500);
    const hold = (await api.post('/api/v1/budget/check', { account, ...CHECK })).body.transaction_id;
    await api.post('/api/v1/budget/reconcile', { job_id: '9', actual_cost: 37.25, transaction_id: hold });
    const { body } = await api.get(`/api/v1/transactions?account=${account}`);
    const shown = body.map(({ type, kind, direction, amount }: Record<string, unknown>) => [
      type,
      kind,
      direction,
      amount,
    ]);
    expect(shown).toEqual([
      ['refund', 'release', 'in', 70.27],
      ['charge', 'charge', 'out', 37.25],
      ['hold', 'hold', 'out', 107.52],
      ['allocation', 'deposit', 'in', 500],
    ]);
    expect(body[1]).toMatchObject({ account, job_id: '9', parent_transaction_id: hold, status: 'completed' });
    expect(body[1].completed_at).toBe(body[1].created_at);

    const charges = await api.get(`/api/v1/transactions?account=${account}&type=charge`);
    expect(charges.body).toHaveLength(1);
    const one = await api.get(`/api/v1/transactions/${charges.body[0].transaction_id}`);
    expect(one.body.entries.reduce((sum: number, entry: { amount: number }) => sum + entry.amount, 0)).toBe(0);
  });

  test('a date that does not parse is 400, not an unfiltered answer', async () => {
    const { status, body } = await api.get('/api/v1/transactions?start_date=yesterday&end_date=2026-13-01T00:00:00Z');
    expect(status).toBe(400);
    expect(body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(['/start_date', '/end_date']);
  });
});

describe('system', () => {
  test('/health, /version, /livez, /readyz answer as probes and ASBA expect', async () => {
    const health = await api.get('/health');
    expect(health.status).toBe(200);
    expect(health.body).toMatchObject({ status: 'healthy', services: { database: 'healthy' } });
    expect(Object.keys((await api.get('/version')).body).sort()).toEqual([
      'arch',
      'build_time',
      'git_commit',
      'go_version',
      'os',
      'schema_version',
      'version',
    ]);
    expect((await api.get('/livez')).body).toEqual({ status: 'ok' });
    expect((await api.get('/readyz')).body).toEqual({ status: 'ok' });
  });

  test('unknown addresses are 404 and wrong methods 405, in the same shape', async () => {
    const nowhere = await api.get('/api/v1/nowhere');
    expect(nowhere.status).toBe(404);
    expect(nowhere.body).toMatchObject({ code: 'route_not_found', error: { code: 'NOT_FOUND' } });
    const wrong = await api.ask('PATCH', '/api/v1/accounts/x', {});
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get('allow')).toBe('GET, PUT, DELETE');
    expect((await api.get('/api/v1/accounts/')).status).toBe(404);
  });
});

/** Amounts at the door: what people set is exact or refused, what machines report is rounded once, what goes out is exact. */
import fc from 'fast-check';
import { renderAmount } from '../../domain/money';
import { JOB, startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const deposit = (account: string, numeral: string) =>
  api.post(`/api/v1/accounts/${account}/deposits`, undefined, { raw: `{"amount": ${numeral}}` });

test.each([
  ['0.000001', '0.000001'],
  ['1e-6', '0.000001'],
  ['"0.000001"', '0.000001'],
  ['8589934591.999999', '8589934591.999999'],
  ['"8589934591.999999"', '8589934591.999999'],
  ['1.10', '1.1'],
  ['1E2', '100'],
  ['0.1', '0.1'],
])('a deposit of %s is %s, on the books and in the answer', async (numeral, shown) => {
  const account = await api.account(`of-${numeral.replace(/\W/g, '_')}`, 0);
  const { status, text } = await deposit(account, numeral);
  expect(status).toBe(201);
  expect(/"amount":([^,]+),/.exec(text)?.[1]).toBe(String(Number(shown)));
  const [row] = await api.sql<{ granted: bigint }[]>`
    select t.granted_micro as granted from ledger.account_totals t join ledger.accounts a using (account_no) where a.name = ${account}`;
  expect(renderAmount(row?.granted ?? -1n)).toBe(shown);
});

test('no balance may reach the ceiling, so that none is ever told wrong', async () => {
  const account = await api.account('full', '8589934591.999999');
  const { status, body } = await deposit(account, '0.000001');
  expect(status).toBe(409);
  expect(body.code).toBe('ceiling_exceeded');
});

test('any amount of six decimals below the ceiling comes out as it went in', async () => {
  const account = await api.account('any', 0);
  await fc.assert(
    fc.asyncProperty(fc.bigInt({ min: 1n, max: 2n ** 33n * 1_000_000n - 1n }), async (micro) => {
      const written = renderAmount(micro);
      const { body } = await api.put(`/api/v1/accounts/${account}`, { budget_limit: written });
      expect(String(body.budget_limit)).toBe(String(Number(written)));
      const [row] = await api.sql<{ granted: bigint }[]>`
        select t.granted_micro as granted from ledger.account_totals t join ledger.accounts a using (account_no)
        where a.name = ${account}`;
      expect(row?.granted).toBe(micro);
    }),
    { numRuns: 40 },
  );
});

describe('a cost that a machine reports', () => {
  test.each([
    ['37.250000000000004', 37.25],
    ['0.10000000000000000555', 0.1],
    ['0.0000005', 0],
    ['0.0000015', 0.000002],
    ['0.0000025', 0.000002],
    ['1e-9', 0],
  ])('%s is charged as %d, and the numeral is kept', async (numeral, charged) => {
    const account = await api.account(`cost-${numeral.replace(/\W/g, '_')}`, 100);
    const { transaction_id } = (await api.post('/api/v1/budget/check', { account, ...JOB })).body;
    const { body } = await api.post('/api/v1/budget/reconcile', undefined, {
      raw: `{"job_id": "${account}", "actual_cost": ${numeral}, "transaction_id": "${transaction_id}"}`,
    });
    expect(body).toMatchObject({ actual_charge: charged });
    const [row] = await api.sql<{ reported_numeral: string }[]>`
      select c.reported_numeral from ledger.charges c join ledger.accounts a using (account_no) where a.name = ${account}`;
    expect(row?.reported_numeral).toBe(numeral);
  });

  test('beyond the hold is charged beside it, and said', async () => {
    const account = await api.account('beyond', 100);
    const { transaction_id, hold_amount } = (await api.post('/api/v1/budget/check', { account, ...JOB })).body;
    const { body } = await api.post('/api/v1/budget/reconcile', { job_id: 'b', actual_cost: 5, transaction_id });
    expect(body).toMatchObject({
      original_hold: hold_amount,
      actual_charge: 5,
      refund_amount: 0,
      additional_charge: 4.88,
    });
    expect((await api.get(`/api/v1/accounts/${account}`)).body).toMatchObject({ budget_used: 5, budget_held: 0 });
  });
});

test('every answer with money names its unit', async () => {
  const account = await api.account('in-units', 50, { unit: 'SU' });
  const { body: decision } = await api.post('/api/v1/budget/check', { account, ...JOB });
  const hold = `/api/v1/holds/${decision.transaction_id}`;
  const answers = [
    decision,
    (await api.get(hold)).body,
    (await api.get(`/api/v1/accounts/${account}`)).body,
    (await api.get(`/api/v1/accounts/${account}/balance`)).body,
    (await api.get(`/api/v1/accounts/${account}/statement?from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z`)).body,
    (await api.get(`/api/v1/accounts/${account}/funds`)).body[0],
    (await api.put(`/api/v1/accounts/${account}/partition-limits/cpu`, { limit: 5 })).body,
    (await api.get(`/api/v1/accounts/${account}/partition-limits`)).body[0],
    (await api.get(`/api/v1/accounts/${account}/policy`)).body,
    (await api.get(`/api/v1/transactions?account=${account}`)).body[0],
    (await api.post('/api/v1/budget/reconcile', { job_id: 'u', actual_cost: 0.01, ...decision })).body,
  ];
  expect(answers.map(({ unit }) => unit)).toEqual(answers.map(() => 'SU'));
});

test('money of one unit does not move into an account of another', async () => {
  await api.account('dollars', 50);
  await api.account('units', 50, { unit: 'SU' });
  const transfer = await api.post('/api/v1/transfers', { from: 'dollars', to: 'units', amount: 1 });
  expect({ status: transfer.status, code: transfer.body.code }).toEqual({ status: 409, code: 'unit_mismatch' });
  const deposit = await api.post('/api/v1/accounts/units/deposits', { amount: 1, unit: 'USD' });
  expect(deposit.body.code).toBe('unit_mismatch');
});

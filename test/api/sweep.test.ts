/** The API sweeps by itself what nobody else may be there to sweep, and one broken broom does not stop the others. */
import { createSweep, type SweepDeps } from '../../api/sweep';
import { openLog } from '../../platform/log';
import { eventually } from '../helpers/eventually';
import { startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const sweepOf = (more: Partial<SweepDeps> = {}) =>
  createSweep({
    ledger: api.ledger,
    temporal: {},
    log: openLog({ service: 'test', level: 'silent' }),
    metrics: api.metrics,
    ...more,
  });

const unsealed = async () => (await api.get('/api/v1/audit/seals')).body.unsealed as number;

async function expiring(name: string): Promise<void> {
  await api.account(name, 0);
  const window = { opens_at: '2026-01-01T00:00:00Z', closes_at: '2026-02-01T00:00:00Z' };
  await api.post(`/api/v1/accounts/${name}/deposits`, { amount: 5, ...window });
}

const expiries = async (account: string) =>
  (await api.get(`/api/v1/transactions?account=${account}&kind=expiry`)).body.length as number;

test('funds expire, transactions are sealed, the books are proved for the metrics', async () => {
  await expiring('expiring');
  expect(await unsealed()).toBeGreaterThan(0);
  await sweepOf().once();
  expect(await expiries('expiring')).toBe(1);
  // Transactions of other suites hold the fence too (one server, one line of xids): the next sweeps seal what is left.
  await eventually('everything is sealed', async () => {
    await sweepOf().once();
    return (await unsealed()) === 0;
  });
  const { text } = await api.get('/metrics');
  expect(text).toMatch(/^bursar_ledger_audit_difference 0$/m);
  expect(text).toMatch(/^bursar_ledger_unsealed_transactions 0$/m);
});

test('several processes at once do it once', async () => {
  await expiring('shared');
  await Promise.all([sweepOf().once(), sweepOf().once(), sweepOf().once()]);
  expect(await expiries('shared')).toBe(1);
  expect((await api.get('/api/v1/audit')).body).toMatchObject({ ok: true, difference: '0' });
  expect((await api.get('/api/v1/audit/seals')).body).toMatchObject({ ok: true });
});

test('Temporal away keeps no fund from expiring', async () => {
  await expiring('stormy');
  await sweepOf({ temporal: { restartStrays: () => Promise.reject(new Error('away')) } }).once();
  expect(await expiries('stormy')).toBe(1);
});

test('the timer goes on sweeping until it is stopped', async () => {
  let sweeps = 0;
  const restartStrays = () => {
    sweeps += 1;
    return sweeps % 2 === 0 ? Promise.reject(new Error('away')) : Promise.resolve(1);
  };
  const sweep = sweepOf({ temporal: { restartStrays }, everyMs: 20 });
  sweep.start();
  await eventually('three sweeps', () => sweeps >= 3);
  await sweep.stop();
  const atStop = sweeps;
  await sweepOf().once();
  expect(sweeps).toBe(atStop);
  expect((await api.get('/metrics')).text).toMatch(/^bursar_stories_restarted_total [1-9]/m);
});

test('POST /recover names the holds whose stories were put back, and says where to go on', async () => {
  const asked: [number, string | undefined][] = [];
  const withTemporal = await startApi({
    temporal: {
      namespace: 'default',
      recover: (limit, after) => {
        asked.push([limit, after]);
        const next = after === undefined && { next: 'txn_b' };
        return Promise.resolve({ restarted: ['txn_a'], rung: 3, lookedAt: 2, ...next });
      },
    },
  });
  expect((await withTemporal.post('/api/v1/recover', { limit: 2 })).body).toEqual({
    restarted: 1,
    transaction_ids: ['txn_a'],
    rung: 3,
    looked_at: 2,
    next: 'txn_b',
  });
  expect((await withTemporal.post('/api/v1/recover', { after: 'txn_b' })).body).not.toHaveProperty('next');
  expect(asked).toEqual([
    [2, undefined],
    [1000, 'txn_b'],
  ]);
  await withTemporal.stop();
});

/** What the hooks of a cluster are told is set by cluster and partition, survives, and is refused where it makes no sense. */
import { startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => (api = await startApi()));
afterAll(() => api.stop());

const CLUSTER = '/api/v1/clusters/default';

test('enforcement, failure limit, exempt users and jobs without an account are settings that stay', async () => {
  const settings = {
    enforcement: 'shadow',
    failure_policy: 'open_to_limit',
    failure_limit: 12.5,
    exempt_users: ['root', 'slurm'],
    without_account: 'exempt',
  };
  expect((await api.put(CLUSTER, settings)).body).toMatchObject(settings);
  expect((await api.put(CLUSTER, { hold_multiplier: 1.1 })).body).toMatchObject(settings);
  expect((await api.get(CLUSTER)).body).toMatchObject(settings);
  const back = { failure_policy: 'closed', failure_limit: null, exempt_users: [], enforcement: 'enforce' };
  const changed = (await api.put(CLUSTER, back)).body;
  expect(changed).toMatchObject({ failure_policy: 'closed', exempt_users: [], enforcement: 'enforce' });
  expect(changed).not.toHaveProperty('failure_limit');
});

test('a cluster names the unit of its amounts as soon as its rates have one', async () => {
  await api.put('/api/v1/clusters/priced', { time_zone: 'UTC', minimum_charge: 2 });
  expect((await api.get('/api/v1/clusters/priced')).body).not.toHaveProperty('unit');
  for (const [resource, unit] of [
    ['cpu', 'SU'],
    ['gpu', 'SU'],
    ['cpu', 'USD'],
  ] as const) {
    const price = unit === 'USD' ? { price: 1 } : { su_per_unit: 1 };
    const rate = { cluster: 'priced', resource, unit, ...price, starts_at: '2026-01-01T00:00:00Z', source: 'test' };
    expect((await api.post('/api/v1/rates', rate)).status).toBe(201);
  }
  expect((await api.get('/api/v1/clusters/priced')).body).toMatchObject({ unit: 'SU', minimum_charge: 2 });
});

test('open up to a limit needs the limit, of the partition or of its cluster', async () => {
  const refused = await api.put(CLUSTER, { failure_policy: 'open_to_limit' });
  expect(refused.status).toBe(400);
  expect(refused.body.errors).toMatchObject([{ pointer: '/failure_limit' }]);
  const gpu = `${CLUSTER}/partitions/gpu`;
  expect((await api.put(gpu, { failure_policy: 'open_to_limit' })).status).toBe(400);
  const set = await api.put(gpu, { failure_policy: 'open_to_limit', failure_limit: '3.25', exempt: true });
  expect(set.body).toMatchObject({ failure_policy: 'open_to_limit', failure_limit: 3.25, exempt: true });
  expect((await api.put(gpu, {})).body).toEqual({ name: 'gpu', queue_weight: 1, exempt: false });
});

test('a change with a key that is sent again is answered with the amounts of the first answer', async () => {
  const again = { headers: { 'Idempotency-Key': 'limit-1' } };
  const asked = { failure_policy: 'open_to_limit', failure_limit: 7 };
  const first = await api.put(CLUSTER, asked, again);
  expect((await api.put(CLUSTER, asked, again)).body).toEqual(first.body);
  const partition = { failure_policy: 'open_to_limit', failure_limit: 2 };
  const key = { headers: { 'Idempotency-Key': 'limit-2' } };
  const set = await api.put(`${CLUSTER}/partitions/cpu`, partition, key);
  expect((await api.put(`${CLUSTER}/partitions/cpu`, partition, key)).body).toEqual(set.body);
});

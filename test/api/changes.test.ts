/** Who changed what: everything that is set leaves its trace, nothing else does. */
import { startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

interface Row {
  action: string;
  actor: string;
  subject: string;
  name: string;
  at: string;
  change_no: number;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
}

const changes = async (query = ''): Promise<Row[]> => (await api.get(`/api/v1/changes${query}`)).body as Row[];
const rkaur = { headers: {} as Record<string, string> };

beforeAll(async () => {
  const made = await api.post('/api/v1/keys', { name: 'rkaur', scope: 'admin' });
  rkaur.headers = { Authorization: `Bearer ${made.body.key as string}` };
  const { ask } = api;
  api.ask = (method, path, body) => ask(method, path, body, rkaur);
  for (const method of ['get', 'delete'] as const) {
    api[method] = (path) => api.ask(method.toUpperCase(), path);
  }
  for (const method of ['post', 'put'] as const) {
    api[method] = (path, body) => api.ask(method.toUpperCase(), path, body);
  }
});

const account = (name: string) =>
  api.post('/api/v1/accounts', {
    slurm_account: name,
    name: 'A test',
    budget_limit: 100,
    start_date: '2026-01-01T00:00:00Z',
    end_date: '2099-01-01T00:00:00Z',
  });

test('an account is followed from its making to its archive and back, without its money', async () => {
  await account('climate');
  await api.put('/api/v1/accounts/climate', { description: 'models' });
  await api.put('/api/v1/accounts/climate', { budget_limit: 50 });
  await api.post('/api/v1/accounts/climate/deposits', { amount: 5 });
  await api.put('/api/v1/accounts/climate/policy', { on_exhaustion: 'overdraft', overdraft_limit: 12.5 });
  await api.delete('/api/v1/accounts/climate');
  await api.post('/api/v1/accounts/climate/unarchive');

  const rows = (await changes('?name=climate')).reverse();
  expect(rows.map(({ action, actor }) => [action, actor])).toEqual([
    ['create_account', 'rkaur'],
    ['update_account', 'rkaur'],
    ['update_account', 'rkaur'],
    ['archive_account', 'rkaur'],
    ['unarchive_account', 'rkaur'],
  ]);
  expect(rows[0]).toMatchObject({
    before: null,
    after: { slurm_account: 'climate', start_date: '2026-01-01T00:00:00Z' },
  });
  expect(rows[1]).toMatchObject({ before: { description: '' }, after: { description: 'models' } });
  expect(rows[2]).toMatchObject({
    before: { on_exhaustion: 'deny', overdraft_limit: '0' },
    after: { on_exhaustion: 'overdraft', overdraft_limit: '12.5' },
  });
  expect(rows[3]).toMatchObject({ before: { archived: false }, after: { archived: true } });
  expect(JSON.stringify(rows)).not.toMatch(/granted|budget|micro/);
});

test('limits, clusters, partitions, rates and keys leave theirs', async () => {
  await account('b');
  await api.put('/api/v1/accounts/b/user-limits/ada', { limit: 10 });
  await api.put('/api/v1/accounts/b/user-limits/ada', { limit: 20.5 });
  await api.delete('/api/v1/accounts/b/user-limits/ada');
  expect(
    (await changes('?subject=limit')).map(({ action, before, after }) => [action, before?.limit, after?.limit]),
  ).toEqual([
    ['remove_limit', '20.5', undefined],
    ['set_limit', '10', '20.5'],
    ['set_limit', undefined, '10'],
  ]);

  await api.put('/api/v1/clusters/eagle', { time_zone: 'America/Denver', hold_cap: 7.5 });
  await api.put('/api/v1/clusters/eagle/partitions/gpu', { max_time_seconds: 60 });
  await api.delete('/api/v1/clusters/eagle/partitions/gpu');
  const rate = { cluster: 'eagle', resource: 'cpu', unit: 'USD', price: 0.04, source: 'x' };
  const set = await api.post('/api/v1/rates', { ...rate, starts_at: '2026-01-01T00:00:00Z' });
  await api.post(`/api/v1/rates/${set.body.rate_no as number}/end`, { ends_at: '2026-07-01T00:00:00Z' });
  const rows = (await changes('?name=eagle')).reverse();
  expect(rows.map(({ action, subject }) => [action, subject])).toEqual([
    ['put_cluster', 'cluster'],
    ['put_partition', 'partition'],
    ['remove_partition', 'partition'],
    ['set_rate', 'rate'],
    ['end_rate', 'rate'],
  ]);
  expect(rows[0]).toMatchObject({ before: null, after: { time_zone: 'America/Denver', hold_cap: '7.5' } });
  expect(rows[4]).toMatchObject({
    before: { rate: '0.04', ends_at: null },
    after: { ends_at: '2026-07-01T00:00:00Z' },
  });

  await api.post('/api/v1/keys', { name: 'portal', scope: 'estimate' });
  await api.delete('/api/v1/keys/portal');
  await api.delete('/api/v1/keys/portal');
  expect((await changes('?name=portal')).map(({ action }) => action)).toEqual(['revoke_key', 'create_key']);
  expect(await changes('?name=rkaur')).toMatchObject([{ actor: 'local', action: 'create_key', subject: 'key' }]);
});

test('what changes nothing, is refused, or is repeated with its key leaves no trace', async () => {
  await account('c');
  const before = (await changes()).length;
  await api.put('/api/v1/accounts/c', { name: 'A test' });
  await api.put('/api/v1/accounts/c', { parent: 'nobody' });
  await api.put('/api/v1/clusters/eagle', { time_zone: 'America/Denver' });
  const limit = { limit: 1, idempotency_key: 'once' };
  await api.put('/api/v1/accounts/c/user-limits/ada', limit);
  await api.put('/api/v1/accounts/c/user-limits/ada', limit);
  expect((await changes()).length).toBe(before + 1);
});

test('filters narrow, pages follow one another', async () => {
  const all = await changes();
  expect(all.map(({ change_no }) => change_no)).toEqual(all.map(({ change_no }) => change_no).sort((a, b) => b - a));
  const walked: number[] = [];
  for (let path: string | undefined = '/api/v1/changes?limit=4'; path !== undefined;) {
    const page = await api.get(path);
    walked.push(...(page.body as Row[]).map(({ change_no }) => change_no));
    path = /<([^>]+)>/.exec(page.headers.get('link') ?? '')?.[1];
  }
  expect(walked).toEqual(all.map(({ change_no }) => change_no));
  const middle = all[3]?.at ?? '';
  expect(await changes(`?from=${middle}`)).toEqual(all.filter(({ at }) => at >= middle));
  expect(await changes(`?to=${middle}`)).toEqual(all.filter(({ at }) => at < middle));
  expect(await changes('?actor=rkaur&subject=key')).toEqual(
    all.filter((r) => r.actor === 'rkaur' && r.subject === 'key'),
  );
  expect(await changes('?action=set_rate')).toHaveLength(1);
  expect((await api.get('/api/v1/changes?subject=weather')).status).toBe(400);
});

test('the trail is written once: no hand can change it', async () => {
  await expect(api.sql`update ledger.changes set actor = 'x'`).rejects.toThrow(/written once/);
  await expect(api.sql`delete from ledger.changes`).rejects.toThrow(/written once/);
});

test('what an older Bursar beside this one writes is in the trail too', async () => {
  await api.sql`
    insert into ledger.catalog_changes (cluster_no, action, actor, before, after)
    select cluster_no, 'put_cluster', 'older', null, '{"timeZone":"UTC"}' from ledger.clusters where name = 'eagle'`;
  expect(await changes('?actor=older')).toMatchObject([
    { subject: 'cluster', name: 'eagle', after: { time_zone: 'UTC' } },
  ]);
});

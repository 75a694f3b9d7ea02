/** Lists are bare arrays; the Link header leads through all of them, once each, whatever is written meanwhile. */
import { JOB, startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const nextOf = (headers: Headers): string | undefined => /^<([^>]+)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];

/** All rows, page by page. */
async function walk(path: string, meanwhile?: () => Promise<unknown>): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  for (let next: string | undefined = path; next !== undefined;) {
    const { body, headers, status } = await api.get(next);
    expect(status).toBe(200);
    expect(Array.isArray(body)).toBe(true);
    rows.push(...body);
    next = nextOf(headers);
    await meanwhile?.();
  }
  return rows;
}

test('transactions: every one once, newest first, while others are written', async () => {
  const account = await api.account('busy', 0);
  const deposit = () => api.post(`/api/v1/accounts/${account}/deposits`, { amount: 1 });
  for (let count = 0; count < 7; count += 1) await deposit();
  const rows = await walk(`/api/v1/transactions?account=${account}&type=allocation&limit=3`, deposit);
  expect(rows).toHaveLength(7);
  const ids = rows.map(({ id }) => id as number);
  expect(ids).toEqual([...new Set(ids)].sort((a, b) => b - a));
  expect(rows.every((row) => row.type === 'allocation')).toBe(true);
});

test('holds, jobs, accounts and rates do the same', async () => {
  const account = await api.account('pages', 100);
  for (let index = 0; index < 5; index += 1) {
    const { transaction_id } = (await api.post('/api/v1/budget/check', { account, ...JOB })).body;
    await api.post('/api/v1/jobs/events', {
      events: [{ type: 'submitted', job_id: index, at: '2026-03-02T14:00:00Z', transaction_id }],
    });
    await api.account(`page-${index}`, 0);
    await api.post('/api/v1/rates', {
      cluster: 'default',
      resource: `gpu:m${index}`,
      unit: 'USD',
      price: 1,
      starts_at: '2026-01-01T00:00:00Z',
      source: 'test',
    });
  }
  for (const [path, total] of [
    [`/api/v1/holds?account=${account}`, 5],
    [`/api/v1/jobs?account=${account}`, 5],
    ['/api/v1/accounts?x=1', 7],
    ['/api/v1/rates?cluster=default', 5],
  ] as const) {
    const rows = await walk(`${path}&limit=2`);
    expect(rows).toHaveLength(total);
    expect(new Set(rows.map((row) => JSON.stringify(row))).size).toBe(total);
  }
});

test('limit and offset are still understood', async () => {
  const all = (await api.get('/api/v1/accounts')).body as unknown[];
  expect((await api.get('/api/v1/accounts?limit=2&offset=1')).body).toEqual(all.slice(1, 3));
});

test('the last page leads nowhere', async () => {
  expect((await api.get('/api/v1/holds?limit=1000')).headers.get('link')).toBeNull();
});

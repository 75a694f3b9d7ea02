/** Proofs that outlast the request for them: they have a number, and are asked for by it. */
import { eventually } from '../helpers/eventually';
import { startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ deadlineMs: 2_000 });
  await api.account('lab', 100);
});
afterAll(() => api.stop());

/** While `during` is under way nobody reads the table. */
async function whileNobodyReads<T>(table: string, during: () => Promise<T>): Promise<T> {
  return api.sql.begin(async (tx) => {
    await tx.unsafe(`lock table ${table} in access exclusive mode`);
    return during();
  }) as Promise<T>;
}

const outcome = (place: string) =>
  eventually('the audit is finished', async () => {
    const { body } = await api.get(place);
    return body.status === 'finished' && body;
  });

test.each([
  ['books', '/api/v1/audit', 'ledger.limits', { ok: true, difference: '0', findings: [] }],
  ['seals', '/api/v1/audit/seals', 'ledger.seals', { ok: true }],
])(
  'a proof of the %s that takes longer than a request may is told where to be found',
  async (kind, address, table, report) => {
    const begun = await whileNobodyReads(table, () => api.get(address));
    expect(begun).toMatchObject({ status: 202, body: { kind, status: 'running' } });
    expect(begun.body).not.toHaveProperty(kind);
    const place = begun.headers.get('location') ?? '';
    expect(place).toBe(`/api/v1/audits/${begun.body.audit_no}`);
    expect(await outcome(place)).toMatchObject({ kind, finished_at: expect.any(String), [kind]: report });
  },
);

test('one that is through in time is answered at once, and is listed with the others, the newest first', async () => {
  expect(await api.get('/api/v1/audit')).toMatchObject({ status: 200, body: { ok: true, accounts: 1 } });
  expect(await api.get('/api/v1/audit/seals')).toMatchObject({ status: 200, body: { ok: true } });
  const page = await api.get('/api/v1/audits?limit=1');
  expect(page.body).toMatchObject([{ kind: 'seals', status: 'finished', seals: { ok: true } }]);
  const next = /<(.*)>/.exec(page.headers.get('link') ?? '')?.[1] ?? '';
  expect((await api.get(next)).body).toMatchObject([
    { kind: 'books', status: 'finished', books: { ok: true, accounts: 1 } },
  ]);
  const { body: books } = await api.get('/api/v1/audits?kind=books');
  expect(new Set((books as { kind: string }[]).map(({ kind }) => kind))).toEqual(new Set(['books']));
});

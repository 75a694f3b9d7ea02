/** PostgreSQL away is 503 with Retry-After within the deadline, and back by itself; Temporal away harms nothing but the stories. */
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { openLedger } from '../../ledger';
import { connectPostgres } from '../../platform/postgres';
import { eventually } from '../helpers/eventually';
import { JOB, startApi, type TestApi } from './helpers/api';

/** A wire to PostgreSQL that can be taken away, closed at the other end, or go dead without anybody being told. */
async function startWire(to: { host: string; port: number }) {
  const pairs = new Set<[Socket, Socket]>();
  let mode: 'open' | 'closing' | 'dead' = 'open';
  const server = createServer((near) => {
    near.on('error', () => {});
    if (mode === 'closing') return void near.destroy();
    const far = connect(to);
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    const end = () => {
      near.destroy();
      far.destroy();
      pairs.delete(pair);
    };
    near.on('data', (bytes) => mode === 'open' && far.write(bytes)).on('close', end);
    far
      .on('data', (bytes) => mode === 'open' && near.write(bytes))
      .on('error', end)
      .on('close', end);
  });
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const endAll = () => pairs.forEach(([near]) => near.destroy());
  return {
    port,
    /** Connections are refused. */
    takeAway: () => {
      server.close();
      endAll();
    },
    /** Connections are taken and closed, as a proxy without a server behind it does. */
    closeEach: () => {
      mode = 'closing';
      endAll();
    },
    goDead: () => void (mode = 'dead'),
    mend: async () => {
      mode = 'open';
      endAll();
      if (!server.listening) await listen(port);
    },
    close: () => {
      endAll();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

const DEADLINE_MS = 1_500;

/** Half a second behind the deadline, counted in turns of this process: where the whole machine stands still, nobody is late for it. */
async function tooLate(): Promise<'too late'> {
  await sleep(DEADLINE_MS);
  for (let turn = 0; turn < 20; turn += 1) await sleep(25);
  return 'too late';
}

let direct: TestApi;
let api: TestApi;
let wire: Awaited<ReturnType<typeof startWire>>;
let sql: ReturnType<typeof connectPostgres>;

beforeAll(async () => {
  direct = await startApi();
  await direct.account('a', 1000);
  const url = new URL(direct.database.url);
  wire = await startWire({ host: url.hostname, port: Number(url.port) });
  sql = connectPostgres({ url: Object.assign(new URL(url), { port: String(wire.port) }).toString(), poolSize: 2 });
  api = await startApi({ ledger: openLedger(sql), deadlineMs: DEADLINE_MS });
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await api.stop();
  await direct.stop();
  await wire.close();
});

const ASKED = [
  ['a check', () => api.post('/api/v1/budget/check', { account: 'a', ...JOB })],
  ['an estimate', () => api.post('/api/v1/budget/estimate', { account: 'a', ...JOB })],
  ['a balance', () => api.get('/api/v1/accounts/a/balance')],
  ['a deposit', () => api.post('/api/v1/accounts/a/deposits', { amount: 1 })],
  [
    'an event',
    () => api.post('/api/v1/jobs/events', { events: [{ type: 'started', job_id: 1, at: '2026-03-02T14:00:00Z' }] }),
  ],
  ['the clusters', () => api.get('/api/v1/clusters')],
] as const;

const worksAgain = () =>
  eventually('the ledger is back', async () => (await api.get('/api/v1/accounts/a')).status === 200 && 'yes');

describe.each([
  ['is gone', () => wire.takeAway()],
  ['closes every connection', () => wire.closeEach()],
  ['does not answer any more', () => wire.goDead()],
])('when PostgreSQL %s', (_how, interrupt) => {
  test('everything answers 503 with Retry-After within the deadline, probes say so, and it comes back by itself', async () => {
    await worksAgain();
    interrupt();
    for (const [what, ask] of ASKED) {
      const answer = await Promise.race([ask(), tooLate()]);
      if (answer === 'too late') throw new Error(`${what} is not answered within ${DEADLINE_MS} ms`);
      const { status, body, headers } = answer;
      expect({ what, status, code: body.code }).toEqual({ what, status: 503, code: 'ledger_unavailable' });
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect(body.error.code).toBe('SERVICE_UNAVAILABLE');
    }
    expect((await api.get('/livez')).status).toBe(200);
    expect((await api.get('/readyz')).status).toBe(503);
    const health = await api.get('/health');
    expect({ status: health.status, says: health.body.status }).toEqual({ status: 503, says: 'unhealthy' });
    expect((await api.get('/metrics')).status).toBe(200);

    await wire.mend();
    await worksAgain();
    for (const [what, ask] of ASKED) {
      await eventually(`${what} works`, async () => [200, 201].includes((await ask()).status));
    }
    await eventually('it is ready', async () => (await api.get('/readyz')).status === 200);
  });
});

test('an answer that takes too long tells of idempotency keys to whoever commands, and not to whoever asks', async () => {
  await worksAgain();
  wire.goDead();
  const [report, deposit] = await Promise.all([
    api.get('/api/v1/usage?account=a'),
    api.post('/api/v1/accounts/a/deposits', { amount: 1 }),
  ]);
  await wire.mend();
  expect(report.body.detail).toMatch(/did not answer within .* ms; ask again in a few seconds, or for less at once\.$/);
  expect(deposit.body.detail).toMatch(/did not answer within .* ms; ask again with the same idempotency key\.$/);
});

test('what was asked at the wrong moment and is asked again with its key happens once', async () => {
  await worksAgain();
  const body = { amount: 7, idempotency_key: 'through-the-storm' };
  const asking = api.post('/api/v1/accounts/a/deposits', body);
  wire.takeAway();
  await asking;
  await wire.mend();
  await eventually(
    'it goes through',
    async () => (await api.post('/api/v1/accounts/a/deposits', body)).status === 201 && 'yes',
  );
  // What an earlier test asked for and nobody answered may come through meanwhile; it is of another amount.
  const { body: transactions } = await api.get('/api/v1/transactions?account=a&limit=1000');
  expect((transactions as { amount: number }[]).filter(({ amount }) => amount === 7)).toHaveLength(1);
});

test('Temporal away: jobs are admitted, settled and shown; only recovery has to wait', async () => {
  const without = await startApi({
    temporal: {
      namespace: 'default',
      isReachable: () => Promise.resolve(false),
    },
  });
  await without.account('b', 10);
  const { transaction_id } = (await without.post('/api/v1/budget/check', { account: 'b', ...JOB })).body;
  const settled = await without.post('/api/v1/budget/reconcile', { job_id: 1, actual_cost: 0.1, transaction_id });
  expect(settled.status).toBe(200);
  const health = await without.get('/health');
  expect({ status: health.status, ...health.body.services }).toMatchObject({
    status: 200,
    temporal: 'unhealthy: not reachable',
  });
  expect((await without.get('/readyz')).status).toBe(200);
  expect((await without.post('/api/v1/recover')).status).toBe(503);
  await without.stop();
});

test.each([
  ['disk', '53100'],
  ['memory', '53200'],
  ['connections', '53300'],
  ['what its configuration allows', '53400'],
])('a PostgreSQL that has no more %s is 503 with Retry-After, not a mistake of ours', async (_what, state) => {
  const database = direct.database.sql;
  await database.unsafe(`
    create function public.refuse_line() returns trigger language plpgsql as
      $$ begin raise exception 'could not extend file' using errcode = '${state}'; end $$;
    create trigger refuse_line before insert on ledger.transactions for each row execute function public.refuse_line()`);
  try {
    const { status, body, headers } = await direct.post('/api/v1/accounts/a/deposits', { amount: 1 });
    expect({ status, code: body.code }).toEqual({ status: 503, code: 'ledger_unavailable' });
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  } finally {
    await database`drop function public.refuse_line() cascade`;
  }
});

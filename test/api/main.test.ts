/** The process itself: it starts before PostgreSQL does, makes its cluster, serves, and ends without dropping a request. */
import { spawn } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { makeKey } from '../../api/api-key';
import { openLedger } from '../../ledger';
import { PACKAGE_ROOT } from '../../platform/paths';
import { runBursar } from '../cli/helpers/cli';
import { freshDatabase, type TestDatabase } from '../helpers/database';
import { costs, says, startAdvisor } from '../helpers/advisor-server';
import { eventually } from '../helpers/eventually';
import { API, openProcesses, type Processes } from '../helpers/processes';
import { removeScratch, scratchFolder } from '../helpers/scratch';
import { freePort } from '../../platform/embedded/ports';

let database: TestDatabase;
let processes: Processes;

beforeAll(async () => {
  processes = openProcesses();
  database = await freshDatabase();
});
afterAll(async () => {
  processes.kill();
  await database.drop();
});

const start = (settings: Record<string, string>) =>
  processes.api({ BURSAR_TIME_ZONE: 'America/Denver', BURSAR_HOME: scratchFolder(), ...settings });

const json = async (address: string, init?: RequestInit) => (await fetch(address, init)).json() as Promise<unknown>;

test('it makes the default cluster with the configured zone, and finds it there the next time', async () => {
  const settings = { DATABASE_URL: database.url, BURSAR_DEFAULT_CLUSTER: 'eagle' };
  const first = await start(settings);
  await eventually('the cluster is there', async () =>
    JSON.stringify(await json(`${first.url}/api/v1/clusters`)).includes('eagle'),
  );
  expect(await json(`${first.url}/api/v1/clusters`)).toMatchObject([{ name: 'eagle', time_zone: 'America/Denver' }]);
  first.child.kill('SIGTERM');
  expect(await first.ended).toBe(0);

  const second = await start(settings);
  expect(await json(`${second.url}/api/v1/clusters`)).toHaveLength(1);
  expect(second.lines().filter(({ msg }) => msg === 'default cluster not made yet')).toEqual([]);
  second.child.kill('SIGTERM');
  expect(await second.ended).toBe(0);
});

test('it starts while PostgreSQL is away, is not ready, and becomes so when it comes', async () => {
  const to = new URL(database.url);
  const port = await freePort();
  const address = Object.assign(new URL(database.url), { port: String(port) }).toString();
  const api = await start({ DATABASE_URL: address, BURSAR_DEFAULT_CLUSTER: 'later' });
  expect((await fetch(`${api.url}/livez`)).status).toBe(200);
  expect((await fetch(`${api.url}/readyz`)).status).toBe(503);

  const wire = createServer((near) => {
    const far = connect(Number(to.port), to.hostname);
    near.pipe(far).pipe(near);
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy());
  });
  await new Promise<void>((resolve) => wire.listen(port, '127.0.0.1', resolve));
  await eventually('it is ready', async () => (await fetch(`${api.url}/readyz`)).status === 200);
  await eventually('the cluster is made', async () =>
    JSON.stringify(await json(`${api.url}/api/v1/clusters`)).includes('later'),
  );
  api.child.kill('SIGTERM');
  expect(await api.ended).toBe(0);
  await new Promise((resolve) => wire.close(resolve));
});

test('told to end, it answers what it was asked before, and ends', async () => {
  const api = await start({ DATABASE_URL: database.url });
  const account = {
    slurm_account: 'ending',
    name: 'x',
    budget_limit: 1000,
    start_date: '2026-01-01T00:00:00Z',
    end_date: '2099-01-01T00:00:00Z',
  };
  await json(`${api.url}/api/v1/accounts`, {
    method: 'POST',
    body: JSON.stringify(account),
    headers: { 'Content-Type': 'application/json' },
  });
  await database.sql.begin(async (tx) => {
    // The checks wait for this lock, so none of them is answered before the signal comes.
    await tx`select from ledger.account_totals for no key update`;
    const body = JSON.stringify({ account: 'ending', partition: 'p', nodes: 1, cpus: 1, wall_time: '60' });
    const underWay = await Promise.all(Array.from({ length: 5 }, () => beginToAsk(`${api.url}/api/v1/budget/check`)));
    statuses = underWay.map((finish) => finish(body));
    await eventually('they wait for the lock', async () => {
      const [row] = await database.sql<{ waiting: number }[]>`
        select count(*)::int as waiting from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      return (row?.waiting ?? 0) > 0;
    });
    api.child.kill('SIGTERM');
    await eventually('it is stopping', () => api.lines().some(({ msg }) => msg === 'stopping'));
  });
  expect(await Promise.all(statuses)).toEqual([200, 200, 200, 200, 200]);
  expect(await api.ended).toBe(0);
});

let statuses: Promise<number | undefined>[] = [];

/** A request that the API has begun to read for certain: it has said so. What is given back sends the body, and tells the status. */
const beginToAsk = (url: string) =>
  new Promise<(body: string) => Promise<number | undefined>>((begun, failed) => {
    const headers = { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked', Expect: '100-continue' };
    const asking = request(url, { method: 'POST', headers }).on('error', failed);
    const status = new Promise<number | undefined>((answered, cut) => {
      asking.on('error', cut).on('response', (response) => {
        response.resume();
        answered(response.statusCode);
      });
    });
    asking.on('continue', () =>
      begun((body) => {
        asking.end(body);
        return status;
      }),
    );
    asking.flushHeaders();
  });

test('an answer and the end of the process each take as long as the configuration lets them', async () => {
  const api = await start({
    DATABASE_URL: database.url,
    BURSAR_SERVICE_WRITE_TIMEOUT: '400ms',
    ASBB_SERVICE_SHUTDOWN_TIMEOUT: '1s',
  });
  await database.sql.begin(async (tx) => {
    await tx`select from ledger.account_totals for no key update`;
    const request = { account: 'ending', partition: 'p', nodes: 1, cpus: 1, wall_time: '60' };
    const answer = await fetch(`${api.url}/api/v1/budget/check`, {
      method: 'POST',
      body: JSON.stringify(request),
      headers: { 'Content-Type': 'application/json' },
    });
    expect(answer.status).toBe(503);
    const open = connect(Number(new URL(api.url).port), '127.0.0.1');
    open.on('error', () => undefined).write('POST /api/v1/budget/check HTTP/1.1\r\nHost: 127.0.0.1\r\n');
    await new Promise((resolve) => open.once('connect', resolve));
    api.child.kill('SIGTERM');
    expect(await api.ended).toBe(1);
    expect(api.lines()).toContainEqual(expect.objectContaining({ msg: 'stopping took too long', deadlineMs: 1_000 }));
  });
});

test('a request that does not arrive in time is given up', async () => {
  const api = await start({ DATABASE_URL: database.url, BURSAR_SERVICE_READ_TIMEOUT: '1s' });
  const slow = connect(Number(new URL(api.url).port), '127.0.0.1');
  let answer = '';
  slow.on('data', (bytes: Buffer) => (answer += bytes.toString()));
  slow.write('POST /api/v1/budget/check HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n{');
  await new Promise((resolve) => slow.once('close', resolve));
  expect(answer).toMatch(/^HTTP\/1.1 (408|503) /);
  api.child.kill('SIGTERM');
  expect(await api.ended).toBe(0);
});

test('with auto_migrate it brings an empty database to its schema', async () => {
  const empty = await freshDatabase({ empty: true });
  const without = await start({ DATABASE_URL: empty.url });
  expect((await fetch(`${without.url}/readyz`)).status).toBe(503);
  without.child.kill('SIGTERM');
  await without.ended;
  const api = await start({ DATABASE_URL: empty.url, BURSAR_DATABASE_AUTO_MIGRATE: 'true' });
  await eventually('it is ready', async () => (await fetch(`${api.url}/readyz`)).status === 200);
  await eventually('it says so', () => api.lines().some(({ msg }) => msg === 'schema migrated'));
  api.child.kill('SIGTERM');
  expect(await api.ended).toBe(0);
  await empty.drop();
});

test("two processes share a database without getting in each other's way", async () => {
  const both = await Promise.all([start({ DATABASE_URL: database.url }), start({ DATABASE_URL: database.url })]);
  const body = JSON.stringify({
    account: 'ending',
    partition: 'p',
    nodes: 1,
    cpus: 1,
    wall_time: '60',
    idempotency_key: 'both',
  });
  const decisions = await Promise.all(
    both.map(({ url }) =>
      json(`${url}/api/v1/budget/check`, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } }),
    ),
  );
  expect(new Set(decisions.map((decision) => (decision as { transaction_id: string }).transaction_id)).size).toBe(1);
  for (const { child } of both) child.kill('SIGTERM');
  expect(await Promise.all(both.map(({ ended }) => ended))).toEqual([0, 0]);
});

describe('beyond this machine', () => {
  const wide = (home: string) => ({
    DATABASE_URL: guarded.url,
    BURSAR_HOST: '0.0.0.0',
    BURSAR_HOME: home,
    BURSAR_HOST_NAMES: 'bursar.example.org',
  });
  let guarded: TestDatabase;
  beforeAll(async () => {
    guarded = await freshDatabase();
  });
  afterAll(() => guarded.drop());

  test('it does not start without a key, and says what to do; a key that is no good any more is none', async () => {
    const keys = openLedger(guarded.sql).keys;
    const key = { keyId: 'abc', secretHash: Buffer.alloc(32), scope: 'admin' as const, name: 'old' };
    for (const prepare of [
      () => Promise.resolve(),
      () => keys.create({ ...key, expiresAt: '2020-01-01T00:00:00Z' }, { principal: 'test' }),
    ]) {
      await prepare();
      const api = processes.start([API], wide(scratchFolder()));
      expect(await api.ended).toBe(1);
      const output = JSON.stringify(api.lines());
      expect(output).toContain('bursar key create');
      expect(output).not.toContain('listening');
    }
  });

  test('without a key but with tokens it does, since an admin can come with one; bursar key sign makes it', async () => {
    const nobodys = await freshDatabase();
    const auth = { BURSAR_AUTH_ENABLED: 'true', BURSAR_AUTH_JWT_SECRET: '0123456789abcdef0123456789abcdef' };
    const api = await start({ ...wide(scratchFolder()), ...auth, DATABASE_URL: nobodys.url });
    const endpoint = `http://127.0.0.1:${new URL(api.url).port}`;
    expect(await runBursar(['key', 'list'], { endpoint })).toMatchObject({ code: 1 });
    const signed = await runBursar(['key', 'sign', 'rkaur@example.org', '--scope', 'admin'], { env: auth });
    expect(signed).toMatchObject({ code: 0, err: expect.stringContaining('Good until') });
    const env = { BURSAR_TOKEN: signed.out.trim() };
    expect(await runBursar(['key', 'create', 'x', '--scope', 'read'], { endpoint, env })).toMatchObject({ code: 0 });
    expect((await runBursar(['changes', '--json'], { endpoint, env })).json).toMatchObject([
      { actor: 'rkaur@example.org', action: 'create_key' },
      {},
    ]);
    expect(JSON.stringify(api.lines())).not.toContain(signed.out.trim());
    api.child.kill('SIGTERM');
    expect(await api.ended).toBe(0);
    await nobodys.drop();
  });

  test('with a key it does, for its names and with that key only; the command here gets in by the token of its home', async () => {
    const made = makeKey();
    const { token, ...key } = made;
    await openLedger(guarded.sql).keys.create({ ...key, name: 'boss', scope: 'admin' }, { principal: 'test' });
    const home = scratchFolder();
    const api = await start(wide(home));
    const port = new URL(api.url).port;
    const ask = (headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        request({ host: '127.0.0.1', port, path: '/api/v1/clusters', headers }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        })
          .on('error', reject)
          .end();
      });
    expect(await ask({})).toBe(401);
    expect(await ask({ Authorization: `Bearer ${token}` })).toBe(200);
    expect(await ask({ Authorization: `Bearer ${token}`, Host: 'bursar.example.org' })).toBe(200);
    expect(await ask({ Authorization: `Bearer ${token}`, Host: 'evil.example' })).toBe(403);
    expect(JSON.stringify(api.lines())).not.toContain(token);

    const file = join(home, 'own-token');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const own = readFileSync(file, 'utf8').trim();
    expect(await ask({ Authorization: `Bearer ${own}` })).toBe(200);
    const cli = { BURSAR_HOME: home };
    expect(await runBursar(['key', 'list'], { endpoint: `http://127.0.0.1:${port}`, env: cli })).toMatchObject({
      code: 0,
    });
    expect(await runBursar(['key', 'list'], { endpoint: `http://127.0.0.1:${port}` })).toMatchObject({
      code: 1,
      err: expect.stringContaining('BURSAR_TOKEN'),
    });
    api.child.kill('SIGTERM');
    expect(await api.ended).toBe(0);

    const next = await start(wide(home));
    expect(readFileSync(file, 'utf8').trim()).not.toBe(own);
    next.child.kill('SIGTERM');
    expect(await next.ended).toBe(0);
  });
});

test('a port that is taken, or a wrong setting, is said and ends it', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => holder.once('listening', resolve));
  const address = holder.address();
  const port = typeof address === 'object' && address !== null ? String(address.port) : '';
  for (const [settings, says] of [
    [{ BURSAR_PORT: port }, 'cannot listen'],
    [{ BURSAR_PORT: '0', BURSAR_HOST: 'all of them' }, 'BURSAR_HOST'],
  ] as const) {
    const child = spawn(process.execPath, [join(PACKAGE_ROOT, 'dist/api/main.js')], {
      env: { ...process.env, DATABASE_URL: database.url, BURSAR_HOME: scratchFolder(), ...settings },
    });
    let output = '';
    child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
    child.stderr.on('data', (bytes: Buffer) => (output += bytes.toString()));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect({ code, output }).toMatchObject({ code: 1, output: expect.stringContaining(says) });
  }
  await new Promise((resolve) => holder.close(resolve));
});

test('a process asks the advisor that its configuration names, and says how it is', async () => {
  const advisor = await startAdvisor((answer, asked) => (asked.method === 'GET' ? says({}) : costs(3))(answer, asked));
  const api = await start({
    DATABASE_URL: database.url,
    BURSAR_ADVISOR_URL: advisor.url,
    BURSAR_ADVISOR_SUBMIT_TIMEOUT: '4s',
  });
  const call = async (path: string, body?: object) => {
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch(`${api.url}${path}`, body && { method: 'POST', headers, body: JSON.stringify(body) });
    return (await answer.json()) as { operational_mode?: string; details?: object };
  };
  const window = { start_date: '2026-01-01T00:00:00Z', end_date: '2099-01-01T00:00:00Z' };
  await call('/api/v1/accounts', { slurm_account: 'advised', name: 'Advised', budget_limit: 9, ...window });
  const job = { account: 'advised', partition: 'cpu', nodes: 1, cpus: 1, wall_time: '60' };
  const decision = await call('/api/v1/budget/check', job);
  expect(decision).toMatchObject({ available: true, estimated_cost: 3, details: { estimator: 'advisor' } });
  await eventually('it was looked at', async () => (await call('/health')).operational_mode === 'integrated');
  api.child.kill('SIGTERM');
  expect(await api.ended).toBe(0);
  await advisor.stop();
});

describe('on SIGHUP', () => {
  let folder: string;
  beforeAll(() => void (folder = scratchFolder()));
  afterAll(() => removeScratch(folder));

  test('the level of the log changes at once, and the log says what else would need a restart', async () => {
    const file = join(folder, 'bursar.yaml');
    writeFileSync(file, 'logging:\n  level: error\n');
    const api = await start({ DATABASE_URL: database.url, BURSAR_CONFIG: file });
    const said = (event: string) => api.lines().filter(({ msg }) => msg === event);
    const hangUp = async (text: string, event: string) => {
      const before = said(event).length;
      writeFileSync(file, text);
      api.child.kill('SIGHUP');
      return eventually(event, () => said(event)[before]);
    };

    await fetch(`${api.url}/livez`);
    expect(await hangUp('logging:\n  level: debug\n', 'configuration reloaded')).toMatchObject({
      file,
      reloaded: ['logging.level'],
      needsRestart: [],
    });
    expect(said('request answered')).toEqual([]);
    await fetch(`${api.url}/livez`);
    await eventually('the access log has followed', () => said('request answered').length === 1);

    const restart = 'logging:\n  level: error\nmetrics:\n  accounts: 7\ngrant_management:\n  enabled: true\n';
    expect(await hangUp(restart, 'configuration reloaded')).toMatchObject({
      reloaded: ['logging.level'],
      needsRestart: ['metrics.accounts'],
    });
    expect(await hangUp('logging:\n  level: loud\n', 'configuration not reloaded')).toMatchObject({
      mistakes: [expect.stringContaining(`${file}:2: logging.level cannot be "loud"`)],
    });
    expect(await hangUp(restart, 'configuration reloaded')).toMatchObject({
      reloaded: [],
      needsRestart: ['metrics.accounts'],
    });
    await fetch(`${api.url}/livez`);
    api.child.kill('SIGTERM');
    expect(await api.ended).toBe(0);
    expect(said('request answered')).toHaveLength(1);
  });

  test('an argument names the file, and a mistake in it ends the start with its line', async () => {
    const file = join(folder, 'wrong.yaml');
    writeFileSync(file, 'logging:\n  levle: info\n');
    const child = spawn(process.execPath, [join(PACKAGE_ROOT, 'dist/api/main.js'), '--config', file], {
      env: { ...process.env, DATABASE_URL: database.url },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let output = '';
    child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(1);
    expect(output).toContain(`${file}:2: logging.levle is no key of Bursar (the nearest that is: logging.level)`);
  });
});

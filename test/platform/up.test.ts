/** The real thing: the built `bursar up` with the real API and worker, as `npm start` runs it. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PACKAGE_ROOT } from '../../platform/paths';
import { isAlive } from '../../platform/embedded/processes';
import { findRunningStack } from '../../platform/supervisor';
import { ensureBuilt } from '../helpers/built';
import { eventually } from '../helpers/eventually';
import { removeScratch, noteServer, scratchHome } from '../helpers/scratch';

jest.setTimeout(180_000);

const bursar = join(PACKAGE_ROOT, 'bin/bursar.js');
let home: string;
let child: ChildProcess;
let said = '';

/** Ours, without the settings that would lead elsewhere. */
function env(): NodeJS.ProcessEnv {
  const {
    BURSAR_URL: _url,
    ASBB_URL: _asbb,
    DATABASE_URL: _database,
    TEMPORAL_ADDRESS: _temporal,
    ...rest
  } = process.env;
  return { ...rest, BURSAR_HOME: home, BURSAR_PORT: '0' };
}
const run = (...args: string[]) => promisify(execFile)(process.execPath, [bursar, ...args], { env: env() });

const running = () => {
  const stack = findRunningStack(home);
  for (const identity of Object.values(stack?.services ?? {})) noteServer(home, identity);
  return stack;
};
const api = (): string => running()?.addresses?.api ?? '';

async function start(): Promise<void> {
  said = '';
  child = spawn(process.execPath, [bursar, 'up'], { env: env(), stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await eventually(
    'everything is up',
    () => {
      if (child.exitCode !== null) throw new Error(said);
      return said.includes('Ctrl-C stops it');
    },
    120_000,
  ).catch((error: unknown) => {
    throw new Error(said, { cause: error });
  });
}

beforeAll(async () => {
  ensureBuilt();
  home = await scratchHome();
  await start();
});
afterAll(async () => {
  if (child.exitCode === null) {
    child.kill('SIGINT');
    await new Promise((resolve) => child.once('exit', resolve));
  }
  await removeScratch(home);
});

test('it says where everything is, without a password, and what to paste next', () => {
  expect(said).toMatch(/API: +http:\/\/127\.0\.0\.1:\d+\n/);
  expect(said).toMatch(/API docs: +http:\/\/127\.0\.0\.1:\d+\/docs\n/);
  expect(said).toMatch(/Temporal UI: +http:\/\/127\.0\.0\.1:\d+\n/);
  expect(said).toContain('postgres://bursar:***@127.0.0.1:');
  expect(said).toContain('bursar account create');
});

test('the API is well, and the command line finds it without being told where', async () => {
  expect(await (await fetch(`${api()}/health`)).json()).toMatchObject({
    status: 'healthy',
    services: { database: 'healthy', temporal: 'healthy' },
  });
  const { stdout } = await run('status');
  expect(stdout).toContain(`Bursar ${running()?.version} is healthy`);
});

test('a job that was admitted, started and ended is settled by its story', async () => {
  const post = async (path: string, body: unknown) => {
    const response = await fetch(`${api()}/api/v1${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    if (!response.ok) throw new Error(`${path}: ${JSON.stringify(answer)}`);
    return answer;
  };
  await post('/accounts', {
    slurm_account: 'climate',
    name: 'Climate',
    budget_limit: 1000,
    start_date: '2020-01-01T00:00:00Z',
    end_date: '2099-01-01T00:00:00Z',
  });
  const check = { account: 'climate', partition: 'cpu', nodes: 1, cpus: 4, wall_time: '01:00:00', job_id: '7' };
  const { transaction_id } = await post('/budget/check', check);
  const at = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
  const about = { cluster: 'default', job_id: '7', transaction_id };
  await post('/jobs/events', {
    events: [
      { ...about, type: 'started', at: at(30), started_at: at(30) },
      { ...about, type: 'ended', at: at(1), started_at: at(30), end_state: 'completed' },
    ],
  });
  await eventually('the story settles it', async () => {
    const hold = (await (await fetch(`${api()}/api/v1/holds/${String(transaction_id)}`)).json()) as { status: string };
    return hold.status === 'settled';
  });
});

test('a second start says what already runs and where, and succeeds', async () => {
  const { stdout } = await run('up');
  expect(stdout).toContain('runs already');
  expect(stdout).toContain(api());
});

test('the API and the worker come back after kill -9', async () => {
  const before = running();
  for (const name of ['api', 'worker']) process.kill(before?.services[name]?.pid ?? 0, 'SIGKILL');
  await eventually('both are back', () => /API is back after/.test(said) && /worker is back after/.test(said), 60_000);
  expect((await fetch(`${api()}/readyz`)).status).toBe(200);
});

test('Ctrl-C stops everything, in order and without being asked twice', async () => {
  const stack = running();
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  await exited;
  expect(said).toMatch(/Stopping[^]*Stopped/);
  expect(findRunningStack(home)).toBeUndefined();
  for (const { pid } of Object.values(stack?.services ?? {})) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});

test('closing the terminal stops everything as Ctrl-C does', async () => {
  await start();
  const services = Object.values(running()?.services ?? {});
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGHUP');
  await exited;
  expect(said).toMatch(/Stopping[^]*Stopped/);
  expect(services).toHaveLength(4);
  expect(services.filter((identity) => isAlive(identity))).toEqual([]);
});

test('a second Ctrl-C, while one part will not end, kills all of them before it ends itself', async () => {
  await start();
  const services = Object.entries(running()?.services ?? {});
  expect(services.map(([name]) => name).sort()).toEqual(['api', 'postgres', 'temporal', 'worker']);
  const api = services.find(([name]) => name === 'api')?.[1].pid ?? 0;
  process.kill(api, 'SIGSTOP'); // Deaf to SIGTERM; it would be waited for.
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  await eventually('it is stopping', () => said.includes('Stopping'));
  child.kill('SIGINT');
  expect(await exited).toBe(130);
  await eventually('nothing is left', () => services.every(([, identity]) => !isAlive(identity)));
  expect(findRunningStack(home)).toBeUndefined();
});

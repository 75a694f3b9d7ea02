/** The real thing: the built `bursar up` with the real API and worker, as `npm start` runs it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { isAlive } from '../../platform/embedded/processes';
import { findRunningStack } from '../../platform/supervisor';
import { eventually } from '../helpers/eventually';
import { BURSAR, upHouse, type Up, type UpHouse } from '../helpers/up';

let house: UpHouse;
let up: Up;
const run = (...args: string[]) => promisify(execFile)(process.execPath, [BURSAR, ...args], { env: house.env });

beforeAll(async () => {
  house = await upHouse();
  up = await house.start();
});
afterAll(() => house.close());

test('it says where everything is, without a password, and what to paste next', () => {
  expect(up.said()).toMatch(/API: +http:\/\/127\.0\.0\.1:\d+\n/);
  expect(up.said()).toMatch(/API docs: +http:\/\/127\.0\.0\.1:\d+\/docs\n/);
  expect(up.said()).toMatch(/Temporal UI: +http:\/\/127\.0\.0\.1:\d+\n/);
  expect(up.said()).toContain('postgres://bursar:***@127.0.0.1:');
  expect(up.said()).toContain('bursar account create');
});

test('the API is well, and the command line finds it without being told where', async () => {
  expect(await (await fetch(`${house.api()}/health`)).json()).toMatchObject({
    status: 'healthy',
    services: { database: 'healthy', temporal: 'healthy' },
  });
  const { stdout } = await run('status');
  expect(stdout).toContain(`Bursar ${house.running()?.version} is healthy`);
});

test('a job that was admitted, started and ended is settled by its story', async () => {
  const post = async (path: string, body: unknown) => {
    const response = await fetch(`${house.api()}/api/v1${path}`, {
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
    const hold = (await (await fetch(`${house.api()}/api/v1/holds/${String(transaction_id)}`)).json()) as {
      status: string;
    };
    return hold.status === 'settled';
  });
});

test('a second start says what already runs and where, and succeeds', async () => {
  const { stdout } = await run('up');
  expect(stdout).toContain('runs already');
  expect(stdout).toContain(house.api());
});

test('the API and the worker come back after kill -9', async () => {
  const before = house.running();
  for (const name of ['api', 'worker']) process.kill(before?.services[name]?.pid ?? 0, 'SIGKILL');
  await eventually(
    'both are back',
    () => /API is back after/.test(up.said()) && /worker is back after/.test(up.said()),
  );
  expect((await fetch(`${house.api()}/readyz`)).status).toBe(200);
});

test('Ctrl-C stops everything, in order and without being asked twice', async () => {
  const stack = house.running();
  const exited = new Promise((resolve) => up.child.once('close', resolve));
  up.child.kill('SIGINT');
  await exited;
  expect(up.said()).toMatch(/Stopping[^]*Stopped/);
  expect(findRunningStack(house.home)).toBeUndefined();
  for (const { pid } of Object.values(stack?.services ?? {})) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});

test('closing the terminal stops everything as Ctrl-C does', async () => {
  up = await house.start();
  const services = Object.values(house.running()?.services ?? {});
  const exited = new Promise((resolve) => up.child.once('close', resolve));
  up.child.kill('SIGHUP');
  await exited;
  expect(up.said()).toMatch(/Stopping[^]*Stopped/);
  expect(services).toHaveLength(4);
  expect(services.filter((identity) => isAlive(identity))).toEqual([]);
});

test('a second Ctrl-C, while one part will not end, kills all of them before it ends itself', async () => {
  up = await house.start();
  const services = Object.entries(house.running()?.services ?? {});
  expect(services.map(([name]) => name).sort()).toEqual(['api', 'postgres', 'temporal', 'worker']);
  const api = services.find(([name]) => name === 'api')?.[1].pid ?? 0;
  process.kill(api, 'SIGSTOP'); // Deaf to SIGTERM; it would be waited for.
  const exited = new Promise((resolve) => up.child.once('close', resolve));
  up.child.kill('SIGINT');
  await eventually('it is stopping', () => up.said().includes('Stopping'));
  up.child.kill('SIGINT');
  expect(await exited).toBe(130);
  await eventually('nothing is left', () => services.every(([, identity]) => !isAlive(identity)));
  expect(findRunningStack(house.home)).toBeUndefined();
});

/** The worker as the process it is in production: it comes up whatever is away, does its work, and goes down politely. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { childEnvironment } from '../../platform/config';
import { freePort } from '../../platform/embedded/ports';
import { PACKAGE_ROOT } from '../../platform/paths';
import { connectTemporal } from '../../platform/temporal';
import { ensureBuilt } from '../helpers/built';
import { temporalAddress } from '../helpers/temporal';
import { freshNamespace, until, type Namespace } from './house';
import { ownTemporal } from './own-temporal';
import { CLUSTER, inSeconds, openSite, type Site } from './site';

let site: Site;
beforeAll(async () => {
  ensureBuilt();
  site = await openSite();
});
afterAll(() => site[Symbol.asyncDispose]());

interface Running extends AsyncDisposable {
  process: ChildProcess;
  /** Events of its log so far. */
  said: string[];
  metrics(): Promise<string>;
  /** Asks it to go and says how it went. */
  end(): Promise<number | null>;
}

async function run(
  entry: 'main' | 'dispatcher-main',
  address: string,
  namespace: string,
  settings: Record<string, string> = {},
): Promise<Running> {
  const port = await freePort();
  const child = spawn(process.execPath, [join(PACKAGE_ROOT, 'dist/worker', `${entry}.js`)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: childEnvironment({
      DATABASE_URL: site.database.url,
      TEMPORAL_ADDRESS: address,
      TEMPORAL_NAMESPACE: namespace,
      BURSAR_DEFAULT_CLUSTER: CLUSTER,
      BURSAR_WORKER_PORT: String(port),
      BURSAR_LOG_LEVEL: 'info',
      ...settings,
    }),
  });
  const said: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => said.push((JSON.parse(line) as { msg: string }).msg));
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const end = async () => {
    child.kill('SIGTERM');
    const [code] = await ended;
    return code;
  };
  return {
    process: child,
    said,
    metrics: async () => (await fetch(`http://127.0.0.1:${port}${settings.BURSAR_METRICS_PATH ?? '/metrics'}`)).text(),
    end,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await ended;
      }
    },
  };
}

const says = ({ said }: Running, event: string) =>
  until(`it says "${event}"`, () => Promise.resolve(said.includes(event)));

/** A job that starts and ends, and whose hold some worker settles. */
async function expectWork(jobId: string): Promise<void> {
  const job = await site.submit();
  await site.tell({ type: 'started', jobId, holdId: job.holdId, at: inSeconds(-60) });
  await site.tell({ type: 'ended', jobId, at: inSeconds(0), endState: 'COMPLETED' });
  await until('it is settled', async () => (await site.ledger.holds.read(job.holdId)).status === 'settled');
}

test('a worker comes up while Temporal is away, prepares it when it comes, and works', async () => {
  const port = await freePort();
  await using worker = await run('main', `127.0.0.1:${port}`, 'default', {
    BURSAR_METRICS_PATH: '/numbers',
    BURSAR_BUDGET_RECOVERY_CHECK_INTERVAL: '90s',
  });
  await says(worker, 'workers cannot work, trying again');

  await using _temporal = await ownTemporal(port);
  await says(worker, 'ready');
  await expectWork('901');

  const temporal = connectTemporal({ address: `127.0.0.1:${port}` });
  const sweep = await temporal.client.schedule.getHandle('sweep').describe();
  expect(sweep.state.paused).toBe(false);
  expect(sweep.spec.intervals).toMatchObject([{ every: 90_000 }]);
  await temporal.close();

  // A bell leaves the outbox a moment after it has rung, and its story may be over by then.
  const metrics = await until('the outbox is empty', async () => {
    const page = await worker.metrics();
    return /^bursar_outbox_waiting 0$/m.test(page) && page;
  });
  expect(metrics).toMatch(/^bursar_temporal_reachable 1$/m);
  expect(metrics).toMatch(/^bursar_dispatched_total\{kind="(start|ring)",outcome="delivered"\} \d+$/m);
  expect(metrics).toContain('temporal_activity_execution_latency_seconds');
  expect(await worker.end()).toBe(0);
});

test('a worker survives a Temporal that goes away and comes back empty', async () => {
  const port = await freePort();
  const first = await ownTemporal(port);
  await using worker = await run('main', `127.0.0.1:${port}`, 'default');
  await says(worker, 'ready');
  await expectWork('911');
  await first[Symbol.asyncDispose]();
  const job = await site.submit();
  await says(worker, 'temporal away, stories wait in the outbox');

  await using _second = await ownTemporal(port, { isBare: true });
  await site.tell({ type: 'started', jobId: '912', holdId: job.holdId, at: inSeconds(-60) });
  await site.tell({ type: 'ended', jobId: '912', at: inSeconds(0), endState: 'COMPLETED' });
  await until('it is settled', async () => (await site.ledger.holds.read(job.holdId)).status === 'settled');
  expect(await worker.end()).toBe(0);
});

test('a dispatcher alone carries the outbox and goes down when asked', async () => {
  await using namespace: Namespace = await freshNamespace();
  await using dispatcher = await run('dispatcher-main', await temporalAddress(), namespace.name);
  await says(dispatcher, 'ready');
  const job = await site.submit();
  const handle = namespace.temporal.client.workflow.getHandle(job.workflowId);
  await until('the story has started', () =>
    handle.describe().then(
      () => true,
      () => false,
    ),
  );
  expect(await dispatcher.end()).toBe(0);
});

test('SIGHUP does not end a worker or a dispatcher; it makes them read the configuration again', async () => {
  const port = await freePort();
  for (const entry of ['main', 'dispatcher-main'] as const) {
    await using running = await run(entry, `127.0.0.1:${port}`, 'default');
    await says(running, 'metrics');
    running.process.kill('SIGHUP');
    await says(running, 'configuration reloaded');
    expect(await running.end()).toBe(0);
  }
});

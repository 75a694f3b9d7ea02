/**
 * A production site and its worst days: processes that are killed while a log is replayed, and a database that comes back from
 * a backup which is older than the other. What the books must say is known beforehand.
 */
import { WorkflowNotFoundError } from '@temporalio/client';
import { jobWorkflowId } from '../../domain/ids';
import { TEMPORAL_SERVER_VERSION } from '../../platform/versions';
import type { JobLifecycleResult } from '../../workflows/contracts/job-lifecycle';
import { ensureBuilt } from '../helpers/built';
import { eventually } from '../helpers/eventually';
import { sweepScratch } from '../helpers/scratch';
import { PROCESSES, startSite, type Site } from './site';

const PATIENCE_MS = 120_000;

let site: Site;
beforeAll(async () => {
  await sweepScratch();
  ensureBuilt();
  site = await startSite();
}, 30 * 60_000);
afterAll(() => site?.[Symbol.asyncDispose](), 180_000);

const audit = () => site.ask('GET', '/api/v1/audit');
const BALANCED = { ok: true, difference: '0', findings: [] };

test('the server is the one that docker-compose.yml names, and the one inside the CLI of all other tests', async () => {
  const { serverVersion } = await site.temporal.withDeadline(() =>
    site.temporal.connection.workflowService.getSystemInfo({}),
  );
  expect(serverVersion).toBe(TEMPORAL_SERVER_VERSION);
  // Whoever has another `temporal` on his PATH runs the tests with that.
  expect(site.cli.found === 'on PATH' || site.cli.serverVersion === TEMPORAL_SERVER_VERSION).toBe(true);
});

test('one API and one worker are killed while the log of the demo is replayed: it goes on, and the books balance', async () => {
  const decided = async () => {
    const [row] = await site.sql<{ count: number }[]>`select count(*)::int as count from ledger.decisions`;
    return row?.count ?? 0;
  };
  const replay = site.bursar('demo', '--once', '--speed', '15000');
  replay.catch(() => {}); // Looked at below.
  await eventually('a part of the log is decided', async () => (await decided()) >= 15, PATIENCE_MS);
  await site.kill('api-1');
  await site.kill('worker-2');
  const then = await decided();
  const said = await replay;
  expect(await decided()).toBeGreaterThan(then);
  expect(said).toMatch(/The books balance/);
  expect(await audit()).toMatchObject({ ...BALANCED, open_holds: 0 });
  expect([...site.front.answers.values()].filter((answers) => answers > 10)).toHaveLength(2);
  expect(site.front.repeated).toBeGreaterThan(0);
  expect((await whoTold()).size).toBeGreaterThanOrEqual(2);
});

/** The processes that have told the stories that are over. */
async function whoTold(): Promise<Set<string>> {
  const { workflow } = site.temporal.client;
  const identities = new Set<string>();
  for await (const { workflowId } of workflow.list({ query: `WorkflowType = 'jobLifecycle'`, pageSize: 100 })) {
    const { events } = await workflow.getHandle(workflowId).fetchHistory();
    for (const event of events ?? []) {
      const identity = event.workflowTaskStartedEventAttributes?.identity;
      if (identity) identities.add(identity);
    }
  }
  return identities;
}

// A cluster ------------------------------------------------------------------------------------------------------------

const year = new Date().getUTCFullYear();

/** 4 CPUs for an hour at 1 USD each: 4.80 are held, and the half an hour that it ran costs 2, however long the test takes. */
interface Job {
  jobId: string;
  holdId: string;
  cluster: string;
  endsAt: string;
  events: Record<string, unknown>[];
}

/** A cluster with an account of 1000 USD and a price, both of this name. */
async function openCluster(name: string): Promise<void> {
  const settings = { time_zone: 'UTC', end_grace_seconds: 0, price_preset: 'none' };
  await site.ask('PUT', `/api/v1/clusters/${name}`, settings);
  const [starts_at, ends_at] = [`${year - 1}-01-01T00:00:00Z`, `${year + 2}-01-01T00:00:00Z`];
  const rate = { cluster: name, resource: 'cpu', unit: 'USD', price: 1, starts_at, source: 'made up' };
  await site.ask('POST', '/api/v1/rates', rate);
  const account = { slurm_account: name, name, budget_limit: 1000, start_date: starts_at, end_date: ends_at };
  await site.ask('POST', '/api/v1/accounts', account);
}

let jobs = 0;
async function begin(cluster: string): Promise<Job> {
  const jobId = String((jobs += 1));
  const { transaction_id: holdId } = await site.ask<{ transaction_id: string }>('POST', '/api/v1/budget/check', {
    ...{ account: cluster, cluster, partition: 'batch', user_id: 'vera', nodes: 1, cpus: 4, wall_time: '01:00:00' },
    idempotency_key: `${cluster}/${jobId}`,
  });
  const now = Date.now();
  const job: Job = { jobId, holdId, cluster, endsAt: new Date(now).toISOString(), events: [] };
  await tell(job, { type: 'started', at: new Date(now - 30 * 60_000).toISOString() });
  return job;
}

const end = (job: Job) => tell(job, { type: 'ended', at: job.endsAt, end_state: 'COMPLETED' });

async function tell(job: Job, event: Record<string, unknown>): Promise<void> {
  const { jobId: job_id, holdId: transaction_id, cluster } = job;
  const started_at = job.events[0]?.at ?? event.at;
  const common = { cluster, job_id, transaction_id, account: cluster, user_id: 'vera', partition: 'batch' };
  job.events.push({ ...common, started_at, submitted_at: started_at, nodes: 1, cpus: 4, ...event });
  await tellAgain(job);
}

/** All that the scheduler knows of it: the same event twice is one event. */
const tellAgain = (job: Job) => site.ask('POST', '/api/v1/jobs/events', { events: job.events });

interface Balance {
  granted: number;
  settled: number;
  held: number;
  available: number;
}
const balanceOf = async (account: string): Promise<Balance> => {
  const { granted, settled, held, available } = await site.ask<Balance>('GET', `/api/v1/accounts/${account}/balance`);
  return { granted, settled, held, available };
};

async function stands(account: string, expected: { settled: number; held: number }): Promise<Balance> {
  return eventually(
    `${account} has ${JSON.stringify(expected)}`,
    async () => {
      const balance = await balanceOf(account);
      if (Math.abs(balance.settled - expected.settled) < 1e-9 && Math.abs(balance.held - expected.held) < 1e-9) {
        return balance;
      }
      throw new Error(JSON.stringify(balance));
    },
    PATIENCE_MS,
  );
}

/** Every story has been told as far as it goes. */
const quiet = () =>
  eventually(
    'the outbox is empty',
    async () => {
      const [row] = await site.sql<{ waiting: number }[]>`select count(*)::int as waiting from ledger.outbox`;
      return row?.waiting === 0;
    },
    PATIENCE_MS,
  );

const storyOf = ({ cluster, holdId }: Job, generation = 0) =>
  site.temporal.client.workflow.getHandle(jobWorkflowId(cluster, holdId, generation));

const statusOf = async (job: Job, generation = 0): Promise<string> => {
  try {
    return (await storyOf(job, generation).describe()).status.name;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'missing';
    throw error;
  }
};

const storyIs = (job: Job, status: string, generation = 0) =>
  eventually(
    `the story of job ${job.jobId} is ${status}`,
    async () => {
      const found = await statusOf(job, generation);
      if (found === status) return true;
      throw new Error(found);
    },
    PATIENCE_MS,
  );

// Restores -------------------------------------------------------------------------------------------------------------

test('the ledger comes back from an older backup: the books are as of then, live jobs go on, and what is unknown ends as such', async () => {
  const name = 'restored';
  await openCluster(name);
  const [done, endsLater, running] = [await begin(name), await begin(name), await begin(name)];
  await end(done);
  const asOfBackup = await stands(name, { settled: 2, held: 9.6 });
  await quiet();
  const backup = await site.backUp('ledger');

  await end(endsLater);
  const [newer, newAndDone] = [await begin(name), await begin(name)];
  await end(newAndDone);
  await stands(name, { settled: 6, held: 9.6 });
  await quiet();
  for (const each of [endsLater, newAndDone]) await storyIs(each, 'COMPLETED');

  await site.stop(...PROCESSES);
  await site.restore('ledger', backup);
  await site.start(...PROCESSES);
  expect(await balanceOf(name)).toEqual(asOfBackup);
  expect(await audit()).toMatchObject(BALANCED);

  expect(await site.bursar('recover')).toMatch(/1 story started again, 2 open holds looked at/);
  await storyIs(newer, 'COMPLETED');
  expect(((await storyOf(newer).result()) as JobLifecycleResult).outcome).toBe('unknown');
  await storyIs(endsLater, 'RUNNING', 1);
  await storyIs(running, 'RUNNING');

  // What the scheduler has recorded since the backup; and more than that does no harm.
  for (const job of [done, endsLater, running, newer, newAndDone]) await tellAgain(job);
  await stands(name, { settled: 6, held: 4.8 });
  const late = await site.ask<{ hold: { late: boolean; transaction_id: string; status: string } }>(
    'GET',
    `/api/v1/jobs/${name}/${newer.jobId}`,
  );
  expect(late.hold).toMatchObject({ late: true, status: 'open' });
  expect(late.hold.transaction_id).not.toBe(newer.holdId);

  await end(newer);
  await end(running);
  await stands(name, { settled: 10, held: 0 });
  expect(await audit()).toMatchObject({ ...BALANCED, open_holds: 0 });
});

test('Temporal comes back from an older backup: no money differs, and every open hold has its story again', async () => {
  const name = 'remembered';
  await openCluster(name);
  const [endsLater, running] = [await begin(name), await begin(name)];
  await stands(name, { settled: 0, held: 9.6 });
  await quiet();
  for (const each of [endsLater, running]) await storyIs(each, 'RUNNING');
  const backup = await site.backUp('temporal-database');

  await end(endsLater);
  const [newer, newAndDone] = [await begin(name), await begin(name)];
  await end(newAndDone);
  const before = await stands(name, { settled: 4, held: 9.6 });
  await quiet();
  await storyIs(newer, 'RUNNING');
  await storyIs(newAndDone, 'COMPLETED');

  await site.stop('temporal');
  await site.restore('temporal-database', backup);
  await site.start('temporal');
  await eventually('the stories are there again', async () => (await statusOf(endsLater)) === 'RUNNING', PATIENCE_MS);
  expect(await statusOf(newer)).toBe('missing');
  expect(await balanceOf(name)).toEqual(before);

  expect(await site.bursar('recover')).toMatch(/1 story started again, 2 open holds looked at/);
  await storyIs(newer, 'RUNNING');
  await storyIs(endsLater, 'COMPLETED');
  await storyIs(running, 'RUNNING');
  expect(await balanceOf(name)).toEqual(before);

  await end(newer);
  await end(running);
  await stands(name, { settled: 8, held: 0 });
  expect(await audit()).toMatchObject({ ...BALANCED, open_holds: 0 });
});

/** How stories get from the outbox to Temporal, whoever dies on the way. No worker runs here: the stories only begin. */
import { ServiceError } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time';
import { doorbell } from '../../workflows/contracts/job-lifecycle';
import type { Outbox, OutboxItem } from '../../ledger/contract';
import { connectTemporal } from '../../platform/temporal';
import { freePort } from '../../platform/embedded/ports';
import { ownTemporal } from './own-temporal';
import { ensureNamespace } from '../../worker/namespace';
import { temporalAddress, uniqueName } from '../helpers/temporal';
import { freshNamespace, silence, startTestDispatcher, until, type Namespace } from './house';
import { openSite, type HeldJob, type Site } from './site';

let site: Site;
let namespace: Namespace;
beforeAll(async () => {
  [site, namespace] = await Promise.all([openSite(), freshNamespace()]);
});
beforeEach(() => site.database.sql`delete from ledger.outbox`);
afterAll(async () => {
  await namespace[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

const submitMany = (count: number) => Promise.all(Array.from({ length: count }, () => site.submit()));

const isEmpty = async () => (await site.ledger.outbox.depth()).waiting === 0;

async function runsOf(job: HeldJob, { temporal }: Namespace = namespace): Promise<string[]> {
  const runs: string[] = [];
  for await (const { runId } of temporal.client.workflow.list({ query: `WorkflowId = '${job.workflowId}'` }))
    runs.push(runId);
  return runs;
}

const hasStarted = async ({ workflowId }: HeldJob, { temporal }: Namespace = namespace) =>
  temporal.client.workflow
    .getHandle(workflowId)
    .describe()
    .then(
      ({ status }) => status.name === 'RUNNING',
      () => false,
    );

async function bellsOf({ workflowId }: HeldJob): Promise<number> {
  const { events } = await namespace.temporal.client.workflow.getHandle(workflowId).fetchHistory();
  const signals = (events ?? []).flatMap((event) => event.workflowExecutionSignaledEventAttributes ?? []);
  return signals.filter(({ signalName }) => signalName === doorbell.name).length;
}

test('two dispatchers start each story once', async () => {
  await using first = startTestDispatcher(site.ledger, namespace, { batch: 5 });
  await using second = startTestDispatcher(site.ledger, namespace, { batch: 5 });
  const jobs = await submitMany(40);
  await until('the outbox is empty', isEmpty);
  for (const job of jobs) expect(await hasStarted(job)).toBe(true);
  expect(first.stats.delivered.start + second.stats.delivered.start).toBe(40);
});

test('start and news of one job that wait together are one call, and the story begins with the bell', async () => {
  const job = await site.submit();
  const claimedBefore: OutboxItem[] = await site.ledger.outbox.claim(100, 50); // So that its news gets a ring of its own.
  await site.tell({ type: 'started', jobId: '501', holdId: job.holdId });
  await site.ledger.outbox.giveBack(claimedBefore.map(({ outboxNo }) => outboxNo));
  await using dispatcher = startTestDispatcher(site.ledger, namespace);
  await until('the outbox is empty', isEmpty);
  expect(dispatcher.stats.delivered).toEqual({ start: 0, ring: 1 });
  expect(await bellsOf(job)).toBe(1);
});

test('news that come in a burst ring once or twice, not once each', async () => {
  await using _dispatcher = startTestDispatcher(site.ledger, namespace, { pollMs: 300 });
  const job = await site.submit({ arrayTasks: 20 });
  await until('the story has started', () => hasStarted(job));
  await site.tell(
    ...Array.from({ length: 20 }, (_, task) => ({
      type: 'started' as const,
      jobId: '502',
      task: String(task),
      holdId: job.holdId,
    })),
  );
  await until('the outbox is empty', isEmpty);
  expect(await bellsOf(job)).toBeLessThanOrEqual(2);
});

test('a dispatcher that dies between telling Temporal and saying so leaves one story all the same', async () => {
  const { outbox } = site.ledger;
  const dying: Outbox = { ...outbox, done: () => Promise.reject(new Error('killed')) };
  await using first = startTestDispatcher({ ...site.ledger, outbox: dying }, namespace, { leaseMs: 200 });
  const job = await site.submit();
  await until('the story has started', () => hasStarted(job));
  await first.stop();
  expect(await isEmpty()).toBe(false);

  await using second = startTestDispatcher(site.ledger, namespace);
  await until('the outbox is empty', isEmpty);
  expect(second.stats.refused).toBe(0);
  await until('the run is visible', async () => (await runsOf(job)).length > 0);
  expect(await runsOf(job)).toHaveLength(1);
});

test('never more calls at once than allowed, however long the outbox', async () => {
  const calls = { now: 0, most: 0 };
  const { temporal } = namespace;
  const counted: Namespace = {
    ...namespace,
    temporal: {
      ...temporal,
      withDeadline: async (work, deadlineMs) => {
        calls.most = Math.max(calls.most, (calls.now += 1));
        return temporal.withDeadline(work, deadlineMs).finally(() => (calls.now -= 1));
      },
    },
  };
  await submitMany(30);
  await using _dispatcher = startTestDispatcher(site.ledger, counted, { inFlight: 3 });
  await until('the outbox is empty', isEmpty);
  expect(calls.most).toBe(3);
});

test('while many jobs are admitted their stories wait, for a bounded time; bells do not', async () => {
  const { sql } = site.database;
  const placed = (ago: string) => sql`update ledger.holds set placed_at = clock_timestamp() - ${ago}::interval`;
  await using dispatcher = startTestDispatcher(site.ledger, namespace, { patienceMs: 600_000 });
  const [early] = await submitMany(8);
  if (!early) throw new Error('eight jobs');
  await until('they have started', isEmpty);
  await placed('-50 seconds'); // Busy until the test says otherwise.
  const jobs = await submitMany(7);

  await site.tell({ type: 'started', jobId: '503', holdId: early.holdId });
  await until('the bell was heard', async () => (await bellsOf(early)) === 1);
  await until('seven wait', async () => (await site.ledger.outbox.depth()).waiting === 7);

  // What is heard of a job meanwhile is in the beginning of its story.
  const [old, told] = jobs;
  if (!old || !told) throw new Error('seven jobs');
  await site.tell({ type: 'started', jobId: '504', holdId: told.holdId });
  await sql`update ledger.outbox o set created_at = created_at - interval '601 seconds' from ledger.holds h where h.hold_no = o.hold_no and h.hold_id = ${old.holdId}`;
  await until('the old one has started', () => hasStarted(old));
  // An item leaves the outbox a moment after Temporal has heard of it.
  await until('six wait', async () => (await site.ledger.outbox.depth()).waiting === 6);

  await placed('1 second');
  await until('the outbox is empty', isEmpty);
  expect(await hasStarted(told)).toBe(true);
  expect(await bellsOf(told)).toBe(0);
  expect(dispatcher.stats.delivered).toEqual({ start: 15, ring: 1 });
});

test('a story that Temporal will not take keeps no other waiting, and stays in the outbox', async () => {
  const [bad, good] = await submitMany(2);
  if (!bad || !good) throw new Error('two jobs');
  const { outbox } = site.ledger;
  const claim: Outbox['claim'] = async (limit, leaseMs) =>
    (await outbox.claim(limit, leaseMs)).map((item) =>
      item.holdId === bad.holdId ? { ...item, cluster: 'x'.repeat(2_000) } : item,
    );
  await using dispatcher = startTestDispatcher({ ...site.ledger, outbox: { ...outbox, claim } }, namespace);
  await until('the good one has started', () => hasStarted(good));
  await until('the bad one was refused', () => Promise.resolve(dispatcher.stats.refused === 1));
  expect(dispatcher.stats.temporalAway).toBe(false);
  await dispatcher.stop();
  expect((await outbox.depth()).waiting).toBe(1);
});

test('stories that come before their search attributes are registered wait for them, and not for their leases', async () => {
  const bare = connectTemporal({ address: await temporalAddress(), namespace: uniqueName('bare') });
  const { namespace: name } = bare.client.options;
  const workflowExecutionRetentionPeriod = msToTs('1 day');
  await bare.connection.workflowService.registerNamespace({ namespace: name, workflowExecutionRetentionPeriod });
  await using dispatcher = startTestDispatcher(site.ledger, { temporal: bare }, { leaseMs: 600_000 });
  await submitMany(3);
  await until('Temporal has refused them', () => Promise.resolve(dispatcher.stats.refused >= 3));
  expect((await site.ledger.outbox.depth()).waiting).toBe(3);

  await until('the namespace is prepared', () =>
    ensureNamespace(bare, silence).then(
      () => true,
      () => false,
    ),
  );
  await until('the outbox is empty', isEmpty);
  await dispatcher.stop();
  await bare.close();
});

test('a story that was refused while the namespace became fit for others does not wait for its lease', async () => {
  const { temporal } = namespace;
  const cause = Object.assign(new Error('no mapping defined for search attribute BudgetJob'), { code: 3 });
  const unfit = new ServiceError('not started', { cause });
  let calls = 0;
  // All of the first round are refused, and of the second the first: by then Temporal knows the attribute.
  const late: Pick<Namespace, 'temporal'> = {
    temporal: {
      ...temporal,
      withDeadline: (work, deadlineMs) => {
        calls += 1;
        return calls <= 4 ? Promise.reject(unfit) : temporal.withDeadline(work, deadlineMs);
      },
    },
  };
  await submitMany(3);
  await using dispatcher = startTestDispatcher(site.ledger, late, { leaseMs: 600_000 });
  await until('the outbox is empty', isEmpty);
  expect(dispatcher.stats).toMatchObject({ refused: 4, delivered: { start: 3 } });
});

test('a dispatcher that stops ends its calls and gives back what it has not carried', async () => {
  const { temporal } = namespace;
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const calls: unknown[] = [];
  const slow: Pick<Namespace, 'temporal'> = {
    temporal: {
      ...temporal,
      withDeadline: (work, deadlineMs) => {
        calls.push(work);
        return held.then(() => temporal.withDeadline(work, deadlineMs));
      },
    },
  };
  await submitMany(10);
  await using dispatcher = startTestDispatcher(site.ledger, slow, { inFlight: 2, leaseMs: 600_000 });
  await until('two are on their way', () => Promise.resolve(calls.length === 2));
  const stopped = dispatcher.stop();
  release();
  await stopped;
  expect(await site.ledger.outbox.claim(100, 60_000)).toHaveLength(8);
});

test('while Temporal is away jobs are admitted, and their stories start when it is back', async () => {
  const port = await freePort();
  const temporal = connectTemporal({ address: `127.0.0.1:${port}`, deadlineMs: 2_000 });
  const away: Namespace = { ...namespace, temporal };
  await using dispatcher = startTestDispatcher(site.ledger, away);
  const jobs = await submitMany(12);
  await until('the dispatcher has noticed', () => Promise.resolve(dispatcher.stats.temporalAway));
  expect((await site.ledger.outbox.depth()).waiting).toBe(12);
  expect(jobs.every(({ decision }) => decision.available)).toBe(true);

  await using _server = await ownTemporal(port);
  await until('the outbox is empty', isEmpty);
  for (const job of jobs) expect(await hasStarted(job, away)).toBe(true);
  expect(dispatcher.stats).toMatchObject({ temporalAway: false, delivered: { start: 12 } });
  await temporal.close();
});

test('while PostgreSQL is away the dispatcher waits and goes on afterwards', async () => {
  const { outbox } = site.ledger;
  const state = { isAway: true };
  const claim: Outbox['claim'] = (limit, leaseMs) =>
    state.isAway ? Promise.reject(new Error('no route to host')) : outbox.claim(limit, leaseMs);
  await using dispatcher = startTestDispatcher({ ...site.ledger, outbox: { ...outbox, claim } }, namespace);
  const job = await site.submit();
  await until('the dispatcher has noticed', () => Promise.resolve(dispatcher.stats.ledgerAway));
  state.isAway = false;
  await until('the story has started', () => hasStarted(job));
  expect(dispatcher.stats.ledgerAway).toBe(false);
});

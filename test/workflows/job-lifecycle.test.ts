/** What becomes of a job's hold, on a real Temporal and a real ledger, with workers that remember nothing between tasks. */
import { parseAmount, toMicro, ZERO } from '../../domain/money';
import { doorbell } from '../../workflows/contracts/job-lifecycle';
import { quietRuntime, until } from './house';
import {
  arrayLife,
  cancelledWhilePending,
  heterogeneousLife,
  lifeFoundOut,
  lifeWithoutEnd,
  openStage,
  ordinaryLife,
  provisionalLife,
  REPORTING,
  requeuedLife,
  type Stage,
} from './lives';
import { CALLER, inSeconds, type HeldJob } from './site';

let stage: Stage;
beforeAll(async () => {
  quietRuntime();
  stage = await openStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

/** Whatever happened: nothing is held for the job any more, and the books are right. */
async function expectSettled(job: HeldJob, status: 'settled' | 'released') {
  const hold = await stage.ledger.holds.read(job.holdId);
  expect(hold).toMatchObject({ status, held: ZERO });
  expect(await stage.ledger.audit.run()).toMatchObject({ ok: true, findings: [] });
  return hold;
}

const handleOf = (job: HeldJob) => stage.namespace.temporal.client.workflow.getHandle(job.workflowId);

const eventsOf = async (job: HeldJob) => (await handleOf(job).fetchHistory()).events ?? [];

const chargesOf = async ({ holdId }: HeldJob) => {
  const { rows } = await stage.ledger.movements.list({ holdId }, { limit: 100 });
  return rows.filter(({ kind }) => kind === 'charge' || kind === 'adjustment');
};

test('a job is held, starts, ends: it is charged for what it used and the rest comes back', async () => {
  const { job, result } = await ordinaryLife(stage);
  const hold = await expectSettled(job, 'settled');
  expect(hold.charged).toBeGreaterThan(0n);
  expect(hold.charged + hold.released).toBe(hold.placed);
  expect(result).toMatchObject({ outcome: 'settled', unit: 'USD' });
  expect(parseAmount(result.charged)).toBe(hold.charged);
  expect(parseAmount(result.released)).toBe(hold.released);
});

test('an ordinary life takes at most three activities and forty events of history', async () => {
  const { job } = await ordinaryLife(stage);
  const events = await eventsOf(job);
  expect(events.filter((event) => event.activityTaskScheduledEventAttributes).length).toBeLessThanOrEqual(3);
  expect(events.length).toBeLessThanOrEqual(40);
});

test('cancelled while it is pending, a job costs nothing and everything comes back', async () => {
  const { job, result } = await cancelledWhilePending(stage);
  const hold = await expectSettled(job, 'released');
  expect(hold).toMatchObject({ charged: ZERO, released: hold.placed });
  expect(result).toMatchObject({ outcome: 'released', charged: '0' });
});

test('requeued, a job is charged for both of its runs and settled once', async () => {
  const { job, result } = await requeuedLife(stage);
  const hold = await expectSettled(job, 'settled');
  const charges = await chargesOf(job);
  expect(charges).toHaveLength(2);
  expect(toMicro(charges.reduce((sum, { amount }) => sum + amount, 0n))).toBe(hold.charged);
  expect(result.outcome).toBe('settled');
});

test('an array has one hold, one story and a charge for each of its tasks', async () => {
  const { job, result } = await arrayLife(stage);
  await expectSettled(job, 'settled');
  expect(await chargesOf(job)).toHaveLength(3);
  expect(result.outcome).toBe('settled');
});

test('a heterogeneous job has a hold and a charge for each component, and one story that ends when all have', async () => {
  const { job, result } = await heterogeneousLife(stage);
  const holdIds = job.decision.componentHoldIds ?? [];
  expect(holdIds).toHaveLength(2);
  const holds = await Promise.all(holdIds.map((holdId) => stage.ledger.holds.read(holdId)));
  for (const [component, holdId] of holdIds.entries()) {
    const hold = await expectSettled({ ...job, holdId }, 'settled');
    expect(hold.charged).toBeGreaterThan(0n);
    expect(await chargesOf({ ...job, holdId })).toHaveLength(1);
    expect(hold.partition).toBe(['batch', 'big'][component]);
  }
  expect(result.outcome).toBe('settled');
  expect(parseAmount(result.charged)).toBe(holds.reduce((sum, { charged }) => sum + charged, 0n));
});

test('a job that nobody hears of again gives its money back at twice the timeout, when there is nobody to ask', async () => {
  const { job, result } = await lifeWithoutEnd(stage);
  expect(result.outcome).toBe('released');
  await expectSettled(job, 'released');
});

test('while the scheduler cannot be reached the hold is kept; what it then says settles the job', async () => {
  const { job, result, keptWhileAway } = await lifeFoundOut(stage);
  expect(keptWhileAway).toBe(true);
  expect(result.outcome).toBe('settled');
  await expectSettled(job, 'settled');
});

test('without a reported cost a job is settled by usage, and the first report after that is an adjustment', async () => {
  const { job, jobId, result } = await provisionalLife(stage);
  expect(result.outcome).toBe('settled');
  const hold = await expectSettled(job, 'settled');

  await stage.tell({ type: 'cost', jobId, cluster: REPORTING, cost: '77.25' });
  const adjusted = await until('the report has become an adjustment', async () =>
    (await chargesOf(job)).find(({ kind }) => kind === 'adjustment'),
  );
  expect(adjusted.amount).toBe(parseAmount('77.25') - hold.charged);
  await expectSettled(job, 'settled');
});

test('a cost that is reported in time is what the job costs', async () => {
  const job = await stage.submit({ cluster: REPORTING });
  const common = { jobId: '3001', cluster: REPORTING };
  await stage.tell(
    { ...common, type: 'started', holdId: job.holdId, at: inSeconds(-600) },
    { ...common, type: 'ended', at: inSeconds(0), endState: 'COMPLETED' },
    { ...common, type: 'cost', cost: '12.5' },
  );
  expect(await stage.ends(job)).toMatchObject({ outcome: 'settled', charged: '12.5' });
  await expectSettled(job, 'settled');
});

test('events that came before the story could start cost no detour: it looks once and is over', async () => {
  const job = await stage.submit();
  await stage.tell(
    { type: 'started', jobId: '3002', holdId: job.holdId, at: inSeconds(-600) },
    { type: 'ended', jobId: '3002', at: inSeconds(0), endState: 'COMPLETED' },
  );
  await stage.ends(job);
  await expectSettled(job, 'settled');
  const asked = (await eventsOf(job)).flatMap(
    (event) => event.activityTaskScheduledEventAttributes?.activityType?.name ?? [],
  );
  expect(new Set(asked)).toEqual(new Set(['advance']));
});

test('bells that ring for nothing, and events told twice, change nothing', async () => {
  const job = await stage.submit();
  const started = { type: 'started', jobId: '3003', holdId: job.holdId, at: inSeconds(-600) } as const;
  const ended = { type: 'ended', jobId: '3003', at: inSeconds(-60), endState: 'COMPLETED' } as const;
  await stage.standsAt(job, 'pending');
  await Promise.all(Array.from({ length: 10 }, () => handleOf(job).signal(doorbell)));
  await stage.tell(started, started);
  await stage.tell(started);
  await stage.standsAt(job, 'running');
  await stage.tell(ended, ended);
  await stage.ends(job);
  await stage.tell(ended, started);
  await expectSettled(job, 'settled');
  expect(await chargesOf(job)).toHaveLength(1);
});

test('a bell that is lost costs time and nothing else: the story looks by itself at its deadline', async () => {
  // Time enough to be seen running, and to end, before that.
  const job = await stage.submit({ wallSeconds: 10 });
  const jobId = '3004';
  await stage.tell({ type: 'started', jobId, holdId: job.holdId });
  await stage.standsAt(job, 'running');
  stage.bellsAreLost = true;
  await stage.tell({ type: 'ended', jobId, endState: 'COMPLETED' });
  expect((await stage.ends(job)).outcome).toBe('settled');
  stage.bellsAreLost = false;
  await expectSettled(job, 'settled');
});

test('a request to cancel the story does not let go of the money; releasing the hold ends the story', async () => {
  const job = await stage.submit();
  await stage.standsAt(job, 'pending');
  await handleOf(job).cancel();
  await handleOf(job).signal(doorbell);
  await stage.standsAt(job, 'pending');
  expect(await stage.ledger.holds.read(job.holdId)).toMatchObject({ status: 'open' });

  await stage.ledger.holds.release(job.holdId, 'the user thought better of it', CALLER);
  await handleOf(job).signal(doorbell);
  expect(await stage.ends(job)).toMatchObject({ outcome: 'released' });
  await expectSettled(job, 'released');
});

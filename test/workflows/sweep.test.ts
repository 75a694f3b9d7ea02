/** What the sweep mends: stories that were terminated or lost, and the schedule that starts it. */
import { restartLost, restartStrays, ringOver } from '../../activities';
import { jobWorkflowId } from '../../domain/ids';
import { BUDGET_STATE, LEDGER_QUEUE, type JobLifecycle } from '../../workflows/contracts/job-lifecycle';
import { SWEEP_SCHEDULE } from '../../workflows/contracts/sweep';
import { ensureSweep } from '../../worker/schedules';
import { startSweeper } from '../../worker/sweeper';
import { quietRuntime, silence, until } from './house';
import { openStage, type Stage } from './lives';
import { ACCOUNT, CALLER, inSeconds, type HeldJob } from './site';

let stage: Stage;
beforeAll(async () => {
  quietRuntime();
  stage = await openStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const client = () => stage.namespace.temporal.client;
const handleOf = (workflowId: string) => client().workflow.getHandle(workflowId);

/** The same job, told again. */
const againAs = (job: HeldJob, generation: number): HeldJob => ({
  ...job,
  workflowId: `${job.workflowId}/g${generation}`,
});

async function terminated(job: HeldJob): Promise<void> {
  await stage.standsAt(job, 'pending');
  await handleOf(job.workflowId).terminate('an operator pressed the wrong button');
}

/** From now on a story counts as late, whenever it was due. */
const isLate = ({ holdId }: HeldJob) => stage.database.sql`
  update ledger.stories s set due_at = clock_timestamp() from ledger.holds h where h.hold_no = s.hold_no and h.hold_id = ${holdId}`;

/** A job whose story was terminated while it waited, and that nobody waits for any more when the story is told again. */
async function terminatedAndLate(): Promise<HeldJob> {
  const cluster = 'wavering';
  await stage.addCluster(cluster, {});
  const job = await stage.submit({ cluster });
  await terminated(job);
  await stage.addCluster(cluster, { reconciliationTimeoutSeconds: 1 });
  await isLate(job);
  return job;
}

const sweptOnce = () =>
  until('the sweep finds a stray', () =>
    restartStrays({ recovery: stage.ledger.recovery, temporal: stage.namespace.temporal }).then((count) => count > 0),
  );

test('a story that was terminated is told again under an id of its own, and its hold ends', async () => {
  const job = await terminatedAndLate();
  await sweptOnce();
  expect(await stage.ends(againAs(job, 1))).toMatchObject({ outcome: 'released' });
  expect(await stage.ledger.holds.read(job.holdId)).toMatchObject({ status: 'released', held: 0n });
});

test('a story that was terminated is found at once among all open holds, long before it is late; those that run are left alone', async () => {
  const [lost, told] = [await stage.submit(), await stage.submit()];
  await terminated(lost);
  await stage.standsAt(told, 'pending');
  const { recovery } = stage.ledger;
  const deps = { recovery, temporal: stage.namespace.temporal };
  expect((await recovery.strays(100)).map(({ holdId }) => holdId)).not.toContain(lost.holdId);
  const open = await recovery.open(100);
  expect(open.map(({ holdId }) => holdId)).toEqual(expect.arrayContaining([lost.holdId, told.holdId]));
  expect(await recovery.open(100, lost.holdId)).toEqual(
    open.slice(open.findIndex(({ holdId }) => holdId === lost.holdId) + 1),
  );
  expect(await restartLost(deps, open)).toEqual({ restarted: [lost.holdId], rung: 0 });
  await stage.standsAt(againAs(lost, 1), 'pending');
  expect(await restartLost(deps, await recovery.open(100))).toEqual({ restarted: [], rung: 0 });
});

test('news of a job ring the story that is being told, not the one that was terminated', async () => {
  const job = await stage.submit();
  await terminated(job);
  await isLate(job);
  await sweptOnce();
  const again = againAs(job, 1);
  await until('it has started again', () =>
    handleOf(again.workflowId)
      .describe()
      .then(
        () => true,
        () => false,
      ),
  );
  await stage.tell({ type: 'started', jobId: '601', holdId: job.holdId, at: inSeconds(-10) });
  await stage.tell({ type: 'ended', jobId: '601', at: inSeconds(0), endState: 'COMPLETED' });
  expect(await stage.ends(again)).toMatchObject({ outcome: 'settled' });
  expect((await handleOf(job.workflowId).describe()).status.name).toBe('TERMINATED');
});

test('news of a job whose story was terminated bring the story back before the sweep does', async () => {
  const job = await stage.submit();
  await terminated(job);
  await stage.tell(
    { type: 'started', jobId: '602', holdId: job.holdId, at: inSeconds(-10) },
    { type: 'ended', jobId: '602', at: inSeconds(0), endState: 'COMPLETED' },
  );
  await until('the hold is settled', async () => (await stage.ledger.holds.read(job.holdId)).status === 'settled');
});

test('a story that is late because no worker ran is left alone', async () => {
  const { recovery } = stage.ledger;
  const job = await stage.submit();
  await stage.standsAt(job, 'pending');
  const strays: typeof recovery.strays = () =>
    Promise.resolve([{ holdId: job.holdId, cluster: job.cluster, generation: 0, dueMs: null }]);
  expect(await restartStrays({ recovery: { ...recovery, strays }, temporal: stage.namespace.temporal })).toBe(0);
});

test('a story that has missed its news, as when Temporal comes back from a backup, is rung and catches up', async () => {
  const job = await stage.submit();
  const deps = { recovery: stage.ledger.recovery, temporal: stage.namespace.temporal };
  await stage.standsAt(job, 'pending');
  stage.bellsAreLost = true;
  await stage.tell(
    { type: 'started', jobId: '603', holdId: job.holdId, at: inSeconds(-10) },
    { type: 'ended', jobId: '603', at: inSeconds(0), endState: 'COMPLETED' },
  );
  await until('the news are gone', async () => (await stage.ledger.outbox.depth()).waiting === 0);
  stage.bellsAreLost = false;
  const suspects = (await deps.recovery.open(100)).filter(({ holdId }) => holdId === job.holdId);
  expect(await restartLost(deps, suspects)).toEqual({ restarted: [], rung: 1 });
  expect(await stage.ends(job)).toMatchObject({ outcome: 'settled' });
});

test('stories whose holds are over, or unknown to a ledger from a backup, are rung and end; those of open holds are not', async () => {
  const deps = { recovery: stage.ledger.recovery, temporal: stage.namespace.temporal };
  const [open, over] = [await stage.submit(), await stage.submit()];
  const unknown = `txn_${'0'.repeat(26)}`;
  const stranger = { ...over, holdId: unknown, workflowId: jobWorkflowId(over.cluster, unknown) };
  const { cluster, holdId } = stranger;
  const beginning: JobLifecycle = {
    ...{ holdId, cluster, account: ACCOUNT, state: 'pending', waitsFor: 'the start of the job' },
    ...{ held: '1', charged: '0', unit: 'USD' },
  };
  const { workflow } = client();
  await workflow.start('jobLifecycle', { workflowId: stranger.workflowId, taskQueue: LEDGER_QUEUE, args: [beginning] });
  for (const each of [open, over, stranger]) await stage.standsAt(each, 'pending');
  stage.bellsAreLost = true;
  await stage.ledger.holds.release(over.holdId, 'nobody tells its story', CALLER);
  await until('its news are gone', async () => (await stage.ledger.outbox.depth()).waiting === 0);
  stage.bellsAreLost = false;

  const hasEnded = async ({ workflowId }: HeldJob) =>
    (await handleOf(workflowId).describe()).status.name === 'COMPLETED';
  // Not rung again and again: a story cannot end while it is being rung.
  await until('both are listed', async () => {
    const listed: string[] = [];
    for await (const { workflowId } of client().workflow.list()) listed.push(workflowId);
    return listed.includes(over.workflowId) && listed.includes(stranger.workflowId);
  });
  await ringOver(deps, 100);
  await until('both end', async () => (await hasEnded(over)) && hasEnded(stranger));
  expect(await stage.ends(over)).toMatchObject({ outcome: 'released' });
  expect(await stage.ends(stranger)).toMatchObject({ outcome: 'unknown', charged: '0', released: '0' });
  const { typedSearchAttributes } = await handleOf(stranger.workflowId).describe();
  expect(typedSearchAttributes.get(BUDGET_STATE)).toBe('unknown');
  const { events } = await handleOf(open.workflowId).fetchHistory();
  expect(events?.filter((event) => event.workflowExecutionSignaledEventAttributes)).toEqual([]);
});

test('the schedule starts the sweep, which restarts strays, expires funds and seals', async () => {
  const job = await terminatedAndLate();
  await ensureSweep(client(), 1_000);
  expect(await stage.ends(againAs(job, 1))).toMatchObject({ outcome: 'released' });
  await until('it has sealed', async () => (await stage.ledger.audit.verify()).sealed > 0);
  expect(await stage.ledger.audit.verify()).toMatchObject({ ok: true });
  await client().schedule.getHandle(SWEEP_SCHEDULE).delete();
});

test('the schedule is made once, made right again, and stays paused where an operator paused it', async () => {
  const schedule = client().schedule.getHandle(SWEEP_SCHEDULE);
  await Promise.all([ensureSweep(client(), 3_600_000), ensureSweep(client(), 3_600_000)]);
  await schedule.pause('maintenance');
  await ensureSweep(client(), 1_800_000);
  const { spec, state } = await schedule.describe();
  expect(spec.intervals?.map(({ every }) => every)).toEqual([1_800_000]);
  expect(state).toMatchObject({ paused: true, note: 'maintenance' });
  await schedule.delete();
});

test('when Temporal has forgotten the schedule, the workers sweep by their own clock and make it again', async () => {
  const job = await terminatedAndLate();
  const sweeper = startSweeper({
    ledger: stage.ledger,
    temporal: stage.namespace.temporal,
    log: silence,
    everyMs: 100,
    prepare: () => ensureSweep(client(), 3_600_000),
  });
  expect(await stage.ends(againAs(job, 1))).toMatchObject({ outcome: 'released' });
  await sweeper.stop();
  expect((await client().schedule.getHandle(SWEEP_SCHEDULE).describe()).state.paused).toBe(false);
});

/** What the queue of a scheduler says, and what becomes of holds that no job in it carries. */
import { readHistory } from '../../domain/sacct-look';
import { exactOf } from '../../domain/usage-report';
import { eventually } from '../helpers/eventually';
import type { AskAccounting } from '../../ledger/contract';
import { clock, job, usd } from './jobs-house';
import {
  eventsOf,
  house,
  ledger,
  list,
  listAgain,
  pass,
  row,
  running,
  setGrace,
  silence,
  submit,
  SWEEP,
} from './queue-house';

test('a live job is bound by its stamp, its start is recorded once, and the second look finds nothing', async () => {
  const { key, holdId } = await submit();
  const live = running({ stamp: key, resources: job().resources });
  expect(await list([live])).toMatchObject({ jobs: 1, recorded: 2, bound: 1, adopted: 0, givenBack: 0 });
  expect((await ledger.holds.read(holdId)).jobId).toBe('4711');
  expect(await list([live], { takenAt: clock(31) })).toMatchObject({ recorded: 0, bound: 0, deeds: [] });
  expect(await eventsOf()).toEqual([
    ['submitted', clock(0)],
    ['started', clock(1)],
  ]);
});

test('that a job is suspended is seen only in the queue, and its times follow from how long it has run', async () => {
  const { key } = await submit();
  await list([running({ stamp: key })]);
  // Ten minutes of running, then suspended; seen twenty minutes later.
  const suspended = running({ stamp: key, phase: 'suspended', activeSeconds: 600 });
  expect(await list([suspended], { takenAt: clock(31) })).toMatchObject({ recorded: 1 });
  expect(await list([suspended], { takenAt: clock(32) })).toMatchObject({ recorded: 0 });
  // It has run for two minutes more when it is seen at minute 50: it was resumed at minute 48.
  expect(await list([running({ stamp: key, activeSeconds: 720 })], { takenAt: clock(50) })).toMatchObject({
    recorded: 1,
  });
  // And again: 5 more minutes, suspended, while the first suspension lasted from 11 to 48.
  await list([running({ stamp: key, phase: 'suspended', activeSeconds: 1020 })], { takenAt: clock(70) });
  expect((await eventsOf()).slice(2)).toEqual([
    ['suspended', clock(11)],
    ['resumed', clock(48)],
    ['suspended', clock(55)],
  ]);
});

test('a job that ran without a hold gets a late one, flagged, and pays for what it used', async () => {
  expect(await list([running({ resources: job().resources })])).toMatchObject({ adopted: 1 });
  const { rows } = await ledger.holds.list({ late: true }, { limit: 10 });
  expect(rows).toMatchObject([{ account: 'physics', late: true, status: 'open', jobId: '4711' }]);
  const ended = running({ phase: 'ended', endedAt: clock(61), activeSeconds: 3600, resources: job().resources });
  expect(await ledger.queue.accounted('hpc', [ended], SWEEP)).toMatchObject({ ended: 1 });
  await ledger.jobs.advance(rows[0]?.holdId ?? '');
  expect(await house.money(rows[0]?.holdId ?? '')).toMatchObject({ status: 'settled', charged: '1' });
});

/** What sacct of Slurm 22.05 prints of a job of two nodes that gave one back at 12:31, and ended at 13:01. */
const resizedRows = (key: string) => {
  const rest = (tres: string, nodes: string, stamp = '') => `|0:0|1|8|${tres}|${tres}|240|${nodes}|${stamp}`;
  const times = (submit: number, end: number) =>
    [submit, 1, end].map((minutes) => Date.parse(clock(minutes)) / 1000).join('|');
  const line = (...[submit, end, elapsed, state, tail]: [number, number, string, string, string]) =>
    `4711|4711|physics|rkaur|1000|batch|${times(submit, end)}|${elapsed}|${state}${tail}`;
  return [
    line(0, 31, '00:30:00', 'RESIZING', rest('cpu=16,mem=0,node=2', 'n[1-2]')),
    line(31, 61, '01:00:00', 'COMPLETED', rest('cpu=8,mem=0,node=1', 'n1', `bursar:${key}`)),
  ];
};
const readRows = (lines: string[]) => readHistory(lines.join('\n'), { timeZone: 'UTC' });

test.each([
  ['both rows of it', (lines: string[]) => lines],
  ['that of its last size alone', (lines: string[]) => lines.slice(1)],
])('a job that was resized is charged for each size, also after its end was charged, by %s', async (_which, choose) => {
  const two = { nodes: 2, cpus: 16, gpus: 0, gpusByModel: {}, memoryMib: 0 };
  const { key, holdId } = await submit({ resources: two });
  await list([running({ stamp: key, resources: two })]);
  const end = { endState: 'COMPLETED' as const, startedAt: clock(1), submittedAt: clock(0), holdKey: key };
  // The controller's record of the end knows the last size only.
  await house.say({ type: 'ended', at: clock(61), ...end, resources: { ...two, nodes: 1, cpus: 8 } });
  await house.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ charged: '1' });

  const { jobs, faults } = readRows(choose(resizedRows(key)));
  expect(faults).toEqual([]);
  await house.sql`delete from ledger.outbox`;
  await ledger.queue.accounted('hpc', jobs, SWEEP);
  expect(await house.sql`select kind from ledger.outbox`).toMatchObject([{ kind: 'ring' }]);
  await house.advance(holdId);
  const { runs } = await ledger.jobs.read('hpc', '4711');
  expect(runs.map(({ charge }) => charge?.amount)).toEqual([usd('1.5')]);
  expect(await ledger.queue.accounted('hpc', jobs, SWEEP)).toMatchObject({ recorded: 0 });
  await house.advance(holdId);
  const { total } = await ledger.usage.report({ period: { from: '2026-03-01', to: '2026-03-31' } }, { limit: 1 });
  expect([total.jobs, exactOf(total.seconds.cpu)]).toEqual([1, String(16 * 1800 + 8 * 1800)]);
});

test('a job of which sacct knows the end and nobody told is settled from its record, once', async () => {
  const { key, holdId } = await submit();
  const ended = running({ stamp: key, phase: 'ended', endState: 'COMPLETED', endedAt: clock(31), activeSeconds: 1800 });
  expect(await ledger.queue.accounted('hpc', [ended], SWEEP)).toMatchObject({ jobs: 1, ended: 1 });
  expect(await ledger.queue.accounted('hpc', [ended], SWEEP)).toMatchObject({ recorded: 0, ended: 0, deeds: [] });
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toEqual({ status: 'settled', held: '0', charged: '0.5', released: '4.3' });
});

test('a hold that no job carries is given back with the reason, after the accounting was heard and not before', async () => {
  const { holdId } = await submit();
  expect(await list([])).toMatchObject({ givenBack: 0 });
  expect((await ledger.holds.read(holdId)).status).toBe('open');
  await silence();
  expect(await list([])).toMatchObject({ givenBack: 1 });
  expect(await house.money(holdId)).toMatchObject({ status: 'released', released: '4.8' });
  const [release] = (await ledger.movements.list({ holdId, kinds: ['release'] }, { limit: 1 })).rows;
  expect(release?.description).toMatch(/No job of it is in the queue or the accounting of hpc/);
});

test('nothing is given back by a listing that failed, is incomplete, is old, or is older than the hold', async () => {
  await silence();
  const { holdId } = await submit();
  expect(await list([], { isWhole: false })).toMatchObject({
    givenBack: 0,
    keeps: expect.stringContaining('could not be read'),
  });
  expect(await list([], { ageSeconds: 301 })).toMatchObject({
    givenBack: 0,
    keeps: expect.stringContaining('301 s old'),
  });
  expect(await list([], { ageSeconds: 60 })).toMatchObject({ givenBack: 0 });
  await ledger.queue.unreachable('hpc', 'slurmdbd does not answer', 'accounting');
  expect(await list([])).toMatchObject({ givenBack: 0 });
  expect((await ledger.holds.read(holdId)).status).toBe('open');
  await silence();
  expect(await list([])).toMatchObject({ givenBack: 1 });
});

test('the grace begins with the first listing without the job, and a job that is seen again ends it', async () => {
  setGrace(120);
  const { key, holdId } = await submit();
  expect(await listAgain([])).toMatchObject({ givenBack: 0 });
  await pass(121);
  await list([row({ stamp: key })]);
  expect(await listAgain([])).toMatchObject({ givenBack: 0 });
  expect((await ledger.holds.read(holdId)).status).toBe('open');
  await pass(121);
  expect(await listAgain([])).toMatchObject({ givenBack: 1 });
});

test('however seldom the accounting is heard, the first time after the grace is enough, and one before it is not', async () => {
  setGrace(900);
  await submit();
  await silence();
  await list([]);
  await pass(600);
  expect(await listAgain([])).toMatchObject({ givenBack: 0 });
  await pass(3_600);
  expect(await list([])).toMatchObject({ givenBack: 0 });
  await silence();
  expect(await list([])).toMatchObject({ givenBack: 1 });
});

test('a job that a crash of the controller lost ends with the last listing that showed it', async () => {
  const { key, holdId } = await submit();
  await list([running({ stamp: key })], { takenAt: clock(16) });
  // The accounting shows it as running for good (measured), which is no sign of life.
  const runaway: AskAccounting = () => Promise.resolve([running()]);
  expect(await listAgain([], {}, runaway)).toMatchObject({ deeds: [{ did: 'lost', jobId: '4711', holdId }] });
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled', charged: '0.25' });
});

test('what a lost job was charged for is corrected when the accounting does tell of its end', async () => {
  const { key, holdId } = await submit();
  await list([running({ stamp: key })], { takenAt: clock(1) });
  expect(await listAgain([])).toMatchObject({ deeds: [{ did: 'lost', jobId: '4711', holdId }] });
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled', charged: '0' });
  const ended = row({ phase: 'ended', endState: 'COMPLETED', startedAt: clock(1), endedAt: clock(16), stamp: key });
  await list([ended], { takenAt: clock(60), isWhole: false });
  await ledger.jobs.advance(holdId);
  expect(await ledger.accounts.balance('physics')).toMatchObject({ settled: 250_000n, held: 0n });
});

test('a hold is kept if its job is heard of at the last moment, while the look waits to give it back', async () => {
  const { holdId } = await submit();
  await list([]);
  await silence();
  const waiting = await house.sql.begin(async (tx) => {
    await tx`select ledger.lock_hold(${holdId})`;
    const looking = list([]);
    await eventually('the look waits for the hold', async () => {
      const [row] =
        await house.sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      return row !== undefined;
    });
    await ledger.jobs.recordEvents(
      [{ type: 'started', cluster: 'hpc', jobId: '4711', at: clock(1), submittedAt: clock(0), holdId }],
      SWEEP,
    );
    return { looking };
  });
  expect(await waiting.looking).toMatchObject({ givenBack: 0, deeds: [] });
  expect(await ledger.holds.read(holdId)).toMatchObject({ status: 'open', jobId: '4711' });
});

test('the accounting is asked once more before money moves, and what it knows goes before', async () => {
  const { key, holdId } = await submit();
  await list([running({ stamp: key })], { takenAt: clock(16) });
  const ended = running({ stamp: key, phase: 'ended', endState: 'COMPLETED', endedAt: clock(61), activeSeconds: 3600 });
  const knows: AskAccounting = (jobIds) => Promise.resolve(jobIds.includes('4711') ? [ended] : []);
  expect(await listAgain([], {}, knows)).toMatchObject({ givenBack: 0, deeds: [{ did: 'ended', jobId: '4711' }] });
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled', charged: '1' });
});

test('a task that was cancelled while it waited leaves no trace: its share of the hold comes back, and the array ends', async () => {
  const { key, holdId } = await submit({ arrayTasks: 3 });
  const tasks = [running({ stamp: key, task: '1' }), row({ stamp: key, arrayTasks: 2 })];
  expect(await list(tasks)).toMatchObject({ reduced: 0 });
  const fewer = [running({ stamp: key, task: '1' }), row({ stamp: key, arrayTasks: 1 })];
  expect(await listAgain(fewer)).toMatchObject({ reduced: 1 });
  expect(await listAgain(fewer)).toMatchObject({ reduced: 0 });
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'open', held: '9.6' });

  // The last one that waited is cancelled as well, and the one that runs ends.
  const ended = running({ stamp: key, task: '1', phase: 'ended', endedAt: clock(61), activeSeconds: 3600 });
  await ledger.queue.accounted('hpc', [ended], SWEEP);
  await ledger.jobs.advance(holdId);
  expect(await listAgain([])).toMatchObject({ reduced: 1 });
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled', held: '0', charged: '1' });
});

test('an array of which no task has begun keeps what its other tasks need when one of them is cancelled', async () => {
  const { key, holdId } = await submit({ arrayTasks: 3 });
  await list([row({ stamp: key, arrayTasks: 3 })]);
  expect(await listAgain([row({ stamp: key, arrayTasks: 2 })])).toMatchObject({ reduced: 1 });
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'open', held: '9.6' });
});

test('the row of an array whose last task was cancelled while it waited does not end the task that runs', async () => {
  const { key, holdId } = await submit({ arrayTasks: 2 });
  const first = running({ stamp: key, task: '1' });
  await list([first]);
  const rest = row({ stamp: key, phase: 'ended', endState: 'CANCELLED', endedAt: clock(1) });
  await ledger.queue.accounted('hpc', [rest], SWEEP);
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'open' });
  const ended = { ...first, phase: 'ended', endState: 'COMPLETED', endedAt: clock(61), activeSeconds: 3600 } as const;
  await ledger.queue.accounted('hpc', [ended], SWEEP);
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled', held: '0', charged: '1' });
});

test('a job id that comes back is another job: the stamp tells them apart, and the lost one gives its hold back', async () => {
  const lost = await submit();
  await list([row({ stamp: lost.key })]);
  const later = await submit();
  const again = [row({ stamp: later.key, submittedAt: clock(2) })];
  expect(await list(again)).toMatchObject({ bound: 1 });
  expect(await listAgain(again)).toMatchObject({ bound: 0, givenBack: 1 });
  expect((await ledger.holds.read(lost.holdId)).status).toBe('released');
  expect(await ledger.holds.read(later.holdId)).toMatchObject({ status: 'open', jobId: '4711' });
});

test('a requeued job keeps its hold: it waits under a new submit time with the same stamp', async () => {
  const { key, holdId } = await submit();
  await list([running({ stamp: key })]);
  const closed = running({ stamp: key, phase: 'ended', closing: 'requeued', endedAt: clock(20), activeSeconds: 1140 });
  await ledger.queue.accounted('hpc', [closed], SWEEP);
  const again = [row({ stamp: key, submittedAt: clock(20) })];
  expect(await listAgain(again)).toMatchObject({ givenBack: 0, adopted: 0 });
  await ledger.jobs.advance(holdId);
  expect(await ledger.holds.read(holdId)).toMatchObject({ status: 'open', held: 4_800_000n });
  // And is over when it is cancelled there without anybody saying so.
  await listAgain([]);
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled', held: '0' });
});

test('what was submitted before anybody looked, and is stamped by nobody, is not adopted', async () => {
  const before = running({ submittedAt: clock(-61), startedAt: clock(-50), resources: job().resources });
  expect(await list([before])).toMatchObject({ recorded: 0, adopted: 0 });
  const ended = { ...before, phase: 'ended', endedAt: clock(-20) } as const;
  expect(await ledger.queue.accounted('hpc', [ended], SWEEP)).toMatchObject({ recorded: 0, adopted: 0 });
});

test('a hold without a key was stamped on nothing, so no listing can miss it; a job of its account, user and time takes it', async () => {
  const holdId = await house.hold();
  expect(await listAgain([])).toMatchObject({ givenBack: 0 });
  const { holdId: stamped } = await submit();
  expect(await list([row({ submittedAt: clock(0, 4) })])).toMatchObject({ bound: 1, adopted: 0 });
  expect((await ledger.holds.read(stamped)).jobId).toBeUndefined();
  expect(await ledger.holds.read(holdId)).toMatchObject({ status: 'open', jobId: '4711' });
});

test('of a job whose run has ended and whose cost is awaited nothing is missed', async () => {
  await ledger.catalog.putCluster('hpc', { timeZone: 'UTC', costSource: 'reported' }, SWEEP);
  const { key, holdId } = await submit();
  const soon = { startedAt: new Date().toISOString(), endedAt: new Date().toISOString() };
  await ledger.queue.accounted('hpc', [row({ stamp: key, phase: 'ended', ...soon })], SWEEP);
  expect(await listAgain([])).toMatchObject({ givenBack: 0, deeds: [] });
  expect((await ledger.holds.read(holdId)).status).toBe('open');
});

test('rows that repeat, in any order, before and after what hooks say, change nothing', async () => {
  const { key, holdId } = await submit();
  const live = running({ stamp: key });
  const ended = running({ stamp: key, phase: 'ended', endState: 'COMPLETED', endedAt: clock(61), activeSeconds: 3600 });
  await ledger.queue.accounted('hpc', [ended, ended], SWEEP);
  await list([live, live]);
  await house.say({
    type: 'ended',
    holdKey: key,
    submittedAt: clock(0),
    startedAt: clock(1),
    at: clock(61),
    endState: 'COMPLETED',
  });
  await list([ended]);
  await listAgain([]);
  await ledger.jobs.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled', charged: '1' });
});

test('a job that is lost while it waits gives its money back, though what the next of its number did was first taken for its own', async () => {
  const [lost, next] = [await submit(), await submit()];
  await list([row({ stamp: lost.key, submittedAt: clock(-2) })]);
  // A prolog and an epilog, which know nothing but the number, are heard before the next job of that number.
  await house.say({ type: 'started', at: clock(1) });
  await house.say({ type: 'ended', at: clock(2) });
  const again = running({ stamp: next.key, phase: 'ended', submittedAt: clock(0), endedAt: clock(2) });
  await list([again]);
  await ledger.jobs.advance(lost.holdId);
  expect(await listAgain([again])).toMatchObject({ deeds: [{ did: 'given_back', holdId: lost.holdId }] });
  expect(await house.money(lost.holdId)).toMatchObject({ status: 'released', charged: '0' });
});

test('of a job whose submit time nobody knows, one of before the hold is no answer, though it had the same id', async () => {
  const { holdId } = await submit();
  await house.say({ type: 'started', holdId, at: clock(1) });
  const question = await ledger.queue.question(holdId);
  const before = running({ phase: 'ended', submittedAt: clock(-600), startedAt: clock(-590), endedAt: clock(-1) });
  expect(ledger.queue.answer(question, [before])).toEqual([]);
  // A clock may be behind by a little.
  expect(ledger.queue.answer(question, [running({ submittedAt: clock(-1, 10) })])).not.toEqual([]);
  expect(question).toMatchObject({ placedAt: clock(0), late: false });

  await house.say({ type: 'started', jobId: '9', account: 'physics', at: clock(1) });
  const { rows } = await ledger.holds.list({ late: true }, { limit: 1 });
  const late = await ledger.queue.question(rows[0]?.holdId ?? '');
  expect(ledger.queue.answer(late, [{ ...before, jobId: '9' }])).toEqual([]);
  expect(ledger.queue.answer(late, [running({ jobId: '9', submittedAt: clock(-600) })])).not.toEqual([]);
});

test('who cancelled a run only the accounting says: it is taken after the end was told, once, and refunded', async () => {
  await ledger.catalog.putCluster('hpc', { refundAdminCancel: 'whole' }, SWEEP);
  const { key, holdId } = await submit();
  await list([running({ stamp: key, resources: job().resources })]);
  const end = { at: clock(61), startedAt: clock(1), submittedAt: clock(0), endState: 'CANCELLED' as const };
  await house.say({ type: 'ended', ...end });
  await ledger.jobs.advance(holdId);
  const refunds = async () => (await ledger.refunds.list({}, { limit: 9 })).rows.map(({ reason }) => reason);
  expect(await refunds()).toEqual([]);

  const cancelled = row({
    stamp: key,
    phase: 'ended',
    startedAt: clock(1),
    endedAt: clock(61),
    activeSeconds: 3600,
    endState: 'CANCELLED',
    cancelledBy: '0',
    uid: 1001,
  });
  expect(await ledger.queue.accounted('hpc', [cancelled], SWEEP)).toMatchObject({ recorded: 1 });
  await ledger.jobs.advance(holdId);
  expect(await refunds()).toEqual(['admin_cancel']);
  expect(await ledger.queue.accounted('hpc', [cancelled], SWEEP)).toMatchObject({ recorded: 0, deeds: [] });
});

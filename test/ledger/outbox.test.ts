/** The outbox: every story is told, by one dispatcher at a time, however many there are. Real PostgreSQL. */
import type { OutboxItem } from '../../ledger/contract';
import { connectPostgres } from '../../platform/postgres';
import { clock, openJobsHouse, type JobsHouse } from './jobs-house';

let house: JobsHouse;
beforeEach(async () => void (house = await openJobsHouse({ poolSize: 12, limit: '100000' })));
afterEach(() => house[Symbol.asyncDispose]());

const numbers = (items: OutboxItem[]) => items.map(({ outboxNo }) => outboxNo);
/** A pool of its own, for a transaction that stays open meanwhile. */
const postgresOf = ({ url }: JobsHouse) => connectPostgres({ url, poolSize: 1 });

const submitted = (holdId: string) => ({
  i: 0,
  cluster_no: 1,
  job_id: '4711',
  type: 'submitted',
  task: '',
  at: clock(0),
  hold_id: holdId,
  facts: {},
  fingerprint: '00',
});

const holds = async (count: number) => Promise.all(Array.from({ length: count }, () => house.hold()));

test('a placed hold waits to be told, with the chapter that its story begins with', async () => {
  const holdId = await house.hold();
  const [item, ...others] = await house.ledger.outbox.claim(10, 60_000);
  expect(others).toEqual([]);
  expect(item).toMatchObject({
    kind: 'start',
    generation: 0,
    holdId,
    cluster: 'hpc',
    account: 'physics',
    chapter: { state: 'pending', waitsFor: 'the job to start', held: '4.8', unit: 'USD', closed: false },
  });
  expect(item?.chapter.deadlineMs).toBeGreaterThan(Date.now());
});

test('the chapter of a claim knows all that was recorded before it, and what comes later rings', async () => {
  const holdId = await house.hold();
  await house.say({ type: 'started', holdId, at: clock(1) });
  const [item] = await house.ledger.outbox.claim(10, 60_000);
  expect(item).toMatchObject({ jobId: '4711', chapter: { state: 'running', waitsFor: 'job 4711 to end' } });
  await house.say({ type: 'ended', at: clock(61) });
  expect(await house.ledger.outbox.claim(10, 60_000)).toMatchObject([{ kind: 'ring', holdId, jobId: '4711' }]);
});

test('eight dispatchers claiming at once never get the same item while its lease lasts', async () => {
  const placed = await holds(100);
  const claims = await Promise.all(Array.from({ length: 8 }, () => house.ledger.outbox.claim(20, 60_000)));
  const more = await house.ledger.outbox.claim(100, 60_000);
  const claimed = [...claims.flat(), ...more];
  expect(claimed.map(({ holdId }) => holdId).sort()).toEqual([...placed].sort());
  expect(new Set(numbers(claimed)).size).toBe(100);
  expect(await house.ledger.outbox.claim(100, 60_000)).toEqual([]);
});

test('while admission is busy young stories are left to wait; bells and old ones are not, and nobody when it is calm', async () => {
  const { outbox } = house.ledger;
  const rung = await house.hold();
  await outbox.done(numbers(await outbox.claim(10, 60_000)));
  await house.say({ type: 'started', holdId: rung, at: clock(1) });
  const old = await house.hold();
  await house.sql`update ledger.outbox set created_at = created_at - interval '11 seconds'`;
  await holds(6);
  const placed = (ago: string) => house.sql`update ledger.holds set placed_at = clock_timestamp() - ${ago}::interval`;

  await placed('-30 seconds'); // Busy for as long as this test takes.
  expect(await outbox.claim(10, 60_000, 10_000)).toMatchObject([
    { kind: 'ring', holdId: rung },
    { kind: 'start', holdId: old },
  ]);
  expect(await outbox.claim(10, 60_000, 10_000)).toEqual([]);
  expect(await outbox.claim(2, 60_000)).toHaveLength(2);
  await placed('1 second');
  expect(await outbox.claim(2, 60_000, 10_000)).toHaveLength(2);
  await placed('-1 hour'); // The clock was set back.
  expect(await outbox.claim(10, 60_000, 10_000)).toHaveLength(2);
});

test('seven jobs at once are no crowd: their stories begin at once', async () => {
  await holds(7);
  await house.sql`update ledger.holds set placed_at = clock_timestamp() + interval '30 seconds'`;
  expect(await house.ledger.outbox.claim(10, 60_000, 10_000)).toHaveLength(7);
});

test('while spares may still be used there is a crowd, however few have come by now', async () => {
  const [, spare] = await holds(2);
  const useBy = (moment: string) =>
    house.sql`update ledger.holds set use_by = clock_timestamp() + ${moment}::interval where hold_id = ${spare ?? ''}`;
  await useBy('30 seconds'); // For as long as this test takes.
  expect(await house.ledger.outbox.claim(10, 60_000, 10_000)).toEqual([]);
  await useBy('-1 second');
  expect(await house.ledger.outbox.claim(10, 60_000, 10_000)).toHaveLength(2);
});

test('what is done is gone; what was given back can be claimed at once; what was neither, when its lease has ended', async () => {
  await holds(3);
  const [first, second, third] = await house.ledger.outbox.claim(3, 60_000);
  await house.ledger.outbox.done([first!.outboxNo]);
  await house.ledger.outbox.giveBack([second!.outboxNo]);
  expect(numbers(await house.ledger.outbox.claim(10, 60_000))).toEqual([second!.outboxNo]);
  await house.sql`update ledger.outbox set leased_until = clock_timestamp() - interval '1 ms' where outbox_no = ${third!.outboxNo}`;
  expect(numbers(await house.ledger.outbox.claim(10, 60_000))).toEqual([third!.outboxNo]);
});

test('a ring that comes while another is being carried is not lost, also when that one is given back', async () => {
  const holdId = await house.hold();
  const started = await house.ledger.outbox.claim(10, 60_000);
  await house.ledger.outbox.done(numbers(started));
  await house.say({ type: 'submitted', holdId, at: clock(0) });
  const carried = await house.ledger.outbox.claim(10, 60_000);
  await house.say({ type: 'started', at: clock(1) });
  await house.ledger.outbox.giveBack(numbers(carried));
  expect(await house.ledger.outbox.claim(10, 60_000)).toHaveLength(2);
});

test('an event that races with the claim of its start is in the chapter or rings: never neither', async () => {
  const holdId = await house.hold();
  const racing = postgresOf(house);
  await racing.begin(async (tx) => {
    await tx`select ledger.record_events(${JSON.stringify([submitted(holdId)])}::text::jsonb, 'local', 'local')`;
    // The news is written but not committed: the start is passed over, not told without it.
    expect(await house.ledger.outbox.claim(10, 60_000)).toEqual([]);
  });
  expect(await house.ledger.outbox.claim(10, 60_000)).toMatchObject([{ kind: 'start', holdId, jobId: '4711' }]);
  await racing.end();
});

test('its depth and the age of its oldest item can be watched', async () => {
  expect(await house.ledger.outbox.depth()).toEqual({ waiting: 0, oldestSeconds: 0 });
  await holds(2);
  await house.sql`update ledger.outbox set created_at = created_at - interval '1 minute'`;
  const { waiting, oldestSeconds } = await house.ledger.outbox.depth();
  expect(waiting).toBe(2);
  expect(oldestSeconds).toBeGreaterThan(59);
});

test('news of a closed hold ring it once more, if they may cost something', async () => {
  const holdId = await house.hold();
  await house.say({ type: 'ended', holdId, startedAt: clock(0), at: clock(60) });
  await house.advance(holdId);
  await house.ledger.outbox.done(numbers(await house.ledger.outbox.claim(10, 60_000)));

  await house.say({ type: 'submitted', at: clock(0) });
  expect(await house.ledger.outbox.claim(10, 60_000)).toEqual([]);
  await house.say({ type: 'cost', at: clock(90), cost: '3' });
  expect(await house.ledger.outbox.claim(10, 60_000)).toMatchObject([
    { kind: 'ring', holdId, chapter: { closed: false } },
  ]);
});

test('a hold that is released by hand rings its story, which is over', async () => {
  const holdId = await house.hold();
  await house.ledger.outbox.done(numbers(await house.ledger.outbox.claim(10, 60_000)));
  await house.ledger.holds.release(holdId, 'not needed', { principal: 'local' });
  expect(await house.ledger.outbox.claim(10, 60_000)).toMatchObject([
    { kind: 'ring', holdId, chapter: { closed: true, state: 'released' } },
  ]);
  await house.ledger.holds.release(holdId, 'again', { principal: 'local' });
  expect(await house.ledger.outbox.claim(10, 60_000)).toEqual([]);
});

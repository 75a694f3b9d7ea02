/** Stories that nobody tells any more are found and told again. Real PostgreSQL. */
import { openLedger } from '../../ledger';
import { clock, openJobsHouse, type JobsHouse } from './jobs-house';

let house: JobsHouse;
beforeEach(async () => void (house = await openJobsHouse()));
afterEach(() => house[Symbol.asyncDispose]());

const tellEverybody = async () => {
  const items = await house.ledger.outbox.claim(1000, 60_000);
  await house.ledger.outbox.done(items.map(({ outboxNo }) => outboxNo));
};

/** Everything happened so much earlier. */
const timePasses = async (interval: string) => {
  await house.sql`update ledger.stories set due_at = due_at - ${interval}::interval`;
  await house.sql`update ledger.holds set placed_at = placed_at - ${interval}::interval`;
};

const strays = () => house.ledger.recovery.strays(100);

test('a hold whose story waits in the outbox, or is on time, is no stray', async () => {
  await house.hold();
  await timePasses('1 hour');
  expect(await strays()).toEqual([]);
  await house.hold({}, { at: new Date().toISOString() });
  await tellEverybody();
  await timePasses('2 hours');
  expect(await strays()).toHaveLength(1);
});

test('a story that should have looked long ago is a stray; one that is only late is not', async () => {
  const holdId = await house.hold({}, { at: new Date().toISOString() });
  await tellEverybody();
  await timePasses('1 day 5 minutes');
  expect(await strays()).toEqual([]);
  await timePasses('6 minutes');
  expect(await strays()).toMatchObject([{ holdId, cluster: 'hpc', generation: 0 }]);
});

test('an open hold that never had a story is a stray', async () => {
  const holdId = await house.hold();
  await house.sql`delete from ledger.outbox`;
  expect(await strays()).toEqual([]);
  await timePasses('11 minutes');
  expect(await strays()).toMatchObject([{ holdId, cluster: 'hpc', generation: 0 }]);
});

test('a stray that is told again is none until that story is late as well; its generation is remembered', async () => {
  const holdId = await house.hold();
  await house.sql`delete from ledger.outbox`;
  await timePasses('1 day');
  await house.ledger.recovery.restart([{ holdId, generation: 1 }]);
  await house.ledger.recovery.restart([{ holdId, generation: 1 }]);
  expect(await strays()).toEqual([]);

  const items = await house.ledger.outbox.claim(10, 60_000);
  expect(items).toMatchObject([{ kind: 'start', generation: 1, holdId }]);
  await house.ledger.outbox.done(items.map(({ outboxNo }) => outboxNo));
  expect(await strays()).toEqual([]);

  // Rings find the story under its new id, and so do people.
  await house.say({ type: 'started', holdId, at: clock(0) });
  expect(await house.ledger.outbox.claim(10, 60_000)).toMatchObject([{ kind: 'ring', generation: 1 }]);
  expect(await house.ledger.jobs.read('hpc', '4711')).toMatchObject({ workflowId: `job/hpc/${holdId}/g1` });
  await house.sql`delete from ledger.outbox`;
  await timePasses('9 days');
  expect(await strays()).toMatchObject([{ holdId, cluster: 'hpc', generation: 1 }]);
});

test('a story that is over is never a stray', async () => {
  const holdId = await house.hold();
  await house.say({ type: 'ended', holdId, startedAt: clock(0), at: clock(60) });
  await tellEverybody();
  await house.advance(holdId);
  await timePasses('9 days');
  expect(await strays()).toEqual([]);
});

test('the oldest come first, and no more than were asked for', async () => {
  const holdIds = [await house.hold(), await house.hold(), await house.hold()];
  await house.sql`delete from ledger.outbox`;
  for (const [index, holdId] of holdIds.entries()) {
    await house.sql`
      update ledger.holds set placed_at = placed_at - ${index + 1} * interval '1 hour' where hold_id = ${holdId}`;
  }
  const found = await house.ledger.recovery.strays(2);
  expect(found.map(({ holdId }) => holdId)).toEqual([holdIds[2], holdIds[1]]);
});

test('with recovery switched off nothing is a stray, and whoever asks still sees every open hold', async () => {
  const holdId = await house.hold();
  await house.sql`delete from ledger.outbox`;
  await timePasses('1 day');
  const { recovery } = openLedger(house.sql, { autoRecovery: false });
  expect(await strays()).toHaveLength(1);
  expect(await recovery.strays(100)).toEqual([]);
  expect(await recovery.open(100)).toMatchObject([{ holdId }]);
});

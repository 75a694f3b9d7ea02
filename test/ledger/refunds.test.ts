/** What runs get back for how they ended: by policy, by evidence, once. Real PostgreSQL. */
import { renderAmount } from '../../domain/money';
import type { Refund } from '../../ledger/contract';
import { CALLER, clock, openJobsHouse, usd, type JobsHouse } from './jobs-house';

let house: JobsHouse;
beforeAll(async () => {
  house = await openJobsHouse({
    cluster: {
      refundNodeFail: 'whole',
      refundPreempted: 'lost_time',
      refundAdminCancel: 'whole',
      refundLostTimeSeconds: 1800,
    },
  });
});
afterEach(() => house.books());
afterAll(() => house[Symbol.asyncDispose]());

let jobNumber = 0;
const nextJob = () => `r${(jobNumber += 1)}`;
const lineOf = ({ reason, amount, charged, refunded }: Refund) =>
  `${reason} ${renderAmount(amount)} of ${renderAmount(charged)}, ${renderAmount(refunded)} is back`;

const refundsOf = async (jobId: string): Promise<string[]> => {
  const { rows } = await house.ledger.refunds.list({ jobId }, { limit: 100 });
  return rows.map(lineOf);
};

/** A job that ran for two hours at 1 USD an hour. */
async function ran(jobId: string, more: Record<string, unknown>): Promise<string> {
  const holdId = await house.hold();
  await house.say(
    { type: 'started', jobId, holdId, at: clock(0) },
    { type: 'ended', jobId, at: clock(120), startedAt: clock(0), ...more },
  );
  await house.advance(holdId);
  return holdId;
}

test('a run whose node failed gets its charge back with the record as evidence, and its user is to be told', async () => {
  const jobId = nextJob();
  await ran(jobId, { endState: 'NODE_FAIL', raw: { state: 'NODE_FAIL', nodes: 'n17' } });
  const { rows } = await house.ledger.refunds.list({ jobId }, { limit: 100 });
  expect(rows).toHaveLength(1);
  expect(rows[0]).toMatchObject({
    account: 'physics',
    user: 'rkaur',
    reason: 'node_fail',
    policy: 'whole',
    amount: usd('2'),
    description: `Job ${jobId}: its node failed, its charge is refunded`,
    evidence: { type: 'ended', at: clock(120), record: { endState: 'NODE_FAIL', raw: { nodes: 'n17' } } },
    notice: { status: 'waiting' },
  });
  const story = await house.ledger.jobs.read('hpc', jobId);
  expect(story.state).toBe('settled');
  expect(story.runs[0]?.charge).toMatchObject({ amount: usd('2'), refunded: usd('2') });
  expect(story.transactions.map(({ kind }) => kind)).toContain('refund');
});

test('lost time is what the run cost in its last half hour, all of it where it ran for less', async () => {
  const jobId = nextJob();
  await ran(jobId, { endState: 'PREEMPTED' });
  expect(await refundsOf(jobId)).toEqual(['preempted 0.5 of 2, 0.5 is back']);
});

test('what is told again, by one or by many at once, is refunded once', async () => {
  const jobId = nextJob();
  const holdId = await ran(jobId, { endState: 'COMPLETED' });
  expect(await refundsOf(jobId)).toEqual([]);
  await house.say(
    { type: 'node_failed', jobId, at: clock(120), startedAt: clock(0) },
    { type: 'ended', jobId, at: clock(121), startedAt: clock(0), endState: 'NODE_FAIL' },
  );
  await Promise.all(Array.from({ length: 8 }, () => house.advance(holdId)));
  expect(await refundsOf(jobId)).toEqual(['node_fail 2 of 2, 2 is back']);
});

test('a cost that is corrected after the refund brings back what is missing, and takes nothing again', async () => {
  const jobId = nextJob();
  const holdId = await ran(jobId, { endState: 'NODE_FAIL' });
  await house.say({ type: 'cost', jobId, at: clock(130), startedAt: clock(0), cost: '3', correction: true });
  await house.advance(holdId);
  expect(await refundsOf(jobId)).toEqual(['node_fail 1 of 3, 3 is back', 'node_fail 2 of 3, 3 is back']);
  await house.say({ type: 'cost', jobId, at: clock(140), startedAt: clock(0), cost: '1', correction: true });
  await house.advance(holdId);
  expect(await refundsOf(jobId)).toEqual(['node_fail 1 of 3, 3 is back', 'node_fail 2 of 3, 3 is back']);
});

test('what a person gave back before counts, and stands in the list as manual', async () => {
  const jobId = nextJob();
  const holdId = await ran(jobId, { endState: 'FAILED' });
  const [charge] = (await house.ledger.movements.list({ jobId, kinds: ['charge'] }, { limit: 1 })).rows;
  await house.ledger.movements.refund({ transactionId: charge?.transactionId ?? '', amount: usd('1.25') }, CALLER);
  await house.say({ type: 'node_failed', jobId, at: clock(120), startedAt: clock(0) });
  await house.advance(holdId);
  expect(await refundsOf(jobId)).toEqual(['node_fail 0.75 of 2, 2 is back', 'manual 1.25 of 2, 2 is back']);
});

test.each([
  ['root', { cancelledBy: '0', uid: 1000 }, ['admin_cancel 2 of 2, 2 is back']],
  ['an operator', { cancelledBy: '1001', uid: 1000 }, ['admin_cancel 2 of 2, 2 is back']],
  ['its user', { cancelledBy: '1000', uid: 1000 }, []],
])('a run that was cancelled by %s: %p', async (_who, said, refunds) => {
  const jobId = nextJob();
  await ran(jobId, { endState: 'CANCELLED', ...said });
  expect(await refundsOf(jobId)).toEqual(refunds);
});

test('each run of a requeued job gets back for itself', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await house.say(
    { type: 'started', jobId, holdId, at: clock(0) },
    { type: 'node_failed', jobId, at: clock(60) },
    { type: 'started', jobId, at: clock(70) },
    { type: 'ended', jobId, at: clock(190), startedAt: clock(70), endState: 'COMPLETED' },
  );
  await house.advance(holdId);
  expect(await refundsOf(jobId)).toEqual(['node_fail 1 of 1, 1 is back']);
});

test('the list is found by account, user, cluster, reason and time, and paged', async () => {
  const first = await house.ledger.refunds.list({ account: 'physics', user: 'rkaur', cluster: 'hpc' }, { limit: 2 });
  expect(first.rows).toHaveLength(2);
  const rest = await house.ledger.refunds.list({}, { limit: 100, cursor: first.nextCursor ?? '' });
  const all = await house.ledger.refunds.list({}, { limit: 100 });
  expect([...first.rows, ...rest.rows]).toEqual(all.rows);
  const preempted = await house.ledger.refunds.list(
    { reason: 'preempted', from: '2020-01-01T00:00:00Z' },
    { limit: 9 },
  );
  expect(preempted.rows.map(({ reason }) => reason)).toEqual(['preempted']);
  expect((await house.ledger.refunds.list({ to: '2020-01-01T00:00:00Z' }, { limit: 9 })).rows).toEqual([]);
  await expect(house.ledger.refunds.list({ account: 'nobody' }, { limit: 9 })).rejects.toMatchObject({
    code: 'account_not_found',
  });
});

/** A job's life in the ledger: what events and the clock make of its hold. Real PostgreSQL. */
import { clock, key, openJobsHouse, type JobsHouse } from './jobs-house';

describe('an ordinary job', () => {
  let house: JobsHouse;
  beforeAll(async () => void (house = await openJobsHouse()));
  afterEach(() => house.books());
  afterAll(() => house[Symbol.asyncDispose]());

  test('is pending, runs, ends, and is charged for what it used; the rest comes back', async () => {
    const holdId = await house.hold();
    expect(await house.advance(holdId, { now: clock(1) })).toMatchObject({
      state: 'pending',
      closed: false,
      held: '4.8',
      waitsFor: 'the job to start',
    });

    await house.say({ type: 'submitted', jobId: '1', holdId, at: clock(0) });
    await house.say({ type: 'started', jobId: '1', at: clock(10) });
    expect(await house.advance(holdId, { now: clock(11) })).toMatchObject({
      state: 'running',
      jobId: '1',
      waitsFor: 'job 1 to end',
    });

    await house.say({ type: 'ended', jobId: '1', at: clock(70), startedAt: clock(10), endState: 'COMPLETED' });
    expect(await house.advance(holdId, { now: clock(71) })).toMatchObject({
      state: 'settled',
      closed: true,
      charged: '1',
      released: '3.8',
      held: '0',
    });
    expect(await house.money(holdId)).toEqual({ status: 'settled', held: '0', charged: '1', released: '3.8' });
  });

  test('that was cancelled while it waited gives everything back', async () => {
    const holdId = await house.hold();
    await house.say({ type: 'submitted', jobId: '2', holdId }, { type: 'cancelled', jobId: '2', at: clock(5) });
    expect(await house.advance(holdId)).toMatchObject({ state: 'released', closed: true, released: '4.8' });
    expect(await house.money(holdId)).toEqual({ status: 'released', held: '0', charged: '0', released: '4.8' });
  });

  test('is found by the key that its hook stamped on it', async () => {
    const caller = key();
    const holdId = await house.hold({}, {}, caller);
    const [receipt] = await house.say({ type: 'started', jobId: '3', at: clock(1), holdKey: caller.key ?? '' });
    expect(receipt).toMatchObject({ status: 'recorded', holdId });
  });
});

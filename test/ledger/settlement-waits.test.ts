/** What is not known yet: a price, a cost that is to be reported, a start, an end. It is waited for, and never guessed. */
import { clock, CALLER, openJobsHouse, usd, type JobsHouse } from './jobs-house';
import { chargesOf, minutesFromNow, nextJob, nodes } from './settlement-words';

let house: JobsHouse;
beforeAll(async () => void (house = await openJobsHouse()));
afterEach(() => house.books());
afterAll(() => house[Symbol.asyncDispose]());

describe('a gap in the rates', () => {
  const gap = { opens: '2026-05-01T00:00:00Z', closes: '2026-05-02T00:00:00Z' };
  let holdId: string;
  const jobId = 'gap';

  test('quarantines a run, and keeps its hold', async () => {
    const { ledger } = house;
    await ledger.catalog.putCluster('gappy', { timeZone: 'UTC', unpriced: 'allow', pricePreset: 'none' }, CALLER);
    const rate = { cluster: 'gappy', resource: 'node', unit: 'USD', rate: usd('1'), source: 'test' };
    await ledger.catalog.setRate({ ...rate, startsAt: '2020-01-01T00:00:00Z', endsAt: gap.opens }, CALLER);
    await ledger.catalog.setRate({ ...rate, startsAt: gap.closes, endsAt: null }, CALLER);
    holdId = await house.hold({}, { cluster: 'gappy', at: '2026-04-30T22:00:00Z' });
    await house.say({
      type: 'ended',
      cluster: 'gappy',
      jobId,
      holdId,
      startedAt: '2026-04-30T23:00:00Z',
      at: '2026-05-01T01:00:00Z',
    });
    expect(await house.advance(holdId)).toMatchObject({
      state: 'quarantined',
      closed: false,
      charged: '0',
      held: '2.4',
    });
    const { rows } = await ledger.jobs.list({ quarantined: true }, { limit: 10 });
    expect(rows).toMatchObject([{ jobId, state: 'quarantined', quarantined: true, held: usd('2.4') }]);
    expect((await ledger.jobs.read('gappy', jobId)).waitsFor).toContain('a price for job gap (');
  });

  test('is no gap any more once a rate fills it: the run is charged and its hold closed', async () => {
    await house.ledger.catalog.setRate(
      {
        cluster: 'gappy',
        resource: 'node',
        unit: 'USD',
        rate: usd('2'),
        source: 'test',
        startsAt: gap.opens,
        endsAt: gap.closes,
      },
      CALLER,
    );
    expect(await house.advance(holdId)).toMatchObject({ state: 'settled', charged: '3', closed: true });
    expect((await house.ledger.jobs.list({ quarantined: true }, { limit: 10 })).rows).toEqual([]);
  });
});

describe('where costs are reported', () => {
  beforeAll(() =>
    house.ledger.catalog.putPartition('hpc', { name: 'cloud', queueWeight: '1', costSource: 'reported' }, CALLER),
  );

  const ended = async () => {
    const [holdId, jobId] = [await house.hold({ partition: 'cloud' }), nextJob()];
    await house.say(
      { type: 'started', jobId, holdId, at: clock(0), partition: 'cloud' },
      { type: 'ended', jobId, at: clock(60) },
    );
    return { holdId, jobId };
  };

  test('an ended job waits for its cost and is settled by it', async () => {
    const { holdId, jobId } = await ended();
    expect(await house.advance(holdId, { now: clock(61) })).toMatchObject({
      state: 'awaiting_cost',
      held: '4.8',
      waitsFor: `the cost of job ${jobId} to be reported`,
    });
    await house.say({ type: 'cost', jobId, at: clock(70), cost: '2.3700000000000004' });
    expect(await house.advance(holdId)).toMatchObject({ state: 'settled', charged: '2.37', released: '2.43' });
  });

  test('without a cost in time it is settled provisionally; the first cost after that adjusts, a second one does not', async () => {
    const { holdId, jobId } = await ended();
    // The end is a day old by its own clock, but was told of only now: a grace later nothing more is waited for.
    await house.advance(holdId, { now: minutesFromNow(6) });
    expect(await chargesOf(house.sql, holdId)).toEqual([`${jobId} provisional 1`]);
    expect(await house.money(holdId)).toMatchObject({ status: 'settled', released: '3.8' });

    await house.say({ type: 'cost', jobId, at: clock(3 * 24 * 60), cost: '1.5' });
    await house.advance(holdId);
    expect(await chargesOf(house.sql, holdId)).toEqual([`${jobId} provisional 1.5`]);

    await house.say({ type: 'cost', jobId, at: clock(4 * 24 * 60), cost: '9' });
    await house.advance(holdId);
    expect(await chargesOf(house.sql, holdId)).toEqual([`${jobId} provisional 1.5`]);

    await house.say({ type: 'cost', jobId, at: clock(4 * 24 * 60), cost: '0.5', correction: true });
    await house.advance(holdId);
    expect(await chargesOf(house.sql, holdId)).toEqual([`${jobId} provisional 0.5`]);
  });
});

test('a job that nobody can say anything of is overdue, then given up; what comes later is charged without its hold', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await house.say({ type: 'started', jobId, holdId, at: clock(0) });
  const [heard] = await house.sql<{ at: string }[]>`select max(recorded_at) as at from ledger.job_events`;
  const days = (count: number) => new Date(Date.parse(heard?.at ?? '') + count * 86_400_000).toISOString();

  expect(await house.advance(holdId, { now: days(1) })).toMatchObject({ state: 'overdue', held: '4.8' });
  expect(await house.ledger.holds.read(holdId)).toMatchObject({ overdueAt: expect.any(String) });
  expect(await house.advance(holdId, { now: days(30), scheduler: 'unreachable' })).toMatchObject({
    state: 'overdue',
    held: '4.8',
    closed: false,
  });
  expect(await house.advance(holdId, { now: days(2.01) })).toMatchObject({ state: 'released', closed: true });

  await house.say({ type: 'ended', jobId, at: clock(120), startedAt: clock(0) });
  expect(await house.advance(holdId)).toMatchObject({ state: 'settled', charged: '2', closed: true });
  expect(await house.ledger.holds.read(holdId)).toMatchObject({ status: 'released' });
});

test('of a job that was given up nothing accrues', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await house.say({ type: 'started', jobId, holdId, at: clock(0) });
  expect(await house.ledger.jobs.read('hpc', jobId)).toMatchObject({ accrued: usd('4') });
  await house.advance(holdId, { now: minutesFromNow(3 * 24 * 60) });
  expect(await house.ledger.jobs.read('hpc', jobId)).toMatchObject({ state: 'released', accrued: 0n });
});

describe('a job whose end was told and whose start was not', () => {
  const givenUp = async () => {
    const [holdId, jobId] = [await house.hold(), nextJob()];
    await house.say({ type: 'ended', jobId, holdId, at: clock(60), endState: 'COMPLETED' });
    expect(await house.advance(holdId, { now: minutesFromNow(25 * 60) })).toMatchObject({ closed: false });
    expect(await quarantined()).toEqual([]);
    await house.advance(holdId, { now: minutesFromNow(49 * 60) });
    return { holdId, jobId };
  };
  const quarantined = async () => {
    const { rows } = await house.ledger.jobs.list({ quarantined: true }, { limit: 10 });
    expect((await house.ledger.figures()).quarantinedJobs).toBe(rows.length);
    return rows.map(({ jobId }) => jobId);
  };

  test('is released at twice the timeout with what is known of it, and quarantined until the start arrives', async () => {
    const { holdId, jobId } = await givenUp();
    expect(await house.money(holdId)).toMatchObject({ status: 'released', charged: '0' });
    const { rows } = await house.ledger.movements.list({ holdId, kinds: ['release'] }, { limit: 1 });
    expect(rows[0]?.description).toBe(`Job ${jobId} ended at 2026-03-02T13:00:00Z, but nobody has said when it began`);
    expect(await quarantined()).toEqual([jobId]);
    await house.advance(holdId);
    expect(await quarantined()).toEqual([jobId]);

    await house.say({ type: 'started', jobId, at: clock(0) });
    expect(await house.advance(holdId)).toMatchObject({ state: 'settled', charged: '1', closed: true });
    expect(await quarantined()).toEqual([]);
  });

  test('leaves the quarantine when its cost is reconciled', async () => {
    const { holdId } = await givenUp();
    await house.ledger.jobs.reconcile({ holdId, numeral: '2.5', actualCost: usd('2.5'), correction: false }, CALLER);
    expect(await chargesOf(house.sql, holdId)).toMatchObject([expect.stringContaining('reported 2.5')]);
    expect(await quarantined()).toEqual([]);
  });
});

test('a job of which nobody has said what it had is quarantined, not guessed', async () => {
  const jobId = nextJob();
  const [receipt] = await house.say({ type: 'started', jobId, account: 'physics', at: clock(0) });
  await house.say({ type: 'ended', jobId, at: clock(60) });
  expect(await house.advance(receipt?.holdId ?? '')).toMatchObject({ state: 'quarantined', charged: '0' });
  await house.say({ type: 'resized', jobId, at: clock(0), resources: nodes(2) });
  expect(await house.advance(receipt?.holdId ?? '')).toMatchObject({ state: 'settled', charged: '2' });
});

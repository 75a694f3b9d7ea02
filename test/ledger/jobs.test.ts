/** A job's life in the ledger: what events and the clock make of its hold. Real PostgreSQL. */
import { clock, key, openJobsHouse, usd, type JobsHouse } from './jobs-house';

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

describe('a job’s whole story', () => {
  let house: JobsHouse;
  beforeAll(async () => void (house = await openJobsHouse()));
  afterAll(() => house[Symbol.asyncDispose]());

  test('tells what was asked, decided, held, run, charged and returned, in order', async () => {
    const holdId = await house.hold({}, { jobName: 'train-07' });
    await house.say(
      { type: 'ended', jobId: '1', at: clock(130), startedAt: clock(70), endState: 'COMPLETED' },
      { type: 'started', jobId: '1', at: clock(10), holdId, name: 'train-07' },
      { type: 'requeued', jobId: '1', at: clock(40), startedAt: clock(10) },
    );
    await house.advance(holdId);
    const story = await house.ledger.jobs.read('hpc', '1');
    expect(story).toMatchObject({
      cluster: 'hpc',
      clusterTimeZone: 'UTC',
      jobId: '1',
      name: 'train-07',
      account: 'physics',
      user: 'rkaur',
      unit: 'USD',
      state: 'settled',
      holdId,
      workflowId: `job/hpc/${holdId}`,
      held: 0n,
      charged: usd('1.5'),
      accrued: 0n,
      decision: { code: 'placed', estimatedCost: usd('4'), holdAmount: usd('4.8'), holdMultiplier: '1.2' },
      hold: { holdId, status: 'settled' },
      runs: [
        { startedAt: clock(10), endedAt: clock(40), runSeconds: 1800, charge: { amount: usd('0.5'), source: 'usage' } },
        {
          startedAt: clock(70),
          endedAt: clock(130),
          runSeconds: 3600,
          endState: 'COMPLETED',
          charge: { amount: usd('1') },
        },
      ],
    });
    expect(story.events.map(({ type }) => type)).toEqual(['started', 'requeued', 'ended']);
    expect(story.transactions.map(({ kind }) => kind).sort()).toEqual(['charge', 'charge', 'hold', 'release']);
    expect(story.waitsFor).toBeUndefined();
  });

  test('while it goes on says what is waited for, and what it has accrued', async () => {
    const holdId = await house.hold();
    await house.say({ type: 'started', jobId: '2', holdId, at: new Date(Date.now() - 1_800_000).toISOString() });
    const story = await house.ledger.jobs.read('hpc', '2');
    expect(story).toMatchObject({ state: 'running', waitsFor: 'job 2 to end', deadline: expect.any(String) });
    expect(story.accrued).toBeGreaterThanOrEqual(usd('0.5'));
    expect(story.accrued).toBeLessThan(usd('0.51'));
  });

  test('is that of the newest job where ids were recycled, and of the array where a task is named', async () => {
    const [older, newer] = [await house.hold(), await house.hold()];
    await house.say({ type: 'submitted', jobId: '3', holdId: newer, at: clock(2) });
    await house.say({ type: 'submitted', jobId: '3', holdId: older, at: clock(1) });
    expect(await house.ledger.jobs.read('hpc', '3')).toMatchObject({ holdId: newer });
    expect(await house.ledger.jobs.read('hpc', '3_7')).toMatchObject({ holdId: newer, jobId: '3' });
    await expect(house.ledger.jobs.read('hpc', '4')).rejects.toMatchObject({ code: 'job_not_found' });
  });

  test('is found in lists by cluster, account, user, state and id, page by page, newest first', async () => {
    const all = await house.ledger.jobs.list({ cluster: 'hpc', account: 'physics' }, { limit: 100 });
    const ids = all.rows.map(({ jobId }) => jobId);
    expect(ids).toEqual(['3', '3', '2', '1']);
    const first = await house.ledger.jobs.list({}, { limit: 3 });
    const { rows, nextCursor } = await house.ledger.jobs.list({}, { limit: 3, cursor: first.nextCursor ?? '' });
    expect([...first.rows, ...rows].map(({ jobId }) => jobId)).toEqual(ids);
    expect(nextCursor).toBeUndefined();
    expect((await house.ledger.jobs.list({ state: 'settled' }, { limit: 9 })).rows).toMatchObject([{ jobId: '1' }]);
    expect((await house.ledger.jobs.list({ user: 'nobody' }, { limit: 9 })).rows).toEqual([]);
    await expect(house.ledger.jobs.list({}, { limit: 1, cursor: 'x' })).rejects.toMatchObject({
      code: 'malformed_request',
    });
  });

  test('stands once in a list however often it was requeued, with all its money, in whatever order that was told', async () => {
    const holds = [await house.hold(), await house.hold()];
    for (const [index, order] of [
      [0, 10, 20],
      [20, 0, 10],
    ].entries()) {
      const [jobId, holdId] = [`again-${index}`, holds[index] ?? ''];
      for (const minute of order) {
        const run = { submittedAt: clock(minute), startedAt: clock(minute), at: clock(minute + 6) };
        await house.say({ type: minute === 20 ? 'ended' : 'requeued', jobId, holdId, ...run });
      }
      await house.advance(holdId);
    }
    const again = { account: 'physics' };
    const { rows } = await house.ledger.jobs.list(again, { limit: 2 });
    expect(rows.map(({ jobId, submittedAt, charged }) => [jobId, submittedAt, charged])).toEqual([
      ['again-1', clock(20), usd('0.3')],
      ['again-0', clock(20), usd('0.3')],
    ]);
    const ids = [];
    for (let cursor: string | undefined; ;) {
      const page = await house.ledger.jobs.list(again, { limit: 1, ...(cursor === undefined ? {} : { cursor }) });
      ids.push(...page.rows.map(({ jobId }) => jobId));
      if ((cursor = page.nextCursor) === undefined) break;
    }
    expect(ids).toEqual(['again-1', 'again-0', '3', '3', '2', '1']);
    expect((await house.ledger.jobs.list({ ...again, jobId: 'again-0' }, { limit: 9 })).rows).toHaveLength(1);
  });
});

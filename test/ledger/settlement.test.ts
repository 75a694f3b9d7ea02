/** What a run costs and what its hold keeps: requeues, pauses, changes, funds, and everything once. Real PostgreSQL. */
import { loadFacts } from '../../ledger/story-facts';
import { clock, CALLER, openJobsHouse, usd, type JobsHouse } from './jobs-house';
import { chargesOf, nextJob, nodes } from './settlement-words';

let house: JobsHouse;
beforeAll(async () => void (house = await openJobsHouse()));
afterEach(() => house.books());
afterAll(() => house[Symbol.asyncDispose]());

test('a requeue charges the closed run and holds again for a full one', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await house.say({ type: 'started', jobId, holdId, at: clock(0) }, { type: 'requeued', jobId, at: clock(60) });
  expect(await house.advance(holdId, { now: clock(61) })).toMatchObject({
    state: 'pending',
    waitsFor: `job ${jobId} to run again`,
    charged: '1',
    held: '4.8',
  });
  await house.say({ type: 'started', jobId, at: clock(70) }, { type: 'ended', jobId, at: clock(190) });
  expect(await house.advance(holdId, { now: clock(191) })).toMatchObject({
    state: 'settled',
    charged: '3',
    released: '2.8',
  });
  expect(await chargesOf(house.sql, holdId)).toEqual([`${jobId} usage 1`, `${jobId} usage 2`]);
});

test.each([['run_on'], ['hold_job'], ['cancel']] as const)(
  'a requeue that the money does not cover keeps what it has, and the story says the policy: %s',
  async (onRequeueShortfall) => {
    const account = `short-${onRequeueShortfall}`;
    await house.ledger.accounts.create(
      {
        name: account,
        unit: 'USD',
        title: account,
        startsAt: '2020-01-01T00:00:00Z',
        endsAt: '2099-01-01T00:00:00Z',
        budgetLimit: usd('5'),
        onRequeueShortfall,
      },
      CALLER,
    );
    const [holdId, jobId] = [await house.hold({}, { account }), nextJob()];
    await house.say({ type: 'started', jobId, holdId, at: clock(0) }, { type: 'requeued', jobId, at: clock(60) });
    const chapter = await house.advance(holdId, { now: clock(61) });
    expect(chapter).toMatchObject({
      held: '3.8',
      shortfall: { why: 'requeue', policy: onRequeueShortfall, requested: '1', code: 'insufficient_budget' },
    });
    // Asked once: looking again tries nothing again.
    expect(await house.advance(holdId, { now: clock(62) })).toEqual({ ...chapter, deadlineMs: expect.any(Number) });
  },
);

test('suspended time is not charged', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await house.say(
    { type: 'started', jobId, holdId, at: clock(0) },
    { type: 'suspended', jobId, at: clock(30) },
    { type: 'resumed', jobId, at: clock(90) },
    { type: 'ended', jobId, at: clock(120) },
  );
  expect(await house.advance(holdId)).toMatchObject({ charged: '1' });
});

test('suspended time that the accounting knows only as a sum is not charged either', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await house.say({ type: 'ended', jobId, holdId, startedAt: clock(0), at: clock(120), suspendedSeconds: 3600 });
  expect(await house.advance(holdId)).toMatchObject({ charged: '1' });
});

test('what a run really had is what it pays for, cut where it was resized', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await house.say(
    { type: 'started', jobId, holdId, at: clock(0), resources: nodes(2) },
    { type: 'resized', jobId, at: clock(60), resources: nodes(1) },
    { type: 'ended', jobId, at: clock(120) },
  );
  expect(await house.advance(holdId)).toMatchObject({ charged: '3' });
});

test('a longer time limit holds more, a shorter one less, and each is acted on once', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await house.say({ type: 'started', jobId, holdId, at: clock(0) });
  await house.say({ type: 'resized', jobId, at: clock(10), timeLimitSeconds: 8 * 3600 });
  expect(await house.advance(holdId, { now: clock(11) })).toMatchObject({ held: '9.6' });
  await house.say({ type: 'resized', jobId, at: clock(20), timeLimitSeconds: 3600 });
  expect(await house.advance(holdId, { now: clock(21) })).toMatchObject({ held: '1.2' });

  await house.ledger.holds.resize(holdId, usd('3'), 'by hand', CALLER);
  expect(await house.advance(holdId, { now: clock(22) })).toMatchObject({ held: '3' });
});

test('a run across midnight of 30 September is paid by both years, each for its own hours', async () => {
  await house.ledger.accounts.create(
    {
      name: 'grant',
      unit: 'USD',
      title: 'Grant',
      startsAt: '2020-01-01T00:00:00Z',
      endsAt: '2099-01-01T00:00:00Z',
    },
    CALLER,
  );
  const fund = (opensAt: string, closesAt: string, label: string) =>
    house.ledger.movements.deposit({ account: 'grant', amount: usd('100'), opensAt, closesAt, label }, CALLER);
  await fund('2025-10-01T00:00:00Z', '2026-10-01T00:00:00Z', 'FY26');
  await fund('2026-10-01T00:00:00Z', '2027-10-01T00:00:00Z', 'FY27');
  const [holdId, jobId] = [await house.hold({}, { account: 'grant', at: '2026-09-30T21:00:00Z' }), nextJob()];
  await house.say({
    type: 'ended',
    jobId,
    holdId,
    startedAt: '2026-09-30T21:30:00Z',
    at: '2026-10-01T01:00:00Z',
  });
  await house.advance(holdId);
  const paid = await house.sql<{ label: string; amount: string }[]>`
    select f.label, ledger.decimal_of(sum(p.amount_micro)::bigint) as amount
    from ledger.charge_pieces p join ledger.charges c using (charge_no) join ledger.holds h using (hold_no)
    join ledger.funds f on f.fund_no = p.fund_no
    where h.hold_id = ${holdId} group by f.label order by f.label`;
  expect(paid.map(({ label, amount }) => [label, amount])).toEqual([
    ['FY26', '2.5'],
    ['FY27', '1'],
  ]);
});

test('twenty advances at once do everything once', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await house.say(
    { type: 'started', jobId, holdId, at: clock(0) },
    { type: 'requeued', jobId, at: clock(60), startedAt: clock(0) },
    { type: 'started', jobId, at: clock(70) },
    { type: 'ended', jobId, at: clock(130), startedAt: clock(70) },
  );
  const chapters = await Promise.all(Array.from({ length: 20 }, () => house.advance(holdId)));
  for (const chapter of chapters) expect(chapter).toMatchObject({ closed: true, charged: '2', released: '2.8' });
  expect(await chargesOf(house.sql, holdId)).toEqual([`${jobId} usage 1`, `${jobId} usage 1`]);
});

test('a story that was told from what is no longer true does nothing', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await house.say({ type: 'started', jobId, holdId, at: clock(0) });
  const facts = await loadFacts(house.sql, holdId);
  const act = async (seen: { event_no: string; charges: number }) => {
    const acts = [{ act: 'close', hold_id: holdId, reason: 'too late', actor: 'test' }];
    const [row] = await house.sql<{ outcome: string }[]>`
      select ledger.act_on_story(${facts.leaderNo}, ${JSON.stringify(seen)}::text::jsonb,
        ${JSON.stringify(acts)}::text::jsonb, '{"handled_through": "0"}') ->> 'outcome' as outcome`;
    return row?.outcome;
  };
  const seen = { event_no: String(facts.events[0]?.eventNo), charges: 0 };
  await house.say({ type: 'requeued', jobId, at: clock(60) });
  expect(await act(seen)).toBe('stale');
  await house.advance(holdId, { now: clock(61) });
  const now = await loadFacts(house.sql, holdId);
  expect(await act({ event_no: String(now.events.at(-1)?.eventNo), charges: 0 })).toBe('stale');
  expect(await house.money(holdId)).toMatchObject({ status: 'open', charged: '1' });
});

test('what running jobs have accrued is shown in the balance and by the job, and is not stored', async () => {
  await house.ledger.accounts.create(
    {
      name: 'live',
      unit: 'USD',
      title: 'Live',
      startsAt: '2020-01-01T00:00:00Z',
      endsAt: '2099-01-01T00:00:00Z',
      budgetLimit: usd('100'),
    },
    CALLER,
  );
  const [holdId, jobId] = [await house.hold({}, { account: 'live' }), nextJob()];
  await house.say({ type: 'started', jobId, holdId, at: clock(0) });
  expect(await house.ledger.accounts.balance('live', clock(90))).toMatchObject({
    held: usd('4.8'),
    inFlight: usd('1.5'),
    committed: usd('3.3'),
    available: usd('95.2'),
    overHold: 0n,
    difference: 0n,
  });
  // Long after its limit nobody has heard of it: it has not run for longer than it was allowed to.
  expect(await house.ledger.accounts.balance('live', clock(100_000))).toMatchObject({ inFlight: usd('4') });
  const { rows } = await house.ledger.jobs.list({ account: 'live' }, { limit: 10 });
  expect(rows).toMatchObject([{ state: 'running', accrued: usd('4'), held: usd('4.8') }]);
});

test('a run of no length costs nothing and is a charge all the same', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await house.say({ type: 'ended', jobId, holdId, startedAt: clock(5), at: clock(5), endState: 'FAILED' });
  expect(await house.advance(holdId)).toMatchObject({ state: 'settled', charged: '0', released: '4.8' });
  expect(await chargesOf(house.sql, holdId)).toEqual([`${jobId} usage 0`]);
});

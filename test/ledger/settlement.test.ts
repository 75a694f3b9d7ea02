/** What runs cost and what their holds keep: requeues, arrays, components, pauses, changes, funds. Real PostgreSQL. */
import type { Resources } from '../../domain/job';
import { renderAmount, toMicro } from '../../domain/money';
import { loadFacts } from '../../ledger/story-facts';
import { clock, CALLER, job, NOON, openJobsHouse, usd, type JobsHouse } from './jobs-house';

let house: JobsHouse;
beforeAll(async () => void (house = await openJobsHouse()));
afterEach(() => house.books());
afterAll(() => house[Symbol.asyncDispose]());

const minutesFromNow = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();

const nodes = (count: number): Resources => ({ nodes: count, cpus: 8, gpus: 0, gpusByModel: {}, memoryMib: 0 });

let jobNumber = 0;
const nextJob = () => `s${(jobNumber += 1)}`;

/** Charges of a hold, oldest first, as decimal strings. */
const chargesOf = async (holdId: string) => {
  const rows = await house.sql<{ key: string; amount: string; source: string }[]>`
    select split_part(run_key, '/', 2) as key, ledger.decimal_of(amount_micro + adjusted_micro) as amount, source
    from ledger.charges join ledger.holds using (hold_no) where hold_id = ${holdId} order by run_key`;
  return rows.map(({ key, amount, source }) => `${key} ${source} ${amount}`);
};

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
  expect(await chargesOf(holdId)).toEqual([`${jobId} usage 1`, `${jobId} usage 2`]);
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

test('an array settles its tasks one by one from one hold, which keeps enough for the rest and closes with the last', async () => {
  const [holdId, jobId] = [await house.hold({ arrayTasks: 3 }), nextJob()];
  const task = (name: string, start: number, end: number) =>
    house.say(
      { type: 'started', jobId, task: name, holdId, at: clock(start) },
      { type: 'ended', jobId, task: name, at: clock(end) },
    );
  expect(await house.money(holdId)).toMatchObject({ held: '14.4' });
  await task('1', 0, 60);
  expect(await house.advance(holdId, { now: clock(61) })).toMatchObject({
    charged: '1',
    held: '9.6',
    state: 'pending',
  });
  await task('2', 0, 120);
  expect(await house.advance(holdId, { now: clock(121) })).toMatchObject({ charged: '3', held: '4.8', closed: false });
  await house.say({ type: 'cancelled', jobId, task: '3', at: clock(130) });
  expect(await house.advance(holdId)).toMatchObject({ state: 'settled', closed: true, charged: '3', held: '0' });
  expect(await chargesOf(holdId)).toEqual([`${jobId}_1 usage 1`, `${jobId}_2 usage 2`]);
});

test('the numbers of a hold add up at every step: an array drawn down task by task, resized, charged beyond, corrected', async () => {
  const [holdId, jobId] = [await house.hold({ arrayTasks: 3 }), nextJob()];
  /** What its lines say that charges took out of the hold: not what the others leave over. */
  const fromLines = async () => {
    const [row] = await house.sql<{ micro: bigint }[]>`
      select coalesce(-sum(e.amount_micro), 0)::bigint as micro
      from ledger.entries e join ledger.transactions t using (txn_no) join ledger.holds h using (hold_no)
      where h.hold_id = ${holdId} and e.book = 'h' and t.kind in ('charge', 'adjustment')`;
    return row?.micro;
  };
  const steps: string[] = [];
  const look = async () => {
    const hold = await house.ledger.holds.read(holdId);
    const { placed, resized, givenBack, held, charged, chargedFromHold, released } = hold;
    expect(placed + resized).toBe(held + chargedFromHold + released);
    expect(chargedFromHold).toBe(await fromLines());
    steps.push([placed, resized, givenBack, held, charged, chargedFromHold, released].map(renderAmount).join(' | '));
  };
  const end = (task: string, hours: number) =>
    house.say({ type: 'ended', jobId, holdId, task, startedAt: clock(0), at: clock(60 * hours) });

  await look();
  await end('1', 1);
  await house.advance(holdId, { now: clock(61) });
  await look();
  await house.ledger.holds.resize(holdId, usd('3'), 'less', CALLER);
  await look();
  await house.ledger.holds.resize(holdId, usd('5'), 'more', CALLER);
  await look();
  await end('2', 2);
  await end('3', 4);
  await house.advance(holdId);
  await look();
  const [charge] = (await house.ledger.movements.list({ holdId, kinds: ['charge'] }, { limit: 1 })).rows;
  await house.ledger.movements.adjust(
    { transactionId: charge?.transactionId ?? '', amount: toMicro(-usd('0.5')), description: 'wrong rate' },
    CALLER,
  );
  await look();
  // placed | resized | of it given back | held | charged | of it from the hold | released
  expect(steps).toEqual([
    '14.4 | 0 | 0 | 14.4 | 0 | 0 | 0',
    '14.4 | -3.8 | 3.8 | 9.6 | 1 | 1 | 0',
    '14.4 | -10.4 | 10.4 | 3 | 1 | 1 | 0',
    '14.4 | -8.4 | 10.4 | 5 | 1 | 1 | 0',
    '14.4 | -8.4 | 10.4 | 0 | 7 | 6 | 0',
    '14.4 | -8.4 | 10.4 | 0 | 6.5 | 6 | 0',
  ]);
});

test('three hundred tasks that ended together are charged in one look, each once, whoever looks besides', async () => {
  await house.ledger.movements.deposit({ account: 'physics', amount: usd('10000') }, CALLER);
  const [holdId, jobId] = [await house.hold({ arrayTasks: 300 }), nextJob()];
  const tasks = Array.from({ length: 300 }, (_, index) => String(index));
  await house.say(
    ...tasks.map((task) => ({ type: 'ended' as const, jobId, holdId, task, startedAt: clock(0), at: clock(60) })),
  );
  const chapters = await Promise.all([house.advance(holdId), house.advance(holdId), house.advance(holdId)]);
  for (const chapter of chapters) expect(chapter).toMatchObject({ state: 'settled', charged: '300', held: '0' });
  expect(await chargesOf(holdId)).toHaveLength(300);
});

test('a heterogeneous job is one story over the holds of its components, each charged for its own', async () => {
  const decision = await house.ledger.admission.check(
    { account: 'physics', components: [job(), job({ resources: nodes(4) })], user: 'rkaur', at: NOON },
    CALLER,
  );
  const [leader = '', other = ''] = decision.componentHoldIds ?? [];
  const jobId = nextJob();
  await house.say({ type: 'started', jobId, holdId: leader, at: clock(0) });
  expect(await house.advance(other, { now: clock(1) })).toMatchObject({ holdId: leader, state: 'running', held: '24' });
  await house.say({ type: 'ended', jobId, task: '+1', at: clock(30), startedAt: clock(0) });
  expect(await house.advance(leader, { now: clock(31) })).toMatchObject({
    state: 'running',
    charged: '2',
    held: '4.8',
  });
  await house.say({ type: 'ended', jobId, at: clock(60) });
  expect(await house.advance(leader)).toMatchObject({ state: 'settled', charged: '3', held: '0', closed: true });
  expect(await house.money(other)).toMatchObject({ status: 'settled', charged: '2', released: '17.2' });
});

test('a heterogeneous job that was cancelled while it waited gives back all of its holds', async () => {
  const decision = await house.ledger.admission.check(
    { account: 'physics', components: [job(), job()], user: 'rkaur', at: NOON },
    CALLER,
  );
  const jobId = nextJob();
  await house.say({ type: 'cancelled', jobId, holdId: decision.holdId ?? '', at: clock(1) });
  await house.advance(decision.holdId ?? '');
  for (const holdId of decision.componentHoldIds ?? []) {
    expect(await house.money(holdId)).toMatchObject({ status: 'released', held: '0' });
  }
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
    expect(await chargesOf(holdId)).toEqual([`${jobId} provisional 1`]);
    expect(await house.money(holdId)).toMatchObject({ status: 'settled', released: '3.8' });

    await house.say({ type: 'cost', jobId, at: clock(3 * 24 * 60), cost: '1.5' });
    await house.advance(holdId);
    expect(await chargesOf(holdId)).toEqual([`${jobId} provisional 1.5`]);

    await house.say({ type: 'cost', jobId, at: clock(4 * 24 * 60), cost: '9' });
    await house.advance(holdId);
    expect(await chargesOf(holdId)).toEqual([`${jobId} provisional 1.5`]);

    await house.say({ type: 'cost', jobId, at: clock(4 * 24 * 60), cost: '0.5', correction: true });
    await house.advance(holdId);
    expect(await chargesOf(holdId)).toEqual([`${jobId} provisional 0.5`]);
  });
});

test('one cost for a whole array is divided over its tasks by what each used, to the last millionth', async () => {
  const [holdId, jobId] = [await house.hold({ arrayTasks: 3 }), nextJob()];
  for (const [task, end] of [
    ['1', 60],
    ['2', 60],
    ['3', 30],
  ] as const) {
    await house.say(
      { type: 'started', jobId, task, holdId, at: clock(0) },
      { type: 'ended', jobId, task, at: clock(end) },
    );
  }
  await house.advance(holdId);
  await house.say({ type: 'cost', jobId, at: clock(90), cost: '1' });
  await house.advance(holdId);
  expect(await chargesOf(holdId)).toEqual([`${jobId}_1 usage 0.4`, `${jobId}_2 usage 0.4`, `${jobId}_3 usage 0.2`]);
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
    expect(await chargesOf(holdId)).toMatchObject([expect.stringContaining('reported 2.5')]);
    expect(await quarantined()).toEqual([]);
  });
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
  expect(await chargesOf(holdId)).toEqual([`${jobId} usage 1`, `${jobId} usage 1`]);
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

test('a job of which nobody has said what it had is quarantined, not guessed', async () => {
  const jobId = nextJob();
  const [receipt] = await house.say({ type: 'started', jobId, account: 'physics', at: clock(0) });
  await house.say({ type: 'ended', jobId, at: clock(60) });
  expect(await house.advance(receipt?.holdId ?? '')).toMatchObject({ state: 'quarantined', charged: '0' });
  await house.say({ type: 'resized', jobId, at: clock(0), resources: nodes(2) });
  expect(await house.advance(receipt?.holdId ?? '')).toMatchObject({ state: 'settled', charged: '2' });
});

test('a run of no length costs nothing and is a charge all the same', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await house.say({ type: 'ended', jobId, holdId, startedAt: clock(5), at: clock(5), endState: 'FAILED' });
  expect(await house.advance(holdId)).toMatchObject({ state: 'settled', charged: '0', released: '4.8' });
  expect(await chargesOf(holdId)).toEqual([`${jobId} usage 0`]);
});

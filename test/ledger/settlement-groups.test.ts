/** Jobs of several parts: the tasks of an array share one hold, the components of a heterogeneous job one story. */
import { renderAmount, toMicro } from '../../domain/money';
import { clock, CALLER, job, NOON, openJobsHouse, usd, type JobsHouse } from './jobs-house';
import { chargesOf, nextJob, nodes } from './settlement-words';

let house: JobsHouse;
beforeAll(async () => void (house = await openJobsHouse()));
afterEach(() => house.books());
afterAll(() => house[Symbol.asyncDispose]());

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
  expect(await chargesOf(house.sql, holdId)).toEqual([`${jobId}_1 usage 1`, `${jobId}_2 usage 2`]);
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
  expect(await chargesOf(house.sql, holdId)).toHaveLength(300);
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
  expect(await chargesOf(house.sql, holdId)).toEqual([
    `${jobId}_1 usage 0.4`,
    `${jobId}_2 usage 0.4`,
    `${jobId}_3 usage 0.2`,
  ]);
});

/** What schedulers say, and which job and hold it is about. Real PostgreSQL. */
import type { EventReceipt } from '../../ledger/contract';
import { clock, key, openJobsHouse, CALLER, type JobsHouse } from './jobs-house';

let house: JobsHouse;
beforeAll(async () => void (house = await openJobsHouse({ poolSize: 12, limit: '100000' })));
afterAll(() => house[Symbol.asyncDispose]());
afterEach(() => house.books());

const statuses = (receipts: EventReceipt[]) => receipts.map(({ status }) => status);

const jobsOf = (jobId: string) => house.sql<{ state: string; holdId: string | null; submittedAt: string | null }[]>`
  select j.state, h.hold_id as "holdId", j.submitted_at as "submittedAt"
  from ledger.jobs j left join ledger.holds h using (hold_no) where j.job_id = ${jobId} order by j.submitted_at nulls first`;

const eventCount = async (jobId: string) => {
  const [row] = await house.sql<{ count: number }[]>`
    select count(*)::int as count from ledger.job_events join ledger.jobs using (job_no) where job_id = ${jobId}`;
  return row?.count;
};

const ringsOf = async (holdId: string) => {
  const rows = await house.sql<{ kind: string }[]>`
    select o.kind from ledger.outbox o join ledger.holds h using (hold_no) where h.hold_id = ${holdId} order by outbox_no`;
  return rows.map(({ kind }) => kind);
};

test('the same event twice is one event, in one batch, in two, and at the same moment in ten', async () => {
  const holdId = await house.hold();
  const started = { type: 'started', jobId: 'dup', holdId, at: clock(1) } as const;
  expect(statuses(await house.say(started, started))).toEqual(['recorded', 'duplicate']);
  expect(statuses(await house.say({ ...started, at: '2026-03-02T13:01:00+01:00' }))).toEqual(['duplicate']);

  const ended = { type: 'ended', jobId: 'dup', at: clock(2) } as const;
  const receipts = await Promise.all(Array.from({ length: 10 }, () => house.say(ended)));
  expect(statuses(receipts.flat()).sort()).toEqual([...Array<string>(9).fill('duplicate'), 'recorded']);
  expect(await eventCount('dup')).toBe(2);
});

test('events that differ in anything that matters are two', async () => {
  const holdId = await house.hold();
  const cost = { type: 'cost', jobId: 'diff', holdId, at: clock(1), cost: '1' } as const;
  expect(statuses(await house.say(cost, { ...cost, cost: '2' }, { ...cost, cost: '2', correction: true }))).toEqual([
    'recorded',
    'recorded',
    'recorded',
  ]);
});

describe('a second cost that differs', () => {
  const ignored = (stands: string, said: string) =>
    `it changes nothing: the cost stands at ${stands} USD, as reported; send ${said} with "correction": true to change it`;
  const details = (receipts: EventReceipt[]) => receipts.map(({ status, detail }) => detail ?? status);
  const cost = (jobId: string, minute: number, numeral: string, more: object = {}) =>
    ({ type: 'cost', jobId, at: clock(minute), cost: numeral, ...more }) as const;

  test('is kept, and its receipt says that it changes nothing, which cost stands and what would change it', async () => {
    const holdId = await house.hold();
    const second = cost('cost-2', 91, '9');
    expect(details(await house.say(cost('cost-2', 90, '12.50', { holdId }), second))).toEqual([
      'recorded',
      ignored('12.5', '9'),
    ]);
    expect(details(await house.say(second))).toEqual([ignored('12.5', '9')]);
    expect(details(await house.say(cost('cost-2', 92, '12.5')))).toEqual(['recorded']);
    expect(details(await house.say(cost('cost-2', 93, '7', { correction: true })))).toEqual(['recorded']);
    expect(details(await house.say(cost('cost-2', 94, '8')))).toEqual([ignored('7', '8')]);
    expect(await eventCount('cost-2')).toBe(5);
  });

  test('is none where it is for another run or another task', async () => {
    const [runs, array] = [await house.hold(), await house.hold({ arrayTasks: 2 })];
    await house.say(
      { type: 'started', jobId: 'cost-runs', holdId: runs, at: clock(0) },
      { type: 'requeued', jobId: 'cost-runs', at: clock(10) },
      { type: 'started', jobId: 'cost-runs', at: clock(20) },
    );
    const receipts = await house.say(
      cost('cost-runs', 30, '1', { startedAt: clock(0) }),
      cost('cost-runs', 31, '2', { startedAt: clock(20) }),
      cost('cost-array', 30, '1', { task: '1', holdId: array }),
      cost('cost-array', 31, '2', { task: '2' }),
    );
    expect(details(receipts)).toEqual(['recorded', 'recorded', 'recorded', 'recorded']);
    expect(details(await house.say(cost('cost-runs', 32, '3', { startedAt: clock(0) })))).toEqual([ignored('1', '3')]);
  });
});

test('receipts come in the order of the events, whatever jobs they are about', async () => {
  const receipts = await house.say(
    ...['z', 'a', 'm', 'z', 'b'].map((jobId, index) => ({ type: 'submitted' as const, jobId, at: clock(index) })),
  );
  expect(receipts.map(({ jobId }) => jobId)).toEqual(['z', 'a', 'm', 'z', 'b']);
});

test('a job keeps the hold that its first event named; later events need not name it', async () => {
  const caller = key();
  const holdId = await house.hold({}, {}, caller);
  await house.say({ type: 'submitted', jobId: 'keyed', holdKey: caller.key ?? '', at: clock(0) });
  const [receipt] = await house.say({ type: 'started', jobId: 'keyed', submittedAt: clock(0), at: clock(5) });
  expect(receipt).toMatchObject({ status: 'recorded', holdId });
});

test('a job that was heard of before its hold was named is bound with all its events', async () => {
  const holdId = await house.hold();
  expect(statuses(await house.say({ type: 'started', jobId: 'later', at: clock(1) }))).toEqual(['unmatched']);
  expect(await jobsOf('later')).toMatchObject([{ state: 'unmatched', holdId: null }]);
  await house.say({ type: 'ended', jobId: 'later', at: clock(31), holdId });
  await house.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled', charged: '0.5' });
});

test('a check that named the job is enough to find its hold', async () => {
  const holdId = await house.hold({}, { jobId: 'named' });
  const [receipt] = await house.say({ type: 'started', jobId: 'named', at: clock(1) });
  expect(receipt).toMatchObject({ status: 'recorded', holdId });
});

test('job ids recycle within seconds: the submit time, or the time of the event, tells the jobs apart', async () => {
  const [first, second] = [await house.hold(), await house.hold()];
  await house.say({ type: 'submitted', jobId: 'again', holdId: first, at: clock(0, 0) });
  await house.say({ type: 'submitted', jobId: 'again', holdId: second, at: clock(0, 3) });
  const receipts = await house.say(
    { type: 'started', jobId: 'again', submittedAt: clock(0, 0), at: clock(0, 4) },
    { type: 'started', jobId: 'again', submittedAt: clock(0, 3), at: clock(0, 5) },
    { type: 'cancelled', jobId: 'again', at: clock(0, 2) },
    { type: 'ended', jobId: 'again', at: clock(60), startedAt: clock(0, 5) },
  );
  expect(receipts.map(({ holdId }) => holdId)).toEqual([first, second, first, second]);
});

test('a start that a slower clock puts before the submit time is the start of that job', async () => {
  const holdId = await house.hold();
  await house.say({ type: 'submitted', jobId: 'early', holdId, at: clock(0) });
  const receipts = await house.say(
    { type: 'started', jobId: 'early', at: clock(0, -1) },
    { type: 'ended', jobId: 'early', at: clock(60) },
  );
  expect(receipts).toMatchObject([
    { status: 'recorded', holdId },
    { status: 'recorded', holdId },
  ]);
  await house.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled', charged: '1.000278' });
});

test('an early event that names the hold makes no second job of it', async () => {
  const holdId = await house.hold();
  await house.say({ type: 'submitted', jobId: 'early-named', at: clock(0) });
  await house.say({ type: 'started', jobId: 'early-named', holdId, at: clock(0, -1) });
  expect(await jobsOf('early-named')).toMatchObject([{ holdId }]);
});

test('an event from before the tolerance of clocks is not of a job that was submitted later', async () => {
  const holdId = await house.hold();
  await house.say({ type: 'submitted', jobId: 'too-early', holdId, at: clock(1, 1) });
  expect(await house.say({ type: 'started', jobId: 'too-early', at: clock(0) })).toMatchObject([
    { status: 'unmatched' },
  ]);
});

describe('an event just before the submit time of a job whose id was taken before', () => {
  const old = 'ended before it';
  let count = 0;
  /** An old job, ended at 0:20 by its own account if it has, and a new one submitted at 0:30. */
  const recycled = async (state: typeof old | 'going on') => {
    const jobId = `recycled-${(count += 1)}`;
    const [first, second] = [await house.hold(), await house.hold()];
    await house.say(
      { type: 'submitted', jobId, holdId: first, at: clock(-60) },
      { type: 'started', jobId, submittedAt: clock(-60), at: clock(-59) },
    );
    if (state === old) await house.say({ type: 'ended', jobId, submittedAt: clock(-60), at: clock(0, 20) });
    await house.say({ type: 'submitted', jobId, holdId: second, at: clock(0, 30) });
    const holdOf = async (...events: Parameters<JobsHouse['say']>) => {
      const [receipt] = await house.say(...events.map((event) => ({ jobId, ...event })));
      return receipt?.holdId === first ? 'the old' : receipt?.holdId === second ? 'the new' : receipt;
    };
    return holdOf;
  };

  test.each([
    ['a start', { type: 'started', at: clock(0, 29) }, 'the new'],
    ['an end with such a start', { type: 'ended', at: clock(60), startedAt: clock(0, 29) }, 'the new'],
    ['a second record of the end', { type: 'ended', at: clock(0, 21) }, 'the old'],
    ['the same record of the end', { type: 'ended', at: clock(0, 20) }, 'the old'],
    ['its cost', { type: 'cost', at: clock(0, 25), cost: '1' }, 'the old'],
  ] as const)('where that one has ended: %s', async (_what, event, whose) => {
    const holdOf = await recycled(old);
    expect(await holdOf(event)).toBe(whose);
  });

  test('is of the old job while that one goes on', async () => {
    const holdOf = await recycled('going on');
    expect(await holdOf({ type: 'suspended', at: clock(0, 29) })).toBe('the old');
  });
});

describe('a controller that has forgotten a job gives its id to another', () => {
  const prologOf = (jobId: string) => ({ type: 'started', jobId, at: clock(0, 5) }) as const;
  const epilogOf = (jobId: string) => ({ type: 'ended', jobId, at: clock(30, 5) }) as const;
  const record = (jobId: string, holdId: string) =>
    ({ type: 'ended', jobId, submittedAt: clock(0, 3), startedAt: clock(0, 5), at: clock(30, 5), holdId }) as const;

  test('whose start is told by who knows its id alone: it is the start of the new job, once that is known', async () => {
    const [first, second] = [await house.hold(), await house.hold()];
    await house.say({ type: 'submitted', jobId: 'forgotten', holdId: first, at: clock(0) });
    await house.say(prologOf('forgotten'));
    await house.advance(first);
    await house.say(record('forgotten', second));
    await house.advance(first);
    await house.say({ type: 'cancelled', jobId: 'forgotten', submittedAt: clock(0), at: clock(40), holdId: first });
    for (const holdId of [first, second]) await house.advance(holdId);
    expect(await house.money(first)).toMatchObject({ status: 'released', charged: '0' });
    expect(await house.money(second)).toMatchObject({ status: 'settled', charged: '0.5' });
  });

  test('after the first had ended: neither start nor end of the second is charged to the first', async () => {
    const [first, second] = [await house.hold(), await house.hold()];
    await house.say(
      { type: 'submitted', jobId: 'over', holdId: first, at: clock(-20) },
      { type: 'started', jobId: 'over', at: clock(-19), submittedAt: clock(-20) },
      { type: 'ended', jobId: 'over', at: clock(-10), submittedAt: clock(-20), startedAt: clock(-19) },
    );
    await house.advance(first);
    const { charged } = await house.money(first);
    await house.say(prologOf('over'));
    await house.advance(first);
    await house.say(epilogOf('over'));
    await house.advance(first);
    await house.say(record('over', second));
    for (const holdId of [first, second]) await house.advance(holdId);
    expect(await house.money(first)).toMatchObject({ status: 'settled', charged });
    expect(await house.money(second)).toMatchObject({ status: 'settled', charged: '0.5' });
  });
});

test('starts that nobody can place are recorded, however many they are', async () => {
  const holdId = await house.hold();
  await house.say(
    { type: 'started', jobId: 'placeless', at: clock(-30) },
    { type: 'ended', jobId: 'placeless', at: clock(-25) },
  );
  await house.say(
    { type: 'started', jobId: 'placeless', submittedAt: clock(-20), at: clock(-19), holdId: await house.hold() },
    { type: 'ended', jobId: 'placeless', submittedAt: clock(-20), startedAt: clock(-19), at: clock(-10) },
    { type: 'submitted', jobId: 'placeless', at: clock(-9), holdId },
    { type: 'ended', jobId: 'placeless', submittedAt: clock(-9), startedAt: clock(-8), at: clock(-7) },
  );
  for (const minute of [0, 5]) {
    expect(await house.say({ type: 'started', jobId: 'placeless', at: clock(minute) })).toHaveLength(1);
    expect(await house.say({ type: 'ended', jobId: 'placeless', at: clock(minute + 1) })).toHaveLength(1);
  }
});

test('a requeued job has a new submit time and the same hold', async () => {
  const holdId = await house.hold();
  await house.say(
    { type: 'submitted', jobId: 'rq', holdId, at: clock(0) },
    { type: 'started', jobId: 'rq', submittedAt: clock(0), at: clock(1) },
    { type: 'requeued', jobId: 'rq', submittedAt: clock(0), at: clock(31), startedAt: clock(1) },
  );
  // Slurm stamps it with the time of the requeue, and this event does not carry the hold's key.
  const [receipt] = await house.say({ type: 'started', jobId: 'rq', submittedAt: clock(31), at: clock(33) });
  expect(receipt).toMatchObject({ status: 'recorded', holdId });
  await house.say({ type: 'ended', jobId: 'rq', submittedAt: clock(31), startedAt: clock(33), at: clock(63) });
  await house.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled', charged: '1' });
});

test('a job without a hold but with a known account gets a late one that holds nothing, and is charged like any other', async () => {
  const [receipt] = await house.say({
    type: 'started',
    jobId: 'adopted',
    account: 'physics',
    user: 'mchen',
    partition: 'batch',
    at: clock(0),
    resources: { nodes: 3, cpus: 24, gpus: 0, gpusByModel: {}, memoryMib: 0 },
  });
  const holdId = receipt?.holdId ?? '';
  expect(receipt).toMatchObject({ status: 'recorded', detail: expect.stringContaining('opened late') });
  expect(await house.ledger.holds.read(holdId)).toMatchObject({ late: true, status: 'open', user: 'mchen' });
  expect(await ringsOf(holdId)).toEqual(['start']);

  await house.say({ type: 'ended', jobId: 'adopted', at: clock(20) });
  await house.advance(holdId);
  expect(await house.money(holdId)).toEqual({ status: 'settled', held: '0', charged: '1', released: '0' });
});

test('a late hold gives way to the real one as long as it has paid for nothing', async () => {
  const [receipt] = await house.say({ type: 'submitted', jobId: 'rebound', account: 'physics', at: clock(0) });
  const late = receipt?.holdId ?? '';
  const holdId = await house.hold();
  expect(await house.say({ type: 'started', jobId: 'rebound', at: clock(1), holdId })).toMatchObject([{ holdId }]);
  await house.advance(late);
  expect(await house.money(late)).toMatchObject({ status: 'released' });
  expect(await jobsOf('rebound')).toMatchObject([{ holdId }]);
});

test('an unknown account leaves the job unmatched and visible until an event names a known one', async () => {
  expect(statuses(await house.say({ type: 'started', jobId: 'lost', account: 'nobody', at: clock(0) }))).toEqual([
    'unmatched',
  ]);
  const { rows } = await house.ledger.jobs.list({ state: 'unmatched', jobId: 'lost' }, { limit: 10 });
  expect(rows).toMatchObject([{ jobId: 'lost', account: 'nobody', state: 'unmatched' }]);
  expect(await house.ledger.jobs.read('hpc', 'lost')).toMatchObject({
    state: 'unmatched',
    events: [{ type: 'started' }],
  });
  await house.say({ type: 'ended', jobId: 'lost', account: 'physics', at: clock(10), startedAt: clock(0) });
  const { state, holdId } = await house.ledger.jobs.read('hpc', 'lost');
  expect(holdId).toBeDefined();
  expect(state).not.toBe('unmatched');
});

test('an unknown cluster refuses the whole batch, so that its sender keeps it', async () => {
  await expect(
    house.say({ type: 'started', jobId: 'c1' }, { type: 'started', jobId: 'c2', cluster: 'moon' }),
  ).rejects.toMatchObject({ code: 'cluster_not_found' });
  expect(await jobsOf('c1')).toEqual([]);
});

test('a cost that could never be charged is refused at the door, with the whole batch', async () => {
  const said = house.say({ type: 'started', jobId: 'neg' }, { type: 'cost', jobId: 'neg', cost: '-1' });
  await expect(said).rejects.toMatchObject({ code: 'malformed_request', errors: [{ pointer: '/events/1/cost' }] });
  await expect(house.say({ type: 'cost', jobId: 'neg', cost: '1e400' })).rejects.toMatchObject({
    code: 'malformed_request',
  });
  expect(await jobsOf('neg')).toEqual([]);
});

test('news ring a story once, however many they are, and not at all while its start waits to be told', async () => {
  const holdId = await house.hold();
  await house.say({ type: 'submitted', jobId: 'rings', holdId });
  expect(await ringsOf(holdId)).toEqual(['start']);
  const claimed = await house.ledger.outbox.claim(1000, 60_000);
  await house.ledger.outbox.done(claimed.map(({ outboxNo }) => outboxNo));

  await house.say({ type: 'started', jobId: 'rings', at: clock(1) });
  await house.say(
    { type: 'suspended', jobId: 'rings', at: clock(2) },
    { type: 'resumed', jobId: 'rings', at: clock(3) },
  );
  expect(await ringsOf(holdId)).toEqual(['ring']);
  await house.say({ type: 'started', jobId: 'rings', at: clock(1) });
  expect(await ringsOf(holdId)).toEqual(['ring']);
});

test('a batch of two thousand events of as many jobs is recorded in order', async () => {
  const events = Array.from({ length: 2000 }, (_, index) => ({
    type: 'started' as const,
    cluster: 'hpc',
    jobId: `bulk-${index}`,
    account: 'physics',
    at: clock(0),
  }));
  const receipts = await house.ledger.jobs.recordEvents(events, CALLER);
  expect(receipts.map(({ jobId }) => jobId)).toEqual(events.map(({ jobId }) => jobId));
  expect(new Set(receipts.map(({ holdId }) => holdId)).size).toBe(2000);
});

test('batches about the same jobs in opposite orders do not get in each other’s way', async () => {
  const ids = Array.from({ length: 40 }, (_, index) => `cross-${index}`);
  const batch = (list: string[], minute: number) =>
    house.say(...list.map((jobId) => ({ type: 'started' as const, jobId, account: 'physics', at: clock(minute) })));
  const receipts = await Promise.all(
    Array.from({ length: 8 }, (_, index) => batch(index % 2 === 0 ? ids : [...ids].reverse(), index)),
  );
  const holdOf = new Map<string, string | undefined>();
  for (const { jobId, holdId } of receipts.flat()) {
    expect(holdId).toBe(holdOf.get(jobId) ?? holdId);
    holdOf.set(jobId, holdId);
  }
});

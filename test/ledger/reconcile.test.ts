/** ASBB's reconcile: somebody says what a job cost, and that it is over. Contract §3.2. Real PostgreSQL. */
import { parseReportedCost } from '../../domain/money';
import { openAdvance, type Advance } from '../../ledger/advance';
import { openPriceBooks } from '../../ledger/price-book';
import { openReconcile } from '../../ledger/reconcile';
import type { Reconciliation } from '../../ledger/contract';
import { clock, CALLER, job, key, NOON, openJobsHouse, usd, type JobsHouse } from './jobs-house';

let house: JobsHouse;
beforeAll(async () => void (house = await openJobsHouse({ poolSize: 12 })));
afterEach(() => house.books());
afterAll(() => house[Symbol.asyncDispose]());

let jobNumber = 0;
const nextJob = () => `r${(jobNumber += 1)}`;

const reconcile = (
  request: { jobId?: string; holdId?: string; cluster?: string },
  cost: string,
  more: { correction?: boolean; metadata?: unknown } = {},
  caller = CALLER,
) =>
  house.ledger.jobs.reconcile(
    { ...request, actualCost: parseReportedCost(cost), numeral: cost, correction: false, ...more },
    caller,
  );

const chargeCount = async (holdId: string) => {
  const [row] = await house.sql<{ count: number }[]>`
    select count(*)::int as count from ledger.charges join ledger.holds using (hold_no) where hold_id = ${holdId}`;
  return row?.count;
};

test('the cost of another job is not taken for a repetition because it is as high, and is refused by name', async () => {
  const [holdId, jobId, other] = [await house.hold(), nextJob(), nextJob()];
  await reconcile({ holdId, jobId }, '3.5');
  await expect(reconcile({ holdId, jobId: other }, '3.5')).rejects.toMatchObject({
    code: 'already_reconciled',
    message: expect.stringContaining(`the cost of job ${jobId}, and not of ${other}`) as unknown,
  });
  expect(await reconcile({ holdId, jobId }, '3.5')).toMatchObject({ replayed: true });
  expect(await reconcile({ holdId }, '3.5')).toMatchObject({ replayed: true });
  expect(await chargeCount(holdId)).toBe(1);
});

test('settles a hold of whose job no event ever arrived: charges exactly, gives the rest back, once', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  const answer = await reconcile({ holdId, jobId }, '3.5', { metadata: { exit_code: 0 } });
  expect(answer).toEqual({
    holdId,
    unit: 'USD',
    originalHold: usd('4.8'),
    actualCharge: usd('3.5'),
    refundAmount: usd('1.3'),
    additionalCharge: 0n,
    message: 'Job reconciliation completed successfully',
    replayed: false,
  });
  expect(await house.money(holdId)).toEqual({ status: 'settled', held: '0', charged: '3.5', released: '1.3' });
  expect(await house.ledger.jobs.read('hpc', jobId)).toMatchObject({ state: 'settled', charged: usd('3.5') });
});

test('says what was charged beyond the hold', async () => {
  const holdId = await house.hold();
  expect(await reconcile({ holdId, jobId: nextJob() }, '7')).toMatchObject({
    originalHold: usd('4.8'),
    refundAmount: 0n,
    additionalCharge: usd('2.2'),
  });
});

test('the same cost again has the first answer; another one is refused and changes nothing', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  const first = await reconcile({ holdId, jobId }, '3.5');
  expect(await reconcile({ holdId, jobId }, '3.50')).toEqual({ ...first, replayed: true });
  expect(await reconcile({ jobId }, '3.5')).toEqual({ ...first, replayed: true });
  await expect(reconcile({ holdId, jobId }, '4')).rejects.toMatchObject({
    code: 'already_reconciled',
    facts: { reported: '3.5', requested: '4' },
  });
  expect(await chargeCount(holdId)).toBe(1);
  expect(await house.money(holdId)).toMatchObject({ charged: '3.5' });
});

test('a correction changes it, and back again', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await reconcile({ holdId, jobId }, '3.5');
  for (const cost of ['6', '3.5', '6', '2']) {
    expect(await reconcile({ holdId, jobId }, cost, { correction: true })).toMatchObject({ actualCharge: usd(cost) });
    expect(await house.money(holdId)).toMatchObject({ status: 'settled', charged: cost });
  }
  await expect(reconcile({ holdId, jobId }, '5')).rejects.toMatchObject({ code: 'already_reconciled' });
});

/** Everybody has the same answer, and exactly one of them was the first. */
function expectOneFirst(answers: Reconciliation[]): void {
  const [first, ...others] = answers.toSorted((a, b) => Number(a.replayed) - Number(b.replayed));
  expect(first?.replayed).toBe(false);
  for (const other of others) expect(other).toEqual({ ...first, replayed: true });
}

test.each([
  ['without a key', () => CALLER],
  [
    'with one key',
    (
      (caller) => () =>
        caller
    )(key()),
  ],
  ['with a key each', key],
])('twenty reconciliations at once %s charge once, and one of them is the first', async (_how, caller) => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  const same = () => reconcile({ holdId, jobId }, '2.25', {}, caller());
  const answers = await Promise.all(Array.from({ length: 20 }, same));
  expectOneFirst(answers);
  expect(answers[0]).toMatchObject({ actualCharge: usd('2.25'), refundAmount: usd('2.55') });
  expect(await chargeCount(holdId)).toBe(1);
});

test('twenty corrections at once correct once, and one of them is the first', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await reconcile({ holdId, jobId }, '2');
  const same = () => reconcile({ holdId, jobId }, '3', { correction: true });
  expectOneFirst(await Promise.all(Array.from({ length: 20 }, same)));
  expect(await same()).toMatchObject({ replayed: true });
  expect(await house.money(holdId)).toMatchObject({ charged: '3' });
});

test('two bodies at once with one key: one is done, and the other is told that the key is taken', async () => {
  for (let round = 0; round < 10; round += 1) {
    const [one, two, caller] = [await house.hold(), await house.hold(), key()];
    const outcomes = await Promise.allSettled([
      reconcile({ holdId: one, jobId: nextJob() }, '1', {}, { ...caller, bodyHash: Buffer.from('one') }),
      reconcile({ holdId: two, jobId: nextJob() }, '2', {}, { ...caller, bodyHash: Buffer.from('two') }),
    ]);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(outcomes.filter(({ status }) => status === 'rejected')).toMatchObject([{ reason: { code: 'key_reused' } }]);
    const states = await Promise.all([one, two].map(async (holdId) => (await house.money(holdId)).status));
    expect(states.toSorted()).toEqual(['open', 'settled']);
  }
});

test('a key that repeats the report of another is its own all the same', async () => {
  const [holdId, jobId, caller] = [await house.hold(), nextJob(), key()];
  const first = await reconcile({ holdId, jobId }, '1');
  expect(await reconcile({ holdId, jobId }, '1', {}, caller)).toEqual({ ...first, replayed: true });
  await expect(
    reconcile({ holdId, jobId }, '2', { correction: true }, { ...caller, bodyHash: Buffer.from('other') }),
  ).rejects.toMatchObject({ code: 'key_reused' });
});

describe('a process that dies', () => {
  const prices = () => openPriceBooks(house.sql);
  const advance: Advance = (...story) => openAdvance({ sql: house.sql, prices: prices() })(...story);
  const dies = () => Promise.reject(new Error('killed'));

  test.each<[string, Advance]>([
    ['before the money has moved', dies],
    ['after the money has moved', (...story) => advance(...story).then(dies)],
  ])(
    '%s leaves what is completed by whoever asks again, with the answer that it would have had',
    async (_when, end) => {
      for (const caller of [CALLER, key()]) {
        const [holdId, jobId] = [await house.hold(), nextJob()];
        await house.ledger.holds.resize(holdId, usd('10'), 'longer', CALLER);
        const dying = openReconcile({ sql: house.sql, prices: prices(), advance: end });
        const request = { holdId, jobId, actualCost: usd('7'), numeral: '7', correction: false };
        await expect(dying(request, caller)).rejects.toThrow('killed');
        const retries = [1, 2, 3].map(() => reconcile({ holdId, jobId }, '7', {}, caller));
        const answers = await Promise.all(retries);
        expectOneFirst(answers);
        expect(answers[0]).toMatchObject({ originalHold: usd('4.8'), refundAmount: usd('3'), additionalCharge: 0n });
        expect(await chargeCount(holdId)).toBe(1);
        expect(await house.money(holdId)).toMatchObject({ status: 'settled', charged: '7', released: '3' });
      }
    },
  );

  test('has not let go of its key: another body is refused also before anybody was answered', async () => {
    const [holdId, jobId, caller] = [await house.hold(), nextJob(), key()];
    const dying = openReconcile({ sql: house.sql, prices: prices(), advance: dies });
    const request = { holdId, jobId, actualCost: usd('7'), numeral: '7', correction: false };
    await expect(dying(request, caller)).rejects.toThrow('killed');
    await expect(
      reconcile({ holdId, jobId }, '8', {}, { ...caller, bodyHash: Buffer.from('other') }),
    ).rejects.toMatchObject({ code: 'key_reused' });
    expect(await house.money(holdId)).toMatchObject({ status: 'open' });
  });
});

test('of two different costs at once, one is charged and the other is refused', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  const outcomes = await Promise.allSettled([reconcile({ holdId, jobId }, '1'), reconcile({ holdId, jobId }, '2')]);
  const refused = outcomes.filter(({ status }) => status === 'rejected');
  expect(refused).toMatchObject([{ reason: { code: 'already_reconciled' } }]);
  expect(await chargeCount(holdId)).toBe(1);
});

test('racing with the end of the job as its scheduler tells it, the job is paid for once, and at the reported cost', async () => {
  for (let round = 0; round < 10; round += 1) {
    const [holdId, jobId] = [await house.hold(), nextJob()];
    const tell = async () => {
      await house.say({ type: 'ended', jobId, holdId, startedAt: clock(0), at: clock(60) });
      await house.advance(holdId);
    };
    await Promise.all([reconcile({ holdId, jobId }, '2'), tell(), reconcile({ holdId, jobId }, '2')]);
    await house.advance(holdId);
    expect(await chargeCount(holdId)).toBe(1);
    expect(await house.money(holdId)).toMatchObject({ status: 'settled', charged: '2' });
  }
});

test('after a settlement by usage it adjusts', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await house.say({ type: 'ended', jobId, holdId, startedAt: clock(0), at: clock(60) });
  await house.advance(holdId);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled', charged: '1' });
  await reconcile({ jobId }, '1.25');
  expect(await house.money(holdId)).toMatchObject({ charged: '1.25' });
  expect(await chargeCount(holdId)).toBe(1);
});

test('events of the job that arrive afterwards change nothing', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await reconcile({ holdId, jobId }, '2');
  await house.say(
    { type: 'started', jobId, holdId, at: clock(0) },
    { type: 'ended', jobId, holdId, startedAt: clock(0), at: clock(60) },
  );
  await house.advance(holdId);
  expect(await chargeCount(holdId)).toBe(1);
  expect(await house.money(holdId)).toMatchObject({ status: 'settled', charged: '2' });
});

test('finds the hold by the job id alone: bound by an event, or named by the check', async () => {
  const [bound, jobId] = [await house.hold(), nextJob()];
  await house.say({ type: 'started', jobId, holdId: bound, at: clock(0) });
  expect(await reconcile({ jobId }, '1')).toMatchObject({ holdId: bound });
  const other = nextJob();
  const named = await house.hold({}, { jobId: other });
  expect(await reconcile({ jobId: other }, '1')).toMatchObject({ holdId: named });
  await expect(reconcile({ jobId: 'nobody' }, '1')).rejects.toMatchObject({ code: 'hold_not_found' });
});

test('of recycled job ids the open one is meant', async () => {
  const jobId = nextJob();
  const [older, newer] = [await house.hold(), await house.hold()];
  await house.say({ type: 'submitted', jobId, holdId: older, at: clock(0, 0) });
  await house.say({ type: 'submitted', jobId, holdId: newer, at: clock(0, 4) });
  expect(await reconcile({ jobId }, '1')).toMatchObject({ holdId: newer });
  expect(await reconcile({ jobId }, '2')).toMatchObject({ holdId: older });
});

test('one task of an array is charged for itself; the hold stays for the others, and closes with the last', async () => {
  const [holdId, jobId] = [await house.hold({ arrayTasks: 2 }), nextJob()];
  await house.say(
    { type: 'started', jobId, task: '1', holdId, at: clock(0) },
    { type: 'started', jobId, task: '2', at: clock(0) },
  );
  expect(await reconcile({ jobId: `${jobId}_1` }, '2')).toMatchObject({ message: expect.stringContaining('kept') });
  expect(await house.money(holdId)).toMatchObject({ status: 'open', charged: '2' });
  await reconcile({ jobId: `${jobId}_2` }, '3');
  expect(await house.money(holdId)).toMatchObject({ status: 'settled', charged: '5', held: '0' });
});

test('a heterogeneous job is reconciled as a whole', async () => {
  const decision = await house.ledger.admission.check(
    { account: 'physics', components: [job(), job()], user: 'rkaur', at: NOON },
    CALLER,
  );
  const jobId = nextJob();
  await house.say({ type: 'ended', jobId, holdId: decision.holdId ?? '', startedAt: clock(0), at: clock(30) });
  await reconcile({ jobId }, '3');
  const charged = await Promise.all((decision.componentHoldIds ?? []).map((holdId) => house.money(holdId)));
  expect(charged).toMatchObject([
    { status: 'settled', charged: '1.5' },
    { status: 'settled', charged: '1.5' },
  ]);
});

test('a transaction that is no hold is refused as ASBB refused it, and an unknown one is unknown', async () => {
  const deposit = await house.ledger.movements.deposit({ account: 'physics', amount: usd('1') }, CALLER);
  await expect(reconcile({ holdId: deposit.transactionId }, '1')).rejects.toMatchObject({
    code: 'not_a_hold',
    message: 'Transaction is not a hold transaction',
  });
  await expect(reconcile({ holdId: 'txn_00000000000000000000000000' }, '1')).rejects.toMatchObject({
    code: 'hold_not_found',
  });
});

test('the caller’s key is his own: the same answer, and no other body under it', async () => {
  const [holdId, jobId, caller] = [await house.hold(), nextJob(), key()];
  const first = await reconcile({ holdId, jobId }, '1', {}, caller);
  expect(await reconcile({ holdId, jobId }, '1', {}, caller)).toEqual({ ...first, replayed: true });
  await expect(
    reconcile({ holdId, jobId }, '2', {}, { ...caller, bodyHash: Buffer.from('other') }),
  ).rejects.toMatchObject({ code: 'key_reused' });
});

test('a cost from float arithmetic is rounded half to even, and its numeral is kept', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await reconcile({ holdId, jobId }, '3.250000000000004');
  const [row] = await house.sql<{ numeral: string }[]>`
    select reported_numeral as numeral from ledger.charges join ledger.holds using (hold_no) where hold_id = ${holdId}`;
  expect(row?.numeral).toBe('3.250000000000004');
  expect(await house.money(holdId)).toMatchObject({ charged: '3.25' });
});

test('a hold that was released is charged all the same when its cost turns up', async () => {
  const [holdId, jobId] = [await house.hold(), nextJob()];
  await house.ledger.holds.release(holdId, 'by hand', CALLER);
  expect(await reconcile({ holdId, jobId }, '2')).toMatchObject({ actualCharge: usd('2'), additionalCharge: usd('2') });
  expect(await house.money(holdId)).toMatchObject({ status: 'released', charged: '2' });
});

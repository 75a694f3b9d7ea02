/** What runs cost: charged once, drawn in the right order, never refused, always given back. */
import fc from 'fast-check';
import { divideHalfEven, toMicro } from '../../domain/money';
import { closeHold } from './charge-door';
import { CALLER, keyed, openMoneyHouse, usd, type MoneyHouse } from './money-house';

let house: MoneyHouse;
beforeAll(async () => void (house = await openMoneyHouse()));
afterAll(() => house.database.drop());
afterEach(async () => expect((await house.ledger.audit.run()).findings).toEqual([]));

const balanceOf = (account: string) => house.ledger.accounts.balance(account);

async function kindsOf(account: string): Promise<string[]> {
  const { rows } = await house.ledger.movements.list({ account }, { limit: 100 });
  return rows.map(({ kind }) => kind).reverse();
}

/** What each fund has settled, by its label. */
async function settledBy(account: string): Promise<Record<string, bigint>> {
  const funds = await house.ledger.accounts.funds(account);
  return Object.fromEntries(funds.map(({ label, source, settled }) => [label || source, settled]));
}

describe('faults of ASBB that must not happen here', () => {
  test('a duplicate reconcile is charged once, however many arrive at once', async () => {
    await house.account('dup', { budgetLimit: usd('100') });
    const holdId = await house.hold('dup', usd('20'));
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => house.charge({ runKey: 'hpc/dup/-/-', holdId, cost: usd('7.5'), close: true })),
    );
    expect(new Set(answers.map(({ transactionId }) => transactionId)).size).toBe(1);
    expect(answers.filter(({ outcome }) => outcome === 'charged')).toHaveLength(1);
    expect(answers.filter(({ released }) => released)).toHaveLength(1);
    expect(await balanceOf('dup')).toMatchObject({ settled: usd('7.5'), held: 0n, available: usd('92.5') });
    expect(await kindsOf('dup')).toEqual(['deposit', 'hold', 'charge', 'release']);
  });

  test('money is not held for ever: settling gives back exactly what the job did not use', async () => {
    await house.account('forever', { budgetLimit: usd('100') });
    const holdId = await house.hold('forever', usd('49.8'));
    const { hold } = await house.charge({ runKey: 'hpc/forever/-/-', holdId, cost: usd('37.25'), close: true });
    expect(hold).toMatchObject({ status: 'settled', held: 0n, charged: usd('37.25'), released: usd('12.55') });
    expect(await balanceOf('forever')).toMatchObject({ held: 0n, available: usd('62.75') });
  });

  test.each([
    ['negative', -1n],
    ['at the ceiling', 2n ** 33n * 1_000_000n],
  ])('an actual cost that is %s is refused, and nothing is written', async (name, cost) => {
    await house.account(`cost ${name}`, { budgetLimit: usd('100') });
    const holdId = await house.hold(`cost ${name}`, usd('10'));
    await expect(
      house.charge({ runKey: `hpc/${name}/-/-`, holdId, cost: toMicro(cost), close: true }),
    ).rejects.toMatchObject({ code: 'malformed_request' });
    expect(await kindsOf(`cost ${name}`)).toEqual(['deposit', 'hold']);
    expect(await balanceOf(`cost ${name}`)).toMatchObject({ held: usd('10'), settled: 0n });
  });
});

describe('a charge', () => {
  test('of nothing is a charge all the same, and settles its hold', async () => {
    await house.account('zero', { budgetLimit: usd('1') });
    const holdId = await house.hold('zero', usd('1'));
    const { hold } = await house.charge({ runKey: 'hpc/zero/-/-', holdId, cost: toMicro(0n), close: true });
    expect(hold).toMatchObject({ status: 'settled', released: usd('1') });
    expect(await kindsOf('zero')).toEqual(['deposit', 'hold', 'charge', 'release']);
  });

  test('of each run of a hold draws it down; closing gives the rest back once', async () => {
    await house.account('array', { budgetLimit: usd('100') });
    const holdId = await house.hold('array', usd('30'));
    for (const task of [1, 2, 3]) {
      const { hold } = await house.charge({ runKey: `hpc/array_${task}/-/-`, holdId, cost: usd('4') });
      expect(hold).toMatchObject({ status: 'open', held: toMicro(usd('30') - BigInt(task) * usd('4')) });
    }
    const closings = await Promise.all(
      Array.from({ length: 5 }, () => closeHold(house.database.sql, { holdId, reason: 'done', actor: 'test' })),
    );
    for (const closed of closings) expect(closed).toMatchObject({ status: 'settled', held: 0n, released: usd('18') });
    expect((await kindsOf('array')).filter((kind) => kind === 'release')).toHaveLength(1);
  });

  test('races a release: both happen, nothing is lost or doubled', async () => {
    await house.account('race', { budgetLimit: usd('100') });
    for (let round = 0; round < 10; round++) {
      const holdId = await house.hold('race', usd('5'));
      await Promise.all([
        house.charge({ runKey: `hpc/race${round}/-/-`, holdId, cost: usd('2'), close: true }),
        house.ledger.holds.release(holdId, 'scancel', CALLER),
      ]);
    }
    expect(await balanceOf('race')).toMatchObject({ settled: usd('20'), held: 0n, available: usd('80') });
  });

  test('without a hold is legal and recorded', async () => {
    await house.account('bare', { budgetLimit: usd('10') });
    const charged = await house.charge({ runKey: 'hpc/bare/-/-', account: 'bare', cost: usd('3') });
    expect(charged.hold).toBeUndefined();
    const read = await house.ledger.movements.read(charged.transactionId);
    expect(read).toMatchObject({ kind: 'charge', jobId: 'bare', cluster: 'hpc', partition: 'batch', user: 'rkaur' });
    expect(await balanceOf('bare')).toMatchObject({ settled: usd('3'), available: usd('7') });
  });

  test('that comes after its hold was released is drawn on the account and known to the hold', async () => {
    await house.account('after', { budgetLimit: usd('10') });
    const holdId = await house.hold('after', usd('4'));
    await house.ledger.holds.release(holdId, 'nobody knew', CALLER);
    const { hold } = await house.charge({ runKey: 'hpc/after/-/-', holdId, cost: usd('3'), close: true });
    expect(hold).toMatchObject({ status: 'released', charged: usd('3'), released: usd('4') });
    expect(await balanceOf('after')).toMatchObject({ settled: usd('3'), held: 0n, available: usd('7') });
  });

  test("of a run that another account has paid already is that account's: the first record of a run wins", async () => {
    await house.account('first', { budgetLimit: usd('10') });
    await house.account('second', { budgetLimit: usd('10') });
    const [a, b] = await Promise.all(
      ['first', 'second'].map((account) => house.charge({ runKey: 'hpc/whose/-/-', account, cost: usd('1') })),
    );
    expect(a?.transactionId).toBe(b?.transactionId);
    const settled = (await Promise.all(['first', 'second'].map(balanceOf))).map((balance) => balance.settled);
    expect(settled.toSorted()).toEqual([0n, usd('1')]);
  });

  test('counts on the caps of its partition and user, by a row made from the template', async () => {
    await house.account('capped', { budgetLimit: usd('100') });
    await house.ledger.accounts.setLimit('capped', { user: '*', limit: usd('5') }, CALLER);
    await house.ledger.accounts.setLimit('capped', { partition: 'batch', limit: usd('50') }, CALLER);
    await house.charge({ runKey: 'hpc/capped/-/-', account: 'capped', user: 'zoe', cost: usd('5') });
    const limits = await house.ledger.accounts.limits('capped');
    expect(limits).toEqual([
      expect.objectContaining({ partition: 'batch', settled: usd('5'), remaining: usd('45') }),
      expect.objectContaining({ user: '*', settled: 0n }),
      expect.objectContaining({ user: 'zoe', settled: usd('5'), remaining: 0n }),
    ]);
    expect((await house.tryHold('capped', toMicro(1n), { user: 'zoe' })).code).toBe('user_limit_exceeded');
    expect((await house.tryHold('capped', toMicro(1n), { user: 'yan' })).code).toBe('placed');
  });
});

describe('a charge beyond its hold', () => {
  test.each([
    ['exactly what the overdraft allows', usd('15'), false],
    ['one millionth more', usd('15.000001'), true],
  ])('is recorded: %s', async (name, cost, flagged) => {
    const account = `over ${name}`;
    await house.account(account, { budgetLimit: usd('10'), onExhaustion: 'overdraft', overdraftLimit: usd('5') });
    const holdId = await house.hold(account, usd('6'));
    await house.charge({ runKey: `hpc/${name}/-/-`, holdId, cost, close: true });
    const balance = await balanceOf(account);
    expect(balance).toMatchObject({ settled: cost, held: 0n, difference: 0n });
    expect(balance.available).toBe(usd('10') - cost);
    expect(balance.overdraftUsed).toBe(cost - usd('10'));
    expect((await house.ledger.accounts.read(account)).overspentAt !== undefined).toBe(flagged);
  });

  test('flags an account without overdraft at the first millionth, until money brings it back', async () => {
    await house.account('broke', { budgetLimit: usd('1') });
    await house.charge({ runKey: 'hpc/broke/-/-', account: 'broke', cost: usd('1.000001') });
    expect((await house.ledger.accounts.read('broke')).overspentAt).toBeDefined();
    await house.ledger.movements.deposit({ account: 'broke', amount: toMicro(1n) }, CALLER);
    expect(await house.ledger.accounts.read('broke')).toMatchObject({ available: 0n });
    expect((await house.ledger.accounts.read('broke')).overspentAt).toBeUndefined();
  });
});

describe('the order in which a charge draws', () => {
  const MIDNIGHT = '2026-10-01T00:00:00Z';

  test('use that crosses the end of a fund is split there, and each period pays its own', async () => {
    await house.account('split', { budgetLimit: usd('100') });
    await house.ledger.movements.deposit(
      { account: 'split', amount: usd('50'), closesAt: MIDNIGHT, label: 'fy26' },
      CALLER,
    );
    const holdId = await house.hold('split', usd('24'), { at: '2026-09-30T12:00:00Z' });
    await house.charge({
      runKey: 'hpc/split/-/-',
      holdId,
      cost: usd('24'),
      at: '2026-09-30T18:00:00Z',
      until: '2026-10-01T18:00:00Z',
      close: true,
    });
    expect(await settledBy('split')).toEqual({ fy26: usd('6'), base: usd('18') });
  });

  test('a part on a fund that has closed pays for use before, not for use after; what is left expires with the release', async () => {
    await house.account('part', { budgetLimit: usd('100') });
    await house.ledger.movements.deposit(
      { account: 'part', amount: usd('10'), closesAt: MIDNIGHT, label: 'fy26' },
      CALLER,
    );
    const holdId = await house.hold('part', usd('10'), { at: '2026-09-30T12:00:00Z' });
    const { hold } = await house.charge({
      runKey: 'hpc/part/-/-',
      holdId,
      cost: usd('8'),
      at: '2026-09-30T21:00:00Z',
      until: '2026-10-01T03:00:00Z',
      close: true,
    });
    expect(hold).toMatchObject({ released: usd('6') });
    expect(await settledBy('part')).toEqual({ fy26: usd('4'), base: usd('4') });
    expect((await kindsOf('part')).slice(-2)).toEqual(['release', 'expiry']);
    expect(await balanceOf('part')).toMatchObject({ granted: usd('104'), settled: usd('8'), available: usd('96') });
  });

  test.each([
    ['less than had expired', usd('29.999999'), usd('29.999999'), 0n],
    ['all that had expired', usd('30'), usd('30'), 0n],
    ['one millionth more', usd('30.000001'), usd('30'), 1n],
  ])(
    'a late charge for use before the expiry reverses as much of it as it needs: %s',
    async (name, cost, fromOld, fromBase) => {
      const account = `late ${name}`;
      await house.account(account, { budgetLimit: usd('100') });
      await house.ledger.movements.deposit({ account, amount: usd('30'), closesAt: MIDNIGHT, label: 'fy26' }, CALLER);
      await house.ledger.movements.expireFunds();
      expect(await balanceOf(account)).toMatchObject({ granted: usd('100') });
      await house.charge({ runKey: `hpc/${account}/-/-`, account, cost, at: '2026-09-30T23:59:59Z' });
      expect(await settledBy(account)).toEqual({ fy26: fromOld, base: fromBase });
      const { rows } = await house.ledger.movements.list({ account, kinds: ['expiry'] }, { limit: 10 });
      expect(rows.map(({ amount, direction }) => [amount, direction])).toEqual([
        [-fromOld, 'in'],
        [usd('30'), 'out'],
      ]);
      expect(await balanceOf(account)).toMatchObject({ available: usd('100') - fromBase, difference: 0n });
    },
  );

  test('use at the very moment a fund closes is no longer its own', async () => {
    await house.account('edge', { budgetLimit: usd('100') });
    await house.ledger.movements.deposit(
      { account: 'edge', amount: usd('30'), closesAt: MIDNIGHT, label: 'fy26' },
      CALLER,
    );
    await house.charge({ runKey: 'hpc/edge/-/-', account: 'edge', cost: usd('1'), at: MIDNIGHT });
    await house.charge({ runKey: 'hpc/edge2/-/-', account: 'edge', cost: usd('2'), at: '2026-09-30T23:59:59.999999Z' });
    expect(await settledBy('edge')).toEqual({ fy26: usd('2'), base: usd('1') });
  });
});

describe('a reported cost', () => {
  const report = (runKey: string, account: string, cost: string, more: { correction?: boolean } = {}) =>
    house.charge({ runKey, account, cost: usd(cost), source: 'reported', reportedNumeral: cost, ...more });

  test('after a provisional one is an adjustment by the difference; the same report again changes nothing', async () => {
    await house.account('report', { budgetLimit: usd('100') });
    await house.charge({ runKey: 'hpc/report/-/-', account: 'report', cost: usd('10'), source: 'provisional' });
    expect(await report('hpc/report/-/-', 'report', '12.5')).toMatchObject({
      outcome: 'adjusted',
      amount: usd('12.5'),
    });
    expect(await report('hpc/report/-/-', 'report', '12.5')).toMatchObject({
      outcome: 'replayed',
      amount: usd('12.5'),
    });
    expect(await kindsOf('report')).toEqual(['deposit', 'charge', 'adjustment']);
  });

  test('that differs from an earlier report is refused without "correction", and an adjustment with it', async () => {
    await house.account('again', { budgetLimit: usd('100') });
    await report('hpc/again/-/-', 'again', '10');
    await expect(report('hpc/again/-/-', 'again', '9.999999')).rejects.toMatchObject({
      code: 'already_reconciled',
      facts: { reported: '10', requested: '9.999999' },
    });
    expect(await report('hpc/again/-/-', 'again', '4', { correction: true })).toMatchObject({
      outcome: 'adjusted',
      amount: usd('4'),
    });
    expect(await balanceOf('again')).toMatchObject({ settled: usd('4'), available: usd('96') });
  });

  test('is the same report after somebody adjusted the charge', async () => {
    await house.account('adjusted', { budgetLimit: usd('100') });
    const { transactionId } = await report('hpc/adjusted/-/-', 'adjusted', '10');
    await house.ledger.movements.adjust({ transactionId, amount: usd('1'), description: 'agreed' }, CALLER);
    expect(await report('hpc/adjusted/-/-', 'adjusted', '10')).toMatchObject({
      outcome: 'replayed',
      amount: usd('11'),
    });
  });

  test('below what was refunded already leaves the charge at the refund: that money is back', async () => {
    await house.account('refunded', { budgetLimit: usd('100') });
    const { transactionId } = await house.charge({
      runKey: 'hpc/refunded/-/-',
      account: 'refunded',
      cost: usd('10'),
      source: 'provisional',
    });
    await house.ledger.movements.refund({ transactionId, amount: usd('6') }, CALLER);
    expect(await report('hpc/refunded/-/-', 'refunded', '2')).toMatchObject({ amount: usd('6'), refunded: usd('6') });
    expect(await balanceOf('refunded')).toMatchObject({ settled: 0n, available: usd('100') });
  });

  test('that is lower lowers each period alike', async () => {
    await house.account('periods', { budgetLimit: usd('100') });
    await house.ledger.movements.deposit(
      { account: 'periods', amount: usd('50'), closesAt: '2026-10-01T00:00:00Z', label: 'fy26' },
      CALLER,
    );
    const times = { at: '2026-09-30T12:00:00Z', until: '2026-10-01T12:00:00Z' };
    await house.charge({
      runKey: 'hpc/periods/-/-',
      account: 'periods',
      cost: usd('20'),
      source: 'provisional',
      ...times,
    });
    await house.charge({ runKey: 'hpc/periods/-/-', account: 'periods', cost: usd('8'), source: 'reported', ...times });
    expect(await settledBy('periods')).toEqual({ fy26: usd('4'), base: usd('4') });
  });

  test('repeated while its hold is open completes the settlement', async () => {
    await house.account('complete', { budgetLimit: usd('100') });
    const holdId = await house.hold('complete', usd('10'));
    await house.charge({ runKey: 'hpc/complete/-/-', holdId, cost: usd('3'), source: 'reported' });
    const again = await house.charge({
      runKey: 'hpc/complete/-/-',
      holdId,
      cost: usd('3'),
      source: 'reported',
      close: true,
    });
    expect(again).toMatchObject({
      outcome: 'replayed',
      released: true,
      hold: { status: 'settled', released: usd('7') },
    });
  });
});

describe('a refund', () => {
  test('two refunds racing for the last millionth: one gets it', async () => {
    await house.account('last', { budgetLimit: usd('100') });
    const { transactionId } = await house.charge({ runKey: 'hpc/last/-/-', account: 'last', cost: usd('5') });
    await house.ledger.movements.refund({ transactionId, amount: usd('4.999999') }, CALLER);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, () => house.ledger.movements.refund({ transactionId, amount: toMicro(1n) }, CALLER)),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'refund_exceeds_charge' });
    }
    expect(await balanceOf('last')).toMatchObject({ settled: 0n, available: usd('100') });
  });

  test('names its charge, and the same key refunds once', async () => {
    await house.account('once', { budgetLimit: usd('100') });
    const { transactionId } = await house.charge({ runKey: 'hpc/once/-/-', account: 'once', cost: usd('5') });
    const refunds = await Promise.all(
      Array.from({ length: 5 }, () =>
        house.ledger.movements.refund({ transactionId, amount: usd('3') }, keyed('refund-once')),
      ),
    );
    expect(new Set(refunds.map((refund) => refund.transactionId)).size).toBe(1);
    expect(refunds[0]).toMatchObject({ kind: 'refund', direction: 'in', parentId: transactionId, jobId: 'once' });
    expect(await balanceOf('once')).toMatchObject({ settled: usd('2') });
  });

  test('of something that is no charge says what it is', async () => {
    await house.account('no-charge');
    const deposit = await house.ledger.movements.deposit({ account: 'no-charge', amount: usd('5') }, CALLER);
    await expect(
      house.ledger.movements.refund({ transactionId: deposit.transactionId, amount: usd('1') }, CALLER),
    ).rejects.toMatchObject({ code: 'transaction_not_found', message: expect.stringContaining('is a deposit') });
  });

  test('pays back the overdraft that the charge had drawn', async () => {
    await house.account('debtor', { budgetLimit: usd('2') });
    const { transactionId } = await house.charge({ runKey: 'hpc/debtor/-/-', account: 'debtor', cost: usd('5') });
    await house.ledger.movements.refund({ transactionId, amount: usd('3') }, CALLER);
    expect(await balanceOf('debtor')).toMatchObject({ overdraftUsed: 0n, available: 0n });
    expect((await house.ledger.accounts.read('debtor')).overspentAt).toBeUndefined();
  });
});

test('an adjustment below what was refunded is refused, one exactly at it is not', async () => {
  await house.account('adjust', { budgetLimit: usd('100') });
  const { transactionId } = await house.charge({ runKey: 'hpc/adjust/-/-', account: 'adjust', cost: usd('5') });
  await house.ledger.movements.refund({ transactionId, amount: usd('2') }, CALLER);
  const adjust = (amount: string) =>
    house.ledger.movements.adjust({ transactionId, amount: usd(amount), description: 'agreed' }, CALLER);
  await expect(adjust('-3.000001')).rejects.toMatchObject({ code: 'refund_exceeds_charge' });
  expect(await adjust('-3')).toMatchObject({ kind: 'adjustment', direction: 'in', amount: usd('-3') });
  expect(await balanceOf('adjust')).toMatchObject({ settled: 0n, available: usd('100') });
});

test('PostgreSQL rounds half to even as domain/money.ts does', () =>
  fc.assert(
    fc.asyncProperty(fc.bigInt({ min: 0n, max: 10n ** 15n }), fc.bigInt({ min: 1n, max: 12n }), async (n, d) => {
      const [row] = await house.database.sql<{ answer: bigint }[]>`
        select ledger.divide_half_even(${n.toString()}::numeric, ${d.toString()}::numeric) as answer`;
      expect(row?.answer).toBe(divideHalfEven(n, d));
    }),
    { numRuns: 200 },
  ));

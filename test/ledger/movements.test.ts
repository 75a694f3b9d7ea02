/** Deposits, withdrawals, transfers: what comes in, what leaves, who wins a race, and how it is found again. */
import { Fault } from '../../domain/faults';
import { CEILING, toMicro } from '../../domain/money';
import type { Transaction } from '../../ledger/contract';
import { CALLER, keyed, openMoneyHouse, usd, type MoneyHouse } from './money-house';

let house: MoneyHouse;
beforeAll(async () => void (house = await openMoneyHouse()));
afterAll(() => house.database.drop());
afterEach(async () => expect((await house.ledger.audit.run()).findings).toEqual([]));

const balanceOf = (account: string) => house.ledger.accounts.balance(account);

describe('deposits', () => {
  test('a deposit joins the base fund and becomes available', async () => {
    await house.account('dep-base', { budgetLimit: usd('100') });
    const made = await house.ledger.movements.deposit({ account: 'dep-base', amount: toMicro(1n) }, CALLER);
    expect(made).toMatchObject({ kind: 'deposit', direction: 'in', account: 'dep-base', unit: 'USD', amount: 1n });
    const balance = await balanceOf('dep-base');
    expect(balance).toMatchObject({ granted: usd('100.000001'), available: usd('100.000001'), difference: 0n });
    expect(balance.funds).toHaveLength(1);
  });

  test('a window of its own makes a fund of its own, which counts from the day it opens', async () => {
    await house.account('dep-window');
    const window = { opensAt: '2098-01-01T00:00:00Z', closesAt: '2098-06-01T00:00:00Z' };
    await house.ledger.movements.deposit(
      { account: 'dep-window', amount: usd('7'), label: 'spring', ...window },
      CALLER,
    );
    expect(await balanceOf('dep-window')).toMatchObject({
      granted: 0n,
      available: 0n,
      upcoming: usd('7'),
      difference: 0n,
      nextMoneyAt: window.opensAt,
    });
    const then = await house.ledger.accounts.balance('dep-window', window.opensAt);
    expect(then).toMatchObject({ granted: usd('7'), available: usd('7'), upcoming: 0n });
    const after = await house.ledger.accounts.balance('dep-window', window.closesAt);
    expect(after).toMatchObject({ granted: 0n, available: 0n, upcoming: 0n });
  });

  test('the same key answers with the same transaction, another body with key_reused', async () => {
    await house.account('dep-key');
    const request = { account: 'dep-key', amount: usd('5') };
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => house.ledger.movements.deposit(request, keyed('dep-key-1'))),
    );
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    await expect(house.ledger.movements.deposit(request, keyed('dep-key-1', 'other'))).rejects.toMatchObject({
      code: 'key_reused',
    });
    expect((await house.ledger.accounts.read('dep-key')).granted).toBe(usd('5'));
  });

  test('one key on two accounts at the same moment: one deposit, one key_reused', async () => {
    for (let round = 0; round < 5; round++) {
      await house.account(`two-a${round}`);
      await house.account(`two-b${round}`);
      const outcomes = await Promise.allSettled(
        [`two-a${round}`, `two-b${round}`].map((account) =>
          house.ledger.movements.deposit({ account, amount: usd('1') }, keyed(`two-${round}`, account)),
        ),
      );
      expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
      const refused = outcomes.find((outcome) => outcome.status === 'rejected');
      expect(refused?.reason).toMatchObject({ code: 'key_reused' });
    }
  });

  test('a key of one operation is free for another, and of one principal for another', async () => {
    await house.account('dep-op');
    await house.ledger.movements.deposit({ account: 'dep-op', amount: usd('5') }, keyed('shared'));
    await house.ledger.movements.withdraw({ account: 'dep-op', amount: usd('1') }, keyed('shared'));
    await house.ledger.movements.deposit(
      { account: 'dep-op', amount: usd('5') },
      { ...keyed('shared'), principal: 'ann' },
    );
    expect((await house.ledger.accounts.read('dep-op')).granted).toBe(usd('9'));
  });

  test.each([
    ['account_not_found', { account: 'nobody', amount: usd('1') }],
    ['unit_mismatch', { account: 'dep-no', amount: usd('1'), unit: 'SU' }],
    ['fund_not_found', { account: 'dep-no', amount: usd('1'), fundId: 'fund_01JD0000000000000000000000' }],
    ['malformed_request', { account: 'dep-no', amount: usd('0') }],
    ['malformed_request', { account: 'dep-no', amount: usd('-1') }],
    [
      'malformed_request',
      { account: 'dep-no', amount: usd('1'), opensAt: '2030-01-01T00:00:00Z', closesAt: '2030-01-01T00:00:00Z' },
    ],
  ])('refused with %s: %j', async (code, request) => {
    if (code !== 'account_not_found') await house.account(`dep-no`).catch(() => undefined);
    await expect(house.ledger.movements.deposit(request, CALLER)).rejects.toMatchObject({ code });
  });

  test('the overdraft fund takes no deposits', async () => {
    await house.account('dep-over');
    const [fund] = await house.database.sql<{ fund_id: string }[]>`
      select f.fund_id from ledger.funds f join ledger.accounts a using (account_no) where a.name = 'dep-over' and f.source = 'overdraft'`;
    await expect(
      house.ledger.movements.deposit({ account: 'dep-over', amount: usd('1'), fundId: fund?.fund_id ?? '' }, CALLER),
    ).rejects.toMatchObject({ code: 'fund_not_found' });
  });

  test('a balance stays below its ceiling: the last millionth below fits, the next does not', async () => {
    await house.account('rich');
    const { movements } = house.ledger;
    await movements.deposit({ account: 'rich', amount: toMicro(CEILING - 2n) }, CALLER);
    await movements.deposit({ account: 'rich', amount: toMicro(1n) }, CALLER);
    await expect(movements.deposit({ account: 'rich', amount: toMicro(1n) }, CALLER)).rejects.toMatchObject({
      code: 'ceiling_exceeded',
    });
    expect((await balanceOf('rich')).granted).toBe(CEILING - 1n);
  });
});

describe('withdrawals', () => {
  test('take free money to the last millionth, and not one more', async () => {
    await house.account('wd', { budgetLimit: usd('10') });
    await house.hold('wd', usd('4'));
    await expect(
      house.ledger.movements.withdraw({ account: 'wd', amount: usd('6.000001') }, CALLER),
    ).rejects.toMatchObject({
      code: 'insufficient_budget',
      facts: { free: '6', requested: '6.000001', short_by: '0.000001' },
    });
    await house.ledger.movements.withdraw({ account: 'wd', amount: usd('6') }, CALLER);
    expect(await balanceOf('wd')).toMatchObject({ granted: usd('4'), held: usd('4'), available: 0n });
  });

  test('take what lasts longest first, so that what stays is what expires soonest', async () => {
    await house.account('wd-order', { budgetLimit: usd('10') });
    await house.ledger.movements.deposit(
      { account: 'wd-order', amount: usd('10'), closesAt: '2090-01-01T00:00:00Z', label: 'sooner' },
      CALLER,
    );
    await house.ledger.movements.withdraw({ account: 'wd-order', amount: usd('12') }, CALLER);
    const funds = await house.ledger.accounts.funds('wd-order');
    expect(funds.map(({ label, available }) => [label, available])).toEqual([
      ['sooner', usd('8')],
      ['', 0n],
    ]);
  });

  test('leave what covers the debt: nobody withdraws what was spent already', async () => {
    await house.account('wd-debt', { onExhaustion: 'overdraft', overdraftLimit: usd('5') });
    await house.charge({ runKey: 'hpc/wd/-/-', account: 'wd-debt', cost: usd('4') });
    await house.ledger.movements.deposit({ account: 'wd-debt', amount: usd('10') }, CALLER);
    await expect(
      house.ledger.movements.withdraw({ account: 'wd-debt', amount: usd('6.000001') }, CALLER),
    ).rejects.toMatchObject({
      code: 'insufficient_budget',
    });
    await house.ledger.movements.withdraw({ account: 'wd-debt', amount: usd('6') }, CALLER);
    expect(await balanceOf('wd-debt')).toMatchObject({ available: 0n, overdraftUsed: usd('4') });
  });

  test('racing with deposits and holds never take what is not there', async () => {
    await house.account('wd-race', { budgetLimit: usd('10') });
    const { movements } = house.ledger;
    const outcomes = await Promise.allSettled([
      ...Array.from({ length: 10 }, () => movements.withdraw({ account: 'wd-race', amount: usd('3') }, CALLER)),
      ...Array.from({ length: 5 }, () => movements.deposit({ account: 'wd-race', amount: usd('1') }, CALLER)),
      ...Array.from({ length: 5 }, () => house.tryHold('wd-race', usd('2'))),
    ]);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'insufficient_budget' });
    }
    const withdrawn = outcomes.slice(0, 10).filter(({ status }) => status === 'fulfilled').length;
    const balance = await balanceOf('wd-race');
    expect(balance.granted).toBe(usd('15') - BigInt(withdrawn) * usd('3'));
    expect(balance.available).toBeGreaterThanOrEqual(0n);
  });
});

describe('transfers', () => {
  test('move free money and keep its window; both accounts find the transfer', async () => {
    await house.account('from', { budgetLimit: usd('10') });
    await house.account('to', { endsAt: '2050-01-01T00:00:00Z' });
    const made = await house.ledger.movements.transfer({ from: 'from', to: 'to', amount: usd('4') }, CALLER);
    expect(made).toMatchObject({ kind: 'transfer', direction: 'out', account: 'from', amount: usd('4') });
    expect(made.entries).toHaveLength(2);
    expect((await house.ledger.accounts.funds('to')).find(({ source }) => source === 'transfer')).toMatchObject({
      closesAt: '2099-01-01T00:00:00Z',
      granted: usd('4'),
      label: 'From from',
    });
    const { rows } = await house.ledger.movements.list({ account: 'to' }, { limit: 5 });
    expect(rows).toEqual([
      expect.objectContaining({ transactionId: made.transactionId, direction: 'in', account: 'to' }),
    ]);
  });

  test('in opposite directions at once neither deadlock nor make money', async () => {
    await house.account('left', { budgetLimit: usd('50') });
    await house.account('right', { budgetLimit: usd('50') });
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        house.ledger.movements.transfer(
          i % 2 === 0
            ? { from: 'left', to: 'right', amount: usd('2') }
            : { from: 'right', to: 'left', amount: usd('2') },
          CALLER,
        ),
      ),
    );
    expect((await balanceOf('left')).granted).toBe(usd('50'));
    expect((await balanceOf('right')).granted).toBe(usd('50'));
  });

  test('between units, to oneself, from nobody or beyond what is free are refused', async () => {
    await house.account('units', { budgetLimit: usd('1') });
    await house.account('hours', { unit: 'SU' });
    const transfer = (request: { from: string; to: string; amount: string }) =>
      house.ledger.movements.transfer({ ...request, amount: usd(request.amount) }, CALLER);
    await expect(transfer({ from: 'units', to: 'hours', amount: '1' })).rejects.toMatchObject({
      code: 'unit_mismatch',
    });
    await expect(transfer({ from: 'units', to: 'units', amount: '1' })).rejects.toMatchObject({
      code: 'malformed_request',
    });
    await expect(transfer({ from: 'units', to: 'nobody', amount: '1' })).rejects.toMatchObject({
      code: 'account_not_found',
    });
    await house.account('unit-too');
    await expect(transfer({ from: 'units', to: 'unit-too', amount: '1.000001' })).rejects.toMatchObject({
      code: 'insufficient_budget',
    });
  });
});

describe('expiry', () => {
  const closed = { opensAt: '2026-01-01T00:00:00Z', closesAt: '2026-10-01T00:00:00Z' };

  /** What the rows of the funds say, and that they make the account's total. */
  const rowsOf = async (account: string) => {
    const { available, granted, upcoming, funds } = await balanceOf(account);
    const sum = (of: 'available' | 'granted') => funds.reduce((total, fund) => total + fund[of], 0n);
    expect([sum('available'), sum('granted')]).toEqual([available + upcoming, granted + upcoming]);
    expect(await house.ledger.accounts.funds(account)).toEqual(funds);
    return funds.map((fund) => [fund.source, fund.status, fund.granted, fund.held, fund.available]);
  };

  test('takes free money only, once, and a balance says the same before and after', async () => {
    await house.account('exp', { budgetLimit: usd('10') });
    await house.ledger.movements.deposit({ account: 'exp', amount: usd('6'), ...closed }, CALLER);
    await house.hold('exp', usd('2'), { at: '2026-09-01T00:00:00Z' });
    const before = await balanceOf('exp');
    const rows = await rowsOf('exp');
    expect(rows).toEqual([
      ['manual', 'expired', usd('2'), usd('2'), 0n],
      ['base', 'open', usd('10'), 0n, usd('10')],
    ]);
    expect(await house.ledger.movements.expireFunds()).toBe(1);
    expect(await house.ledger.movements.expireFunds()).toBe(0);
    expect(await rowsOf('exp')).toEqual(rows);
    const after = await balanceOf('exp');
    const { granted, held, available } = after;
    expect({ granted, held, available }).toEqual({
      granted: before.granted,
      held: before.held,
      available: before.available,
    });
    expect(after).toMatchObject({ granted: usd('12'), held: usd('2'), available: usd('10') });
  });

  test('leaves what covers the debt, to the millionth', async () => {
    await house.account('exp-debt', { onExhaustion: 'overdraft', overdraftLimit: usd('5') });
    await house.charge({ runKey: 'hpc/exp/-/-', account: 'exp-debt', cost: usd('4'), at: '2026-11-01T00:00:00Z' });
    await house.ledger.movements.deposit({ account: 'exp-debt', amount: usd('4.000001'), ...closed }, CALLER);
    expect(await balanceOf('exp-debt')).toMatchObject({ granted: usd('4'), available: 0n, overdraftUsed: 0n });
    const rows = await rowsOf('exp-debt');
    expect(await house.ledger.movements.expireFunds()).toBe(1);
    expect(await rowsOf('exp-debt')).toEqual(rows);
    expect(await balanceOf('exp-debt')).toMatchObject({ granted: usd('4'), available: 0n, overdraftUsed: 0n });
    const [expiry] = (await house.ledger.movements.list({ account: 'exp-debt', kinds: ['expiry'] }, { limit: 1 })).rows;
    expect(expiry).toMatchObject({ amount: 1n, effectiveAt: closed.closesAt });
  });

  test('of several funds under a debt is shown fund by fund as it will be booked', async () => {
    await house.account('exp-rows', { onExhaustion: 'overdraft', overdraftLimit: usd('5') });
    await house.charge({ runKey: 'hpc/exp-rows/-/-', account: 'exp-rows', cost: usd('4'), at: '2026-11-01T00:00:00Z' });
    for (const [amount, closesAt] of [
      ['3', '2026-08-01T00:00:00Z'],
      ['2', '2026-09-01T00:00:00Z'],
      ['2.5', '2026-10-01T00:00:00Z'],
    ] as const) {
      await house.ledger.movements.deposit(
        { account: 'exp-rows', amount: usd(amount), opensAt: closed.opensAt, closesAt },
        CALLER,
      );
    }
    // 7.5 came too late, 4 of it covers the debt: the first fund goes whole, the second in part, the last stays.
    const rows = await rowsOf('exp-rows');
    expect(rows.filter(([source]) => source === 'manual')).toEqual([
      ['manual', 'expired', 0n, 0n, 0n],
      ['manual', 'expired', usd('1.5'), 0n, usd('1.5')],
      ['manual', 'expired', usd('2.5'), 0n, usd('2.5')],
    ]);
    expect(await house.ledger.movements.expireFunds()).toBe(2);
    expect(await rowsOf('exp-rows')).toEqual(rows);
  });

  test('sweeps that race expire everything once', async () => {
    await house.account('exp-race');
    await house.ledger.movements.deposit({ account: 'exp-race', amount: usd('6'), ...closed }, CALLER);
    const counts = await Promise.all(Array.from({ length: 6 }, () => house.ledger.movements.expireFunds()));
    expect(counts.reduce((total, count) => total + count, 0)).toBe(1);
  });
});

describe('transactions', () => {
  beforeAll(async () => {
    await house.account('book', { budgetLimit: usd('100') });
    const holdId = await house.hold('book', usd('10'), { user: 'ada', partition: 'gpu' });
    const run = await house.charge({
      runKey: 'hpc/77/-/-',
      holdId,
      jobId: '77',
      user: 'ada',
      partition: 'gpu',
      cost: usd('4'),
      close: true,
    });
    await house.ledger.movements.refund({ transactionId: run.transactionId, amount: usd('1') }, CALLER);
    await house.hold('book', usd('5'));
  });

  const kinds = ({ rows }: { rows: Transaction[] }) => rows.map(({ kind }) => kind);

  test('are listed newest first, page by page, without gap or repetition', async () => {
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await house.ledger.movements.list({ account: 'book' }, { limit: 2, ...(cursor && { cursor }) });
      seen.push(...kinds(page));
      cursor = page.nextCursor;
    } while (cursor);
    expect(seen).toEqual(['hold', 'refund', 'release', 'charge', 'hold', 'deposit']);
    const second = await house.ledger.movements.list({ account: 'book' }, { limit: 2, offset: 2 });
    expect(kinds(second)).toEqual(['release', 'charge']);
  });

  test.each([
    [{ account: 'book', jobId: '77' }, ['refund', 'release', 'charge', 'hold']],
    [{ account: 'book', kinds: ['refund' as const, 'release' as const] }, ['refund', 'release']],
    [{ account: 'book', kinds: ['deposit' as const] }, ['deposit']],
    [{ account: 'book', kinds: [] }, []],
    [{ account: 'book', user: 'ada' }, ['refund', 'release', 'charge', 'hold']],
    [{ account: 'book', cluster: 'hpc' }, ['hold', 'refund', 'release', 'charge', 'hold']],
    [{ account: 'book', to: '2026-01-01T00:00:00Z' }, []],
  ])('are filtered by %j', async (filter, expected) => {
    expect(kinds(await house.ledger.movements.list(filter, { limit: 50 }))).toEqual(expected);
  });

  test('are read by their id, a hold by its own, with lines that sum to zero and a parent', async () => {
    const { rows } = await house.ledger.movements.list({ account: 'book', jobId: '77' }, { limit: 50 });
    const [refund, release, charge, hold] = await Promise.all(
      rows.map(({ transactionId }) => house.ledger.movements.read(transactionId)),
    );
    for (const each of [refund, release, charge, hold]) {
      expect(each?.entries?.reduce((total, { amount }) => total + amount, 0n)).toBe(0n);
    }
    expect([refund?.parentId, release?.parentId, charge?.parentId, hold?.parentId]).toEqual([
      charge?.transactionId,
      hold?.transactionId,
      hold?.transactionId,
      undefined,
    ]);
    await expect(house.ledger.movements.read('txn_01JD0000000000000000000000')).rejects.toThrow(Fault);
  });

  test("a hold beyond the reconciliation timeout is pending, as ASBB's clients look for it", async () => {
    const pending = () => house.ledger.movements.list({ account: 'book', status: 'pending' }, { limit: 50 });
    expect(kinds(await pending())).toEqual([]);
    await house.database.sql`update ledger.clusters set reconciliation_timeout_seconds = 1`;
    await house.database.sql`update ledger.holds set placed_at = placed_at - interval '2 seconds'`;
    expect(kinds(await pending())).toEqual(['hold']);
    await house.database.sql`update ledger.clusters set reconciliation_timeout_seconds = 86400`;
  });
});

describe('a statement', () => {
  test('opens, moves and closes: opening + lines = closing = the balance', async () => {
    await house.account('stmt', { budgetLimit: usd('100') });
    const holdId = await house.hold('stmt', usd('10'), { at: '2026-03-01T00:00:00Z' });
    await house.charge({
      runKey: 'hpc/stmt/-/-',
      holdId,
      cost: usd('4'),
      startedAt: '2026-03-01T00:00:00Z',
      endedAt: '2026-03-02T00:00:00Z',
      at: '2026-03-01T00:00:00Z',
      until: '2026-03-02T00:00:00Z',
      close: true,
    });
    const march = await house.ledger.accounts.statement('stmt', '2026-03-01T00:00:00Z', '2026-04-01T00:00:00Z');
    expect(march.opening).toEqual({ granted: usd('100'), settled: 0n, held: 0n, available: usd('100') });
    expect(march.lines.map(({ kind, settled, held, available }) => [kind, settled, held, available])).toEqual([
      ['hold', 0n, usd('10'), usd('-10')],
      ['charge', usd('4'), usd('-4'), 0n],
      ['release', 0n, usd('-6'), usd('6')],
    ]);
    expect(march.closing).toEqual({ granted: usd('100'), settled: usd('4'), held: 0n, available: usd('96') });
    const before = await house.ledger.accounts.statement('stmt', '2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z');
    expect(before.lines).toEqual([]);
    expect(before.closing).toEqual(march.opening);
    expect(await balanceOf('stmt')).toMatchObject(march.closing);
  });
});

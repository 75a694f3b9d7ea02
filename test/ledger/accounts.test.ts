/** Accounts: made once, changed under their rules, moved between parents, archived; and the caps within them. */
import { toMicro } from '../../domain/money';
import { CALLER, END, START, keyed, openMoneyHouse, usd, type MoneyHouse } from './money-house';

let house: MoneyHouse;
beforeAll(async () => void (house = await openMoneyHouse()));
afterAll(() => house.database.drop());
afterEach(async () => expect((await house.ledger.audit.run()).findings).toEqual([]));

const balanceOf = (account: string) => house.ledger.accounts.balance(account);
const update = (name: string, changes: Parameters<MoneyHouse['ledger']['accounts']['update']>[1]) =>
  house.ledger.accounts.update(name, changes, CALLER);

describe('creating', () => {
  test("deposits the limit into the base fund, with the account's own window", async () => {
    const made = await house.account('new', { budgetLimit: usd('100'), title: 'New lab', timeZone: 'Europe/Berlin' });
    expect(made).toMatchObject({
      name: 'new',
      title: 'New lab',
      unit: 'USD',
      timeZone: 'Europe/Berlin',
      status: 'active',
      startsAt: START,
      endsAt: END,
      onExhaustion: 'deny',
      overdraftLimit: 0n,
      granted: usd('100'),
      settled: 0n,
      held: 0n,
      available: usd('100'),
    });
    expect(made).not.toHaveProperty('parent');
    expect(await house.ledger.accounts.funds('new')).toEqual([
      expect.objectContaining({ source: 'base', opensAt: START, closesAt: END, status: 'open', granted: usd('100') }),
    ]);
  });

  test('an account that has not started shows its limit all the same', async () => {
    const made = await house.account('future', { budgetLimit: usd('100'), startsAt: '2098-01-01T00:00:00Z' });
    expect(made.granted).toBe(usd('100'));
    expect(await balanceOf('future')).toMatchObject({ granted: usd('100'), available: usd('100'), difference: 0n });
    expect((await update('future', { budgetLimit: usd('100') })).granted).toBe(usd('100'));
    expect((await house.tryHold('future', usd('1'))).code).toBe('account_not_started');
  });

  test('the same key at once makes one account and answers all alike; a taken name is account_exists', async () => {
    const request = { name: 'same', unit: 'USD', title: 'Same', startsAt: START, endsAt: END, budgetLimit: usd('5') };
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => house.ledger.accounts.create(request, keyed('create-same'))),
    );
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    await expect(house.ledger.accounts.create(request, CALLER)).rejects.toMatchObject({ code: 'account_exists' });
    await expect(house.ledger.accounts.create(request, keyed('create-same', 'other'))).rejects.toMatchObject({
      code: 'key_reused',
    });
    expect((await house.ledger.accounts.read('same')).granted).toBe(usd('5'));
  });

  test('a parent must be there, of the same unit, and not archived', async () => {
    await house.account('hours', { unit: 'SU' });
    await house.account('gone');
    await house.ledger.accounts.archive('gone', CALLER);
    await expect(house.account('c1', { parent: 'nobody' })).rejects.toMatchObject({ code: 'account_not_found' });
    await expect(house.account('c2', { parent: 'hours' })).rejects.toMatchObject({ code: 'invalid_parent' });
    await expect(house.account('c3', { parent: 'gone' })).rejects.toMatchObject({ code: 'invalid_parent' });
  });
});

describe('the budget limit', () => {
  test('raised or lowered moves the difference; below what is settled and held it is refused, at it not', async () => {
    await house.account('limit', { budgetLimit: usd('100') });
    await house.charge({ runKey: 'hpc/limit/-/-', account: 'limit', cost: usd('30') });
    await house.hold('limit', usd('20'));
    expect((await update('limit', { budgetLimit: usd('120') })).granted).toBe(usd('120'));
    await expect(update('limit', { budgetLimit: usd('49.999999') })).rejects.toMatchObject({
      code: 'limit_below_use',
      facts: { settled: '30', held: '20', requested: '49.999999' },
    });
    expect(await update('limit', { budgetLimit: usd('50') })).toMatchObject({ granted: usd('50'), available: 0n });
    const { rows } = await house.ledger.movements.list({ account: 'limit' }, { limit: 2 });
    expect(rows.map(({ kind, amount }) => [kind, amount])).toEqual([
      ['withdrawal', usd('70')],
      ['deposit', usd('20')],
    ]);
  });

  test('that would take the money of other funds is refused', async () => {
    await house.account('other-fund', { budgetLimit: usd('10') });
    await house.ledger.movements.deposit(
      { account: 'other-fund', amount: usd('50'), closesAt: '2098-01-01T00:00:00Z' },
      CALLER,
    );
    await house.hold('other-fund', usd('5'));
    await expect(update('other-fund', { budgetLimit: usd('49.999999') })).rejects.toMatchObject({
      code: 'limit_below_use',
      facts: { free_in_base_fund: '10' },
    });
    expect((await update('other-fund', { budgetLimit: usd('50') })).granted).toBe(usd('50'));
  });

  test('and nothing else of a refused change is kept', async () => {
    await house.account('whole', { budgetLimit: usd('10'), title: 'before' });
    await house.hold('whole', usd('10'));
    await expect(update('whole', { title: 'after', budgetLimit: usd('1') })).rejects.toMatchObject({
      code: 'limit_below_use',
    });
    expect((await house.ledger.accounts.read('whole')).title).toBe('before');
  });
});

describe('dates', () => {
  test("move the base fund's window; an end that is moved back brings back what had expired", async () => {
    await house.account('dates', { budgetLimit: usd('10') });
    await house.charge({ runKey: 'hpc/dates/-/-', account: 'dates', cost: usd('3') });
    const ended = await update('dates', { endsAt: '2026-11-01T00:00:00Z' });
    expect(ended).toMatchObject({ status: 'expired', granted: usd('3'), available: 0n });
    await house.ledger.movements.expireFunds();
    expect(await update('dates', { endsAt: END })).toMatchObject({
      status: 'active',
      granted: usd('10'),
      available: usd('7'),
    });
    await expect(update('dates', { endsAt: START })).rejects.toMatchObject({ code: 'malformed_request' });
  });

  test('expired accounts are listed as expired, archived ones only where they are asked for', async () => {
    await house.account('old', { endsAt: '2026-02-01T00:00:00Z' });
    const names = async (filter: Parameters<MoneyHouse['ledger']['accounts']['list']>[0]) =>
      (await house.ledger.accounts.list(filter, { limit: 100 })).rows.map(({ name }) => name);
    expect(await names({ status: 'expired' })).toEqual(['old']);
    await house.ledger.accounts.archive('old', CALLER);
    expect(await names({ status: 'expired' })).toEqual([]);
    expect(await names({ archived: true })).toContain('old');
  });

  test('a list is paged by its cursor without gap or repetition, newest first', async () => {
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await house.ledger.accounts.list({}, { limit: 3, ...(cursor && { cursor }) });
      seen.push(...page.rows.map(({ name }) => name));
      cursor = page.nextCursor;
    } while (cursor);
    const all = (await house.ledger.accounts.list({}, { limit: 1000 })).rows.map(({ name }) => name);
    expect(seen).toEqual(all);
    expect(new Set(seen).size).toBe(seen.length);
  });
});

describe('parents', () => {
  beforeAll(async () => {
    await house.account('uni', { budgetLimit: usd('1000') });
    await house.account('dept', { parent: 'uni' });
    await house.account('lab', { parent: 'dept', budgetLimit: usd('100') });
    await house.account('sub', { parent: 'lab', budgetLimit: usd('100') });
    await house.account('firm', { budgetLimit: usd('1000') });
    await house.charge({ runKey: 'hpc/lab/-/-', account: 'lab', cost: usd('7') });
    await house.charge({ runKey: 'hpc/sub/-/-', account: 'sub', cost: usd('2') });
    await house.hold('sub', usd('5'));
  });
  const subtreeOf = async (account: string) => {
    const { subtree } = await balanceOf(account);
    return subtree && [subtree.settled, subtree.held];
  };

  test('count what their subtree has settled and holds', async () => {
    expect(await subtreeOf('uni')).toEqual([usd('9'), usd('5')]);
    expect(await subtreeOf('lab')).toEqual([usd('9'), usd('5')]);
    expect(await subtreeOf('sub')).toBeUndefined();
  });

  test('change with all that is below; both trees count right, and back again', async () => {
    expect(await update('lab', { parent: 'firm' })).toMatchObject({ parent: 'firm' });
    expect(await subtreeOf('firm')).toEqual([usd('9'), usd('5')]);
    expect(await subtreeOf('uni')).toEqual([0n, 0n]);
    expect(await subtreeOf('dept')).toBeUndefined();
    await house.charge({ runKey: 'hpc/sub2/-/-', account: 'sub', cost: usd('1') });
    expect(await subtreeOf('firm')).toEqual([usd('10'), usd('5')]);
    expect(await update('lab', { parent: null })).not.toHaveProperty('parent');
    expect(await subtreeOf('firm')).toBeUndefined();
    await update('lab', { parent: 'dept' });
    expect(await subtreeOf('uni')).toEqual([usd('10'), usd('5')]);
  });

  test('never make a circle', async () => {
    await expect(update('uni', { parent: 'sub' })).rejects.toMatchObject({ code: 'invalid_parent' });
    await expect(update('lab', { parent: 'lab' })).rejects.toMatchObject({ code: 'invalid_parent' });
  });

  test('changed while money moves lose nothing', async () => {
    await Promise.all([
      ...Array.from({ length: 10 }, (_, i) => update('sub', { parent: i % 2 === 0 ? 'firm' : 'lab' })),
      ...Array.from({ length: 20 }, (_, i) =>
        house.charge({ runKey: `hpc/moving${i}/-/-`, account: 'sub', cost: usd('1') }),
      ),
      ...Array.from({ length: 20 }, () => house.tryHold('sub', usd('0.5'))),
    ]);
    expect((await balanceOf('sub')).settled).toBe(usd('23'));
  });

  test('limit their subtree to an explicit limit, and no longer once it is removed', async () => {
    const { settled, held } = await balanceOf('sub');
    await house.account('top', {});
    await update('sub', { parent: 'top' });
    await update('top', { subtreeLimit: toMicro(settled + held + 1n) });
    expect((await house.tryHold('sub', toMicro(2n))).code).toBe('parent_limit_exceeded');
    expect((await house.tryHold('sub', toMicro(1n))).code).toBe('placed');
    expect(await update('top', { subtreeLimit: null })).not.toHaveProperty('subtreeLimit');
    expect((await house.tryHold('sub', toMicro(2n))).code).toBe('placed');
  });
});

describe('archiving', () => {
  test('is refused while holds are open, keeps the name, and is undone by unarchive', async () => {
    await house.account('arch', { budgetLimit: usd('10') });
    const holdId = await house.hold('arch', usd('3'));
    await expect(house.ledger.accounts.archive('arch', CALLER)).rejects.toMatchObject({
      code: 'holds_open',
      facts: { open_holds: 1, held: '3' },
    });
    await house.ledger.holds.release(holdId, 'done', CALLER);
    await house.ledger.accounts.archive('arch', CALLER);
    await house.ledger.accounts.archive('arch', CALLER);
    await expect(house.account('arch')).rejects.toMatchObject({ code: 'account_exists' });
    await expect(house.ledger.movements.deposit({ account: 'arch', amount: usd('1') }, CALLER)).rejects.toMatchObject({
      code: 'account_archived',
    });
    expect((await house.tryHold('arch', usd('1'))).code).toBe('account_archived');
    expect(await house.ledger.accounts.unarchive('arch', CALLER)).not.toHaveProperty('archivedAt');
    expect((await house.tryHold('arch', usd('1'))).code).toBe('placed');
  });

  test('does not stop the charge of a job that ran', async () => {
    await house.account('arch-late', { budgetLimit: usd('10') });
    await house.ledger.accounts.archive('arch-late', CALLER);
    await house.charge({ runKey: 'hpc/arch/-/-', account: 'arch-late', cost: usd('4') });
    expect(await balanceOf('arch-late')).toMatchObject({ settled: usd('4'), available: usd('6') });
  });
});

describe('caps', () => {
  test("count from history, over their own window or the account's", async () => {
    await house.account('caps', { budgetLimit: usd('100') });
    const july = await house.hold('caps', usd('5'), { at: '2026-07-10T00:00:00Z', partition: 'gpu', user: 'ada' });
    await house.charge({
      runKey: 'hpc/july/-/-',
      holdId: july,
      partition: 'gpu',
      user: 'ada',
      cost: usd('4'),
      at: '2026-07-10T00:00:00Z',
      close: true,
    });
    await house.hold('caps', usd('3'), { at: '2026-08-10T00:00:00Z', partition: 'gpu', user: 'ben' });
    const set = (limit: Parameters<MoneyHouse['ledger']['accounts']['setLimit']>[1]) =>
      house.ledger.accounts.setLimit('caps', limit, CALLER);
    expect(await set({ partition: 'gpu', limit: usd('10') })).toMatchObject({
      settled: usd('4'),
      held: usd('3'),
      remaining: usd('3'),
    });
    expect(await set({ user: 'ada', limit: usd('10') })).toMatchObject({ settled: usd('4'), held: 0n });
    expect(
      await set({
        partition: 'gpu',
        user: 'ben',
        limit: usd('1'),
        opensAt: '2026-07-01T00:00:00Z',
        closesAt: '2026-08-10T00:00:00Z',
      }),
    ).toMatchObject({ settled: 0n, held: 0n });
    expect(
      await set({
        partition: 'gpu',
        user: 'ben',
        limit: usd('1'),
        opensAt: '2026-08-10T00:00:00Z',
        closesAt: '2026-09-01T00:00:00Z',
      }),
    ).toMatchObject({ held: usd('3'), remaining: usd('-2') });
    expect(await house.ledger.accounts.limits('caps')).toHaveLength(3);
  });

  test("without a window of their own count over the account's, so a new year begins at zero and the old one can come back", async () => {
    const [start, newYear] = ['2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z'];
    await house.account('years', { budgetLimit: usd('100'), startsAt: start, endsAt: '2099-01-01T00:00:00Z' });
    const { setLimit, limits, update } = house.ledger.accounts;
    await setLimit('years', { partition: 'gpu', limit: usd('10') }, CALLER);
    await setLimit('years', { user: '*', limit: usd('10') }, CALLER);
    await setLimit(
      'years',
      { user: 'ada', partition: 'gpu', limit: usd('9'), opensAt: start, closesAt: newYear },
      CALLER,
    );
    const at = '2026-03-01T00:00:00Z';
    const spent = await house.hold('years', usd('4'), { at, partition: 'gpu', user: 'ada' });
    await house.charge({
      runKey: 'hpc/y/-/-',
      holdId: spent,
      partition: 'gpu',
      user: 'ada',
      cost: usd('4'),
      at,
      close: true,
    });
    const stillHeld = await house.hold('years', usd('5'), { at, partition: 'gpu', user: 'ada' });
    const used = async () =>
      Object.fromEntries(
        (await limits('years')).map(({ partition, user, settled, held }) => [
          `${partition ?? '-'} ${user ?? '-'}`,
          [settled, held],
        ]),
      );
    const before = {
      'gpu -': [usd('4'), usd('5')],
      '- *': [0n, 0n],
      '- ada': [usd('4'), usd('5')],
      'gpu ada': [usd('4'), usd('5')],
    };
    expect(await used()).toEqual(before);

    await update('years', { startsAt: newYear }, CALLER);
    expect(await used()).toEqual({ ...before, 'gpu -': [0n, 0n], '- ada': [0n, 0n] });
    expect(await house.ledger.audit.run()).toMatchObject({ findings: [] });
    await update('years', { startsAt: start }, CALLER);
    expect(await used()).toEqual(before);
    await update('years', { startsAt: newYear }, CALLER);
    await house.ledger.holds.release(stillHeld, 'over', CALLER);
    expect(await used()).toEqual({ ...before, 'gpu -': [0n, 0n], '- ada': [0n, 0n], 'gpu ada': [usd('4'), 0n] });
    expect(await house.ledger.audit.run()).toMatchObject({ findings: [] });
  });

  test('of a template follow it when it changes, and go with it', async () => {
    await house.account('template', { budgetLimit: usd('100') });
    const set = (user: string, limit: string) =>
      house.ledger.accounts.setLimit('template', { user, limit: usd(limit) }, CALLER);
    await set('*', '5');
    await set('vip', '50');
    await house.hold('template', usd('4'), { user: 'ada' });
    await house.hold('template', usd('4'), { user: 'vip' });
    await set('*', '6');
    const limits = async () =>
      Object.fromEntries((await house.ledger.accounts.limits('template')).map(({ user, limit }) => [user, limit]));
    expect(await limits()).toEqual({ '*': usd('6'), ada: usd('6'), vip: usd('50') });
    await house.ledger.accounts.removeLimit('template', { user: 'vip' }, CALLER);
    expect((await house.tryHold('template', usd('2.000001'), { user: 'vip' })).code).toBe('user_limit_exceeded');
    expect((await house.tryHold('template', usd('2'), { user: 'vip' })).code).toBe('placed');
    await house.ledger.accounts.removeLimit('template', { user: '*' }, CALLER);
    expect(await limits()).toEqual({});
    await expect(house.ledger.accounts.removeLimit('template', { user: '*' }, CALLER)).rejects.toMatchObject({
      code: 'limit_not_found',
    });
  });

  test('are set once per key', async () => {
    await house.account('cap-key');
    const set = (limit: string, body: string) =>
      house.ledger.accounts.setLimit('cap-key', { partition: 'gpu', limit: usd(limit) }, keyed('cap-key', body));
    const first = await set('5', 'a');
    expect(await set('5', 'a')).toEqual(first);
    await expect(set('6', 'b')).rejects.toMatchObject({ code: 'key_reused' });
  });
});

test('an account that is not there is named in every answer', async () => {
  const { accounts } = house.ledger;
  const facts = { account: 'nobody' };
  await expect(accounts.read('nobody')).rejects.toMatchObject({ code: 'account_not_found', facts });
  await expect(accounts.balance('nobody')).rejects.toMatchObject({ code: 'account_not_found', facts });
  await expect(accounts.funds('nobody')).rejects.toMatchObject({ code: 'account_not_found', facts });
  await expect(accounts.limits('nobody')).rejects.toMatchObject({ code: 'account_not_found', facts });
  await expect(accounts.statement('nobody', START, END)).rejects.toMatchObject({ code: 'account_not_found', facts });
  await expect(update('nobody', { title: 'x' })).rejects.toMatchObject({ code: 'account_not_found', facts });
  await expect(accounts.archive('nobody', CALLER)).rejects.toMatchObject({ code: 'account_not_found', facts });
});

/** Holds can be read and found, grow only within every limit, shrink, and are given back once. */
import { caller, check, job, openHouse, usd, type House } from './admission-house';

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house.drop());
afterEach(() => house.books());

const place = async (account: string, hours: number, key?: string): Promise<string> => {
  const { holdId } = await house.admission.check(check(account, hours), caller(key));
  if (holdId === undefined) throw new Error(`${account} did not get ${hours}`);
  return holdId;
};

describe('reading', () => {
  test('a hold is found by its id and by the key it was asked for with', async () => {
    await house.account('found', { funds: [{ amount: '3', closesAt: '2090-01-01T00:00:00Z' }, '10'] });
    const holdId = await place('found', 5, 'find-me');
    const hold = await house.holds.read(holdId);
    expect(hold).toMatchObject({
      holdId,
      key: 'find-me',
      account: 'found',
      unit: 'USD',
      cluster: 'default',
      partition: 'cpu',
      user: 'rkaur',
      status: 'open',
      placed: usd('5'),
      held: usd('5'),
      charged: 0n,
      released: 0n,
      late: false,
    });
    expect(hold.parts.map(({ source, held }) => [source, held])).toEqual([
      ['base', usd('3')],
      ['manual', usd('2')],
    ]);
    expect(await house.holds.findByKey('local', 'find-me')).toEqual(hold);
  });

  test('no such id, no such key, a key that was refused: not found', async () => {
    await house.account('refused', { funds: [] });
    await house.admission.check(check('refused', 1), caller('refused-key'));
    await expect(house.holds.read('txn_nothing')).rejects.toMatchObject({ code: 'hold_not_found' });
    await expect(house.holds.findByKey('local', 'nothing')).rejects.toMatchObject({ code: 'hold_not_found' });
    await expect(house.holds.findByKey('local', 'refused-key')).rejects.toMatchObject({ code: 'hold_not_found' });
  });

  test('lists are filtered, newest first, and paged without gaps or repeats', async () => {
    await house.account('listed');
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.push(await place('listed', 1));
    await house.holds.release(ids[1] ?? '', 'not needed', caller());
    const filter = { account: 'listed', status: 'open' as const };
    const first = await house.holds.list(filter, { limit: 3 });
    const second = await house.holds.list(filter, { limit: 3, cursor: first.nextCursor ?? '' });
    expect([...first.rows, ...second.rows].map(({ holdId }) => holdId)).toEqual([ids[4], ids[3], ids[2], ids[0]]);
    expect(second.nextCursor).toBeUndefined();
    expect((await house.holds.list({ account: 'listed' }, { limit: 2, offset: 3 })).rows).toHaveLength(2);
    expect((await house.holds.list({ account: 'listed', user: 'nobody' }, { limit: 9 })).rows).toEqual([]);
    await expect(house.holds.list({}, { limit: 1, cursor: 'x' })).rejects.toMatchObject({ code: 'malformed_request' });
  });
});

describe('resizing', () => {
  test('more is drawn where the first part was, then from the next fund; less goes back the other way round', async () => {
    await house.account('resized', { funds: [{ amount: '6', closesAt: '2090-01-01T00:00:00Z' }, '4'], overdraft: '2' });
    const holdId = await place('resized', 5);
    await expect(house.holds.resize(holdId, usd('11'), 'longer', caller())).resolves.toMatchObject({
      held: usd('11'),
      placed: usd('5'),
    });
    expect(await house.parts(holdId)).toEqual({ 'fund 1': 6, 'fund 2': 4, overdraft: 1 });
    await house.books();
    await house.holds.resize(holdId, usd('8'), 'shorter', caller());
    expect(await house.parts(holdId)).toEqual({ 'fund 1': 6, 'fund 2': 2 });
    await house.holds.resize(holdId, usd('0'), 'nothing', caller());
    expect(await house.parts(holdId)).toEqual({});
    expect(await house.totals('resized')).toMatchObject({ held: 0n });
    const resizes = await house.sql<{ amount: bigint; description: string }[]>`
      select t.amount_micro as amount, t.description from ledger.transactions t join ledger.holds h using (hold_no)
      where h.hold_id = ${holdId} and t.kind = 'resize' order by txn_no`;
    expect(resizes.map(({ amount, description }) => [amount, description])).toEqual([
      [usd('6'), 'longer'],
      [usd('-3'), 'shorter'],
      [usd('-8'), 'nothing'],
    ]);
  });

  test('more than any limit allows is refused with the facts of a check, and nothing changes', async () => {
    await house.account('grow-top', { funds: ['9'] });
    await house.account('grow', { parent: 'grow-top' });
    await house.limit('grow', { partition: 'cpu', limit: '8' });
    await house.limit('grow', { user: '*', limit: '7' });
    const holdId = await place('grow', 5);
    const grow = (amount: string) => house.holds.resize(holdId, usd(amount), 'longer', caller());
    await expect(grow('101')).rejects.toMatchObject({ code: 'insufficient_budget', facts: { short_by: '1' } });
    await expect(grow('8.000001')).rejects.toMatchObject({
      code: 'partition_limit_exceeded',
      facts: { requested: '3.000001', short_by: '0.000001', held: '5' },
    });
    await expect(grow('7.000001')).rejects.toMatchObject({ code: 'user_limit_exceeded' });
    await expect(grow('7')).resolves.toMatchObject({ held: usd('7') });
    await house.sql`update ledger.limits set limit_micro = 100000000`;
    await expect(grow('9.000001')).rejects.toMatchObject({
      code: 'parent_limit_exceeded',
      facts: { parent: 'grow-top' },
    });
    await house.sql`update ledger.accounts set status = 'suspended' where name = 'grow'`;
    await expect(grow('8')).rejects.toMatchObject({ code: 'account_inactive' });
    await expect(grow('6')).resolves.toMatchObject({ held: usd('6') });
  });

  test('the same resize twice is one; a refusal is an answer like any other; another amount with the key is refused', async () => {
    await house.account('resize-keys', { funds: ['10'] });
    const holdId = await place('resize-keys', 5);
    const resize = (amount: string, key: string) =>
      house.holds.resize(holdId, usd(amount), 'again', caller(key, amount));
    await resize('7', 'up');
    await house.holds.resize(holdId, usd('3'), 'between', caller());
    await expect(resize('7', 'up')).resolves.toMatchObject({ held: usd('7') });
    await expect(house.holds.read(holdId)).resolves.toMatchObject({ held: usd('3') });
    await expect(resize('8', 'up')).rejects.toMatchObject({ code: 'key_reused' });
    await expect(resize('11', 'no')).rejects.toMatchObject({ code: 'insufficient_budget', facts: { short_by: '1' } });
    await house.sql`update ledger.accounts set overdraft_limit_micro = 100000000, on_exhaustion = 'overdraft' where name = 'resize-keys'`;
    await expect(resize('11', 'no')).rejects.toMatchObject({ code: 'insufficient_budget', facts: { short_by: '1' } });
    await expect(resize('11', 'yes')).resolves.toMatchObject({ held: usd('11') });
  });

  test('a closed hold and a hold that is not there cannot be resized', async () => {
    await house.account('resize-closed');
    const holdId = await place('resize-closed', 5);
    await house.holds.release(holdId, 'done', caller());
    await expect(house.holds.resize(holdId, usd('6'), 'late', caller())).rejects.toMatchObject({ code: 'hold_closed' });
    await expect(house.holds.resize('txn_none', usd('6'), 'late', caller())).rejects.toMatchObject({
      code: 'hold_not_found',
    });
  });

  test('50 holds growing at once on money for ten: exactly ten grow', async () => {
    await house.account('crowd', { funds: ['60'] });
    const ids = await Promise.all(Array.from({ length: 50 }, () => place('crowd', 1)));
    const outcomes = await Promise.allSettled(ids.map((id) => house.holds.resize(id, usd('2'), 'more', caller())));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    expect(await house.totals('crowd')).toMatchObject({ held: usd('60') });
  });

  test('components of a heterogeneous job are resized one by one', async () => {
    await house.account('resize-group', { funds: ['10'] });
    const components = [job(2), job(3, { partition: 'gpu' })];
    const { componentHoldIds } = await house.admission.check(check('resize-group', 0, { components }), caller());
    const [, second] = componentHoldIds ?? [];
    await expect(house.holds.resize(second ?? '', usd('8'), 'more', caller())).resolves.toMatchObject({
      held: usd('8'),
    });
    expect(await house.totals('resize-group')).toMatchObject({ held: usd('10') });
  });
});

describe('releasing', () => {
  test('a released hold gives everything back, once; releasing it again answers as it is', async () => {
    await house.account('released', { funds: ['10'] });
    await house.limit('released', { user: '*', limit: '6' });
    const holdId = await place('released', 6);
    const answers = await Promise.all([1, 2, 3].map(() => house.holds.release(holdId, 'cancelled', caller())));
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 'released', held: 0n, released: usd('6') });
    }
    expect(await house.totals('released')).toMatchObject({ held: 0n });
    expect(await house.parts(await place('released', 6))).toEqual({ 'fund 1': 6 });
  });
});

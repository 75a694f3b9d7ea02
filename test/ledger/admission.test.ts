/** The promises of admission: exact under contention, one answer a key, the right purse, nothing for nobody. */
import { connectPostgres } from '../../platform/postgres';
import { caller, check, job, openHouse, placedOf, usd, type House } from './admission-house';
import { eventually } from '../helpers/eventually';

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house.drop());
afterEach(() => house.books());

const times = <T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)));

describe('contention', () => {
  test('200 concurrent callers on a budget for ten: exactly ten are placed', async () => {
    await house.account('ten', { funds: ['10'] });
    const decisions = await times(200, () => house.admission.check(check('ten', 1), caller()));
    expect(placedOf(decisions)).toHaveLength(10);
    expect(new Set(placedOf(decisions).map(({ holdId }) => holdId)).size).toBe(10);
    expect(await house.totals('ten')).toMatchObject({ held: usd('10') });
    const balances = placedOf(decisions).map(({ remaining }) => remaining);
    expect(new Set(balances)).toEqual(new Set([0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n].map((n) => n * 1_000_000n)));
  });

  test('200 concurrent callers on two funds under three limits, in two processes: the narrowest limit decides', async () => {
    await house.account('three-top', { funds: [], subtreeLimit: '13' });
    await house.account('three', {
      funds: [{ amount: '4', closesAt: '2090-01-01T00:00:00Z' }, '30'],
      parent: 'three-top',
    });
    await house.limit('three', { partition: 'cpu', limit: '12' });
    await house.limit('three', { user: '*', limit: '9' });
    const other = house.open();
    const decisions = await times(200, (index) =>
      (index % 2 === 0 ? house.admission : other).check(
        check('three', 1, { user: index % 3 === 0 ? 'rkaur' : 'mlee' }),
        caller(),
      ),
    );
    expect(placedOf(decisions)).toHaveLength(12);
    expect(await house.totals('three-top')).toMatchObject({ held: 0n, subtreeHeld: usd('12') });
  });

  test('two processes with pools of their own over two trees, both hot: no deadlock, nothing oversold', async () => {
    await house.account('left', { funds: ['40'] });
    await house.account('right', { funds: ['40'] });
    const pools = [connectPostgres({ url: house.database.url }), connectPostgres({ url: house.database.url })];
    const doors = pools.map((pool) => house.open(pool));
    const decisions = await times(400, (index) => {
      const door = doors[index % 2];
      if (!door) throw new Error('two doors');
      return door.check(check(index % 4 < 2 ? 'left' : 'right', 1), caller(`tree-${index}`));
    });
    await Promise.all(pools.map((pool) => pool.end()));
    expect(placedOf(decisions.filter(({ account }) => account === 'left'))).toHaveLength(40);
    expect(placedOf(decisions.filter(({ account }) => account === 'right'))).toHaveLength(40);
  });

  test("ASBB's fault: two jobs of 60 on 100 were both held, 120 in all; here the second is refused", async () => {
    await house.account('asbb');
    const decisions = await times(2, () => house.admission.check(check('asbb', 60), caller()));
    expect(decisions.map(({ available }) => available).sort()).toEqual([false, true]);
    expect(await house.totals('asbb')).toMatchObject({ held: usd('60') });
  });
});

describe('keys', () => {
  test('the same key again is the first answer, yes or no, also after the account has changed', async () => {
    await house.account('keys', { funds: ['10'] });
    const yes = await house.admission.check(check('keys', 6), caller('yes'));
    const no = await house.admission.check(check('keys', 6), caller('no'));
    expect([yes.available, no.available]).toEqual([true, false]);
    await house.sql`update ledger.accounts set status = 'suspended' where name = 'keys'`;
    expect(await house.admission.check(check('keys', 6), caller('yes'))).toEqual({ ...yes, replayed: true });
    expect(await house.admission.check(check('keys', 6), caller('no'))).toEqual({ ...no, replayed: true });
    expect(await house.totals('keys')).toMatchObject({ held: usd('6') });
  });

  test('the same key with another body is refused, and changes nothing', async () => {
    await house.account('bodies');
    await house.admission.check(check('bodies', 1), caller('body', 'one'));
    await expect(house.admission.check(check('bodies', 2), caller('body', 'two'))).rejects.toMatchObject({
      code: 'key_reused',
    });
    expect(await house.totals('bodies')).toMatchObject({ held: usd('1') });
  });

  test('the same key many times in one batch: one hold, one answer', async () => {
    await house.account('repeats');
    const decisions = await times(20, () => house.admission.check(check('repeats', 1), caller('again')));
    expect(new Set(decisions.map(({ holdId }) => holdId)).size).toBe(1);
    expect(decisions.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await house.totals('repeats')).toMatchObject({ held: usd('1') });
  });

  test('the same key with two bodies in one batch: the first is answered, the second is refused', async () => {
    await house.account('quarrel');
    await house.admission.estimate(check('quarrel', 1)); // So that both wait for nothing before they queue.
    const [first, second] = await Promise.allSettled([
      house.admission.check(check('quarrel', 1), caller('quarrel', 'one')),
      house.admission.check(check('quarrel', 2), caller('quarrel', 'two')),
    ]);
    expect(first).toMatchObject({ status: 'fulfilled', value: { available: true } });
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'key_reused' } });
  });

  test('the same key under two roots at once: one is placed, the other hears that the key is taken', async () => {
    await house.account('root-a');
    await house.account('root-b');
    const other = house.open();
    const outcomes = await times(40, (round) =>
      Promise.allSettled([
        house.admission.check(check('root-a', 1), caller(`root-${round}`, 'a')),
        other.check(check('root-b', 1), caller(`root-${round}`, 'b')),
      ]),
    );
    for (const pair of outcomes) {
      expect(pair.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      expect(pair.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'key_reused' } });
    }
    const held = [await house.totals('root-a'), await house.totals('root-b')].reduce((sum, { held }) => sum + held, 0n);
    expect(held).toBe(usd('40'));
  });

  test('without a key every call is new', async () => {
    await house.account('keyless');
    await times(3, () => house.admission.check(check('keyless', 1), caller()));
    expect(await house.totals('keyless')).toMatchObject({ held: usd('3') });
  });

  test('an unknown account burns no key and does not disturb its neighbours', async () => {
    await house.account('neighbour');
    const before = await house.count('decisions');
    const [gone, placed] = await Promise.allSettled([
      house.admission.check(check('nobody', 1), caller('burnt')),
      house.admission.check(check('neighbour', 1), caller('kept')),
    ]);
    expect(gone).toMatchObject({ status: 'rejected', reason: { code: 'account_not_found' } });
    expect(placed).toMatchObject({ status: 'fulfilled', value: { available: true } });
    expect(await house.count('decisions')).toBe(before + 1);
    await house.account('nobody');
    expect(await house.admission.check(check('nobody', 1), caller('burnt'))).toMatchObject({ available: true });
  });

  test('what PostgreSQL cannot even read fails alone', async () => {
    await house.account('unreadable');
    const [bad, good] = await Promise.allSettled([
      house.admission.check(check('unreadable', 1, { jobName: 'nul\u0000' }), caller('nul')),
      house.admission.check(check('unreadable', 1), caller('no-nul')),
    ]);
    expect(bad.status).toBe('rejected');
    expect(good).toMatchObject({ status: 'fulfilled', value: { available: true } });
  });

  test('an unknown cluster is not found; one that was made a moment ago is', async () => {
    await house.account('clusters');
    await expect(house.admission.check(check('clusters', 1, { cluster: 'new' }), caller())).rejects.toMatchObject({
      code: 'cluster_not_found',
    });
    await house.sql`insert into ledger.clusters (name, time_zone) values ('new', 'Europe/Paris')`;
    const decision = await house.admission.check(check('clusters', 1, { cluster: 'new' }), caller());
    expect(decision).toMatchObject({ available: true, cluster: 'new', clusterTimeZone: 'Europe/Paris' });
  });
});

describe('funds', () => {
  test('a hold draws on the fund that expires soonest, then on the next', async () => {
    await house.account('dated', {
      funds: [
        { amount: '50', closesAt: '2095-01-01T00:00:00Z' },
        { amount: '10', closesAt: '2080-01-01T00:00:00Z' },
        { amount: '20', closesAt: '2085-01-01T00:00:00Z' },
      ],
    });
    const small = await house.admission.check(check('dated', 4), caller());
    const large = await house.admission.check(check('dated', 30), caller());
    expect(await house.parts(small.holdId)).toEqual({ 'fund 2': 4 });
    expect(await house.parts(large.holdId)).toEqual({ 'fund 2': 6, 'fund 3': 20, 'fund 1': 4 });
  });

  test('money that has expired or has not come yet does not count, and the refusal says when it comes', async () => {
    await house.account('windows', {
      funds: [
        { amount: '5' },
        { amount: '100', closesAt: '2021-01-01T00:00:00Z' },
        { amount: '70', opensAt: '2098-06-01T00:00:00Z' },
      ],
    });
    const decision = await house.admission.check(check('windows', 6), caller());
    expect(decision).toMatchObject({
      available: false,
      code: 'insufficient_budget',
      balance: usd('5'),
      explanation: { limit: '5', short_by: '1', next_money_at: '2098-06-01T00:00:00Z', next_money: '70' },
    });
    expect(decision.message).toContain('The next 70 USD comes on 2098-06-01 00:00 UTC.');
  });

  test('a backdated check is judged and paid by the funds of its own time', async () => {
    await house.account('backdated', {
      funds: [{ amount: '5' }, { amount: '100', closesAt: '2021-01-01T00:00:00Z' }],
    });
    const at = '2020-06-01T12:00:00Z';
    const decision = await house.admission.check(check('backdated', 50, { at }), caller());
    expect(decision).toMatchObject({ available: true, at, balance: usd('105') });
    expect(await house.parts(decision.holdId)).toEqual({ 'fund 2': 50 });
    await expect(
      house.admission.check(check('backdated', 1, { at: '2019-12-31T23:59:59.999999Z' }), caller()),
    ).resolves.toMatchObject({ code: 'account_not_started' });
  });

  test('under policy overdraft a hold may go below zero, to N and not one micro-unit further', async () => {
    await house.account('overdraft', { funds: ['10'], overdraft: '5' });
    const decision = await house.admission.check(check('overdraft', 12), caller());
    expect(decision).toMatchObject({ available: true, remaining: usd('-2') });
    expect(await house.parts(decision.holdId)).toEqual({ 'fund 1': 10, overdraft: 2 });
    await expect(house.admission.check(check('overdraft', 4), caller())).resolves.toMatchObject({
      available: false,
      explanation: { short_by: '1', overdraft_limit: '5', affordable: '3' },
    });
    await expect(house.admission.check(check('overdraft', 3), caller())).resolves.toMatchObject({
      available: true,
      remaining: usd('-5'),
    });
  });

  test('a job that costs nothing passes where there is no money', async () => {
    await house.account('broke', { funds: [] });
    const decision = await house.admission.check(check('broke', 0), caller());
    expect(decision).toMatchObject({ available: true, holdAmount: 0n });
    expect(await house.parts(decision.holdId)).toEqual({});
  });
});

describe('limits', () => {
  test('a template caps each user for himself, by a row made at his first hold', async () => {
    await house.account('template');
    await house.limit('template', { user: '*', limit: '5' });
    await house.limit('template', { user: 'boss', limit: '50' });
    const decisions = await times(30, (index) =>
      house.admission.check(check('template', 1, { user: index % 2 === 0 ? 'ann' : 'bob' }), caller()),
    );
    expect(placedOf(decisions)).toHaveLength(10);
    await expect(house.admission.check(check('template', 20, { user: 'boss' }), caller())).resolves.toMatchObject({
      available: true,
    });
    await expect(house.admission.check(check('template', 6, { user: 'eve' }), caller())).resolves.toMatchObject({
      code: 'user_limit_exceeded',
    });
    const rows = await house.sql`
      select user_name from ledger.limits l join ledger.accounts using (account_no)
      where name = 'template' and from_template order by user_name`;
    expect(rows.map(({ user_name }) => String(user_name))).toEqual(['ann', 'bob']);
  });

  test('a template counts what its users held before it was set', async () => {
    await house.account('late-template');
    await house.admission.check(check('late-template', 4, { user: 'ann' }), caller());
    await house.limit('late-template', { user: '*', limit: '5' });
    await expect(house.admission.check(check('late-template', 2, { user: 'ann' }), caller())).resolves.toMatchObject({
      code: 'user_limit_exceeded',
      explanation: { held: '4', short_by: '1' },
    });
    await expect(house.admission.check(check('late-template', 1, { user: 'ann' }), caller())).resolves.toMatchObject({
      available: true,
    });
  });

  test("a parent's own money, or its limit, bounds everything below it; a parent without either bounds nothing", async () => {
    await house.account('free-top', { funds: [] });
    await house.account('school', { funds: ['10'], parent: 'free-top' });
    await house.account('physics', { funds: ['100'], parent: 'school' });
    await house.account('chemistry', { funds: ['100'], parent: 'school', subtreeLimit: '3' });
    await expect(house.admission.check(check('physics', 8), caller())).resolves.toMatchObject({ available: true });
    await expect(house.admission.check(check('physics', 3), caller())).resolves.toMatchObject({
      code: 'parent_limit_exceeded',
      explanation: { parent: 'school', limit: '10', held: '8', short_by: '1', affordable: '2' },
    });
    await expect(house.admission.check(check('chemistry', 4), caller())).resolves.toMatchObject({
      code: 'parent_limit_exceeded',
      explanation: { parent: 'chemistry', limit: '3' },
    });
    await expect(house.admission.check(check('chemistry', 2), caller())).resolves.toMatchObject({ available: true });
    expect(await house.totals('free-top')).toMatchObject({ held: 0n, subtreeHeld: usd('10') });
  });

  test('a cap with a window of its own counts only holds of that window', async () => {
    await house.account('seasons');
    await house.limit('seasons', {
      partition: 'cpu',
      limit: '3',
      opensAt: '2021-01-01T00:00:00Z',
      closesAt: '2022-01-01T00:00:00Z',
    });
    const within = '2021-06-01T00:00:00Z';
    await expect(house.admission.check(check('seasons', 4, { at: within }), caller())).resolves.toMatchObject({
      code: 'partition_limit_exceeded',
    });
    await expect(house.admission.check(check('seasons', 3, { at: within }), caller())).resolves.toMatchObject({
      available: true,
      partitionUsed: usd('3'),
      partitionLimit: usd('3'),
    });
    await expect(house.admission.check(check('seasons', 4), caller())).resolves.toMatchObject({ available: true });
  });
});

describe('heterogeneous jobs', () => {
  const components = [job(2), job(3, { partition: 'gpu' })];

  test('all components are held together, each with a hold of its own and one story', async () => {
    await house.account('group', { funds: ['3', '10'] });
    const before = await house.count('outbox');
    const decision = await house.admission.check(check('group', 0, { components }), caller('group'));
    expect(decision).toMatchObject({ available: true, holdAmount: usd('5'), estimatedCost: usd('5') });
    expect(decision.componentHoldIds).toHaveLength(2);
    expect(decision.componentHoldIds?.[0]).toBe(decision.holdId);
    expect(await house.count('outbox')).toBe(before + 1);
    const holds = await Promise.all((decision.componentHoldIds ?? []).map((id) => house.holds.read(id)));
    expect(holds.map(({ partition, held, group }) => ({ partition, held, group }))).toEqual([
      { partition: 'cpu', held: usd('2'), group: decision.holdId },
      { partition: 'gpu', held: usd('3'), group: decision.holdId },
    ]);
    const again = await house.admission.check(check('group', 0, { components }), caller('group'));
    expect(again).toEqual({ ...decision, replayed: true });
  });

  test('one component over its limit refuses them all, and nothing is held', async () => {
    await house.account('half', { funds: ['100'] });
    await house.limit('half', { partition: 'gpu', limit: '2.999999' });
    await expect(house.admission.check(check('half', 0, { components }), caller())).resolves.toMatchObject({
      available: false,
      code: 'partition_limit_exceeded',
      explanation: { partition: 'gpu', requested: '3', short_by: '0.000001' },
    });
    expect(await house.totals('half')).toMatchObject({ held: 0n });
  });

  test('components that fit one by one but not together are refused', async () => {
    await house.account('together', { funds: ['4.999999'] });
    await expect(house.admission.check(check('together', 0, { components }), caller())).resolves.toMatchObject({
      code: 'insufficient_budget',
      explanation: { requested: '5' },
    });
  });
});

describe('prices and estimates', () => {
  test('a price that changed a moment ago is the price that is held', async () => {
    const other = await openHouse();
    await other.account('prices');
    await expect(other.admission.check(check('prices', 1), caller())).resolves.toMatchObject({ holdAmount: usd('1') });
    await other.sql`update ledger.rates set rate_micro = 7000000`;
    const decisions = await times(20, () => other.admission.check(check('prices', 1), caller()));
    expect(new Set(decisions.map(({ holdAmount }) => holdAmount))).toEqual(new Set([usd('7')]));
    await other.sql`update ledger.accounts set hold_multiplier_micro = 1500000`;
    await expect(other.admission.check(check('prices', 1), caller())).resolves.toMatchObject({
      holdAmount: usd('10.5'),
      holdMultiplier: '1.5',
    });
    await other.drop();
  });

  test('an estimate is the answer of the check that follows, and writes nothing', async () => {
    await house.account('estimates', { funds: ['10'] });
    await house.limit('estimates', { user: '*', limit: '8' });
    const tables = ['decisions', 'holds', 'transactions', 'entries', 'outbox', 'limits'];
    const counts = () => Promise.all(tables.map((table) => house.count(table)));
    const before = await counts();
    const estimates = [
      await house.admission.estimate(check('estimates', 8)),
      await house.admission.estimate(check('estimates', 9)),
    ];
    expect(await counts()).toEqual(before);
    const answers = [
      await house.admission.check(check('estimates', 9), caller()),
      await house.admission.check(check('estimates', 8), caller()),
    ].reverse();
    const timeless = (decision: (typeof answers)[0] | undefined) => ({ ...decision, at: '', holdId: '' });
    expect(estimates.map((estimate) => estimate.available)).toEqual([true, false]);
    expect(timeless(estimates[0])).toEqual(timeless(answers[0]));
    expect(timeless(estimates[1])).toEqual(timeless(answers[1]));
    await expect(house.admission.estimate(check('no-such', 1))).rejects.toMatchObject({ code: 'account_not_found' });
  });
});

describe('a ledger that is away', () => {
  test('a PostgreSQL that hangs is ledger_unavailable within the deadline; it holds nothing later and comes back by itself', async () => {
    const impatient = await openHouse({ deadlineMs: 2_000 });
    await impatient.account('hanging');
    const lock = await impatient.sql.reserve();
    await lock`begin`;
    await lock`select from ledger.account_totals for update`;
    const answers = await Promise.allSettled([
      impatient.admission.check(check('hanging', 1), caller()),
      impatient.admission.check(check('hanging', 1), caller()),
      impatient.admission.check(check('hanging', 1), caller()),
    ]);
    expect(answers.map((answer) => answer.status === 'rejected' && answer.reason)).toEqual(
      answers.map(() => expect.objectContaining({ code: 'ledger_unavailable' })),
    );
    // The call for help takes a connection of its own.
    await eventually('nothing waits for the lock any more', async () => {
      const waiting = await impatient.sql`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      return waiting.length === 0;
    });
    await lock`rollback`;
    lock.release();
    await expect(impatient.admission.check(check('hanging', 1), caller())).resolves.toMatchObject({ available: true });
    expect(await impatient.totals('hanging')).toMatchObject({ held: usd('1') });
    await impatient.drop();
  });

  test('a PostgreSQL that is not there is ledger_unavailable', async () => {
    const nowhere = connectPostgres({ url: 'postgres://bursar@127.0.0.1:1/none', connectTimeoutSeconds: 1 });
    await expect(house.open(nowhere).check(check('hanging', 1), caller())).rejects.toMatchObject({
      code: 'ledger_unavailable',
    });
    await nowhere.end({ timeout: 0 });
  });
});

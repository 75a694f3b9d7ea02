/** Every refusal is reachable, is decided at its exact edge, and explains itself. */
import type { FaultCode } from '../../domain/faults';
import type { CheckRequest } from '../../ledger/contract';
import { caller, check, job, openHouse, usd, type House } from './admission-house';

let house: House;
beforeAll(async () => {
  house = await openHouse();
  await house.sql`insert into ledger.partitions (cluster_no, name, max_time_seconds) select cluster_no, 'capped', 7200 from ledger.clusters`;
});
afterAll(() => house.drop());
afterEach(() => house.books());

const at = (instant: string) => ({ at: instant });
const START = '2026-01-01T00:00:00Z';
const END = '2027-01-01T00:00:00Z';
const window = { startsAt: START, endsAt: END };

/** Both sides of an edge: the last request that passes and the first that does not. */
async function edge(passes: CheckRequest, refused: CheckRequest, code: FaultCode): Promise<string> {
  const no = await house.admission.check(refused, caller());
  expect(no).toMatchObject({ available: false, code });
  expect(no.explanation).toMatchObject({ code, account: refused.account });
  await expect(house.admission.check(passes, caller())).resolves.toMatchObject({ available: true, code: 'placed' });
  return no.message;
}

describe('an account that is not open', () => {
  test('archived', async () => {
    await house.account('archived', { archived: true, status: 'inactive' });
    const decision = await house.admission.check(check('archived', 1), caller());
    expect(decision).toMatchObject({ available: false, code: 'account_archived', holdAmount: usd('1') });
    expect(decision.message).toBe("Account 'archived' is not active: it was archived on 2020-01-01 00:00 UTC.");
  });

  test.each(['inactive', 'suspended'])('%s', async (status) => {
    await house.account(status, { status, ...window });
    const decision = await house.admission.check(check(status, 1, at('2025-01-01T00:00:00Z')), caller());
    expect(decision).toMatchObject({ code: 'account_inactive', explanation: { status } });
    expect(decision.message).toBe(`Account '${status}' is not active: its status is ${status}.`);
  });

  test('not started: one microsecond before the start, and at the start', async () => {
    await house.account('early', window);
    const message = await edge(
      check('early', 1, at(START)),
      check('early', 1, at('2025-12-31T23:59:59.999999Z')),
      'account_not_started',
    );
    expect(message).toBe("Account 'early' is not active: it starts on 2026-01-01 00:00 UTC.");
  });

  test('ended: at the end, and one microsecond before', async () => {
    await house.account('ended', window);
    const message = await edge(
      check('ended', 1, at('2026-12-31T23:59:59.999999Z')),
      check('ended', 1, at(END)),
      'account_expired',
    );
    expect(message).toBe("Account 'ended' has ended: its last moment was 2027-01-01 00:00 UTC.");
  });

  test('a parent that is not open, however far up', async () => {
    await house.account('top', { funds: [], ...window });
    await house.account('middle', { funds: [], parent: 'top' });
    await house.account('leaf', { parent: 'middle' });
    const message = await edge(
      check('leaf', 1, at('2026-12-31T23:59:59.999999Z')),
      check('leaf', 1, at(END)),
      'parent_inactive',
    );
    expect(message).toBe("Account 'leaf' is not active: its parent 'top' ended on 2027-01-01 00:00 UTC.");
    await house.sql`update ledger.accounts set status = 'suspended' where name = 'middle'`;
    const decision = await house.admission.check(check('leaf', 1), caller());
    expect(decision.message).toBe("Account 'leaf' is not active: its parent 'middle' is suspended.");
  });
});

describe('a job that cannot be priced', () => {
  test('without a finite time limit, unless the partition has a longest time', async () => {
    await house.account('endless');
    const endless = job(0, { wallSeconds: undefined, unlimited: true });
    const message = await edge(
      check('endless', 0, { components: [{ ...endless, partition: 'capped' }] }),
      check('endless', 0, { components: [endless] }),
      'time_limit_missing',
    );
    expect(message).toMatch(/^No finite time limit: the job asks for unlimited time/);
  });

  test('a model of GPU that has neither its own rate nor a generic one', async () => {
    await house.account('gpus');
    const resources = { ...job(1).resources, gpus: 1, gpusByModel: { a100: 1 } };
    const message = await edge(check('gpus', 1), check('gpus', 0, { components: [job(1, { resources })] }), 'unpriced');
    expect(message).toMatch(/^No price: /);
  });

  test('a closed account is said before a missing price, a missing price before missing money', async () => {
    await house.account('closed', { status: 'inactive' });
    await house.account('poor', { funds: [] });
    const endless = { components: [job(0, { wallSeconds: undefined, unlimited: true })] };
    await expect(house.admission.check(check('closed', 0, endless), caller())).resolves.toMatchObject({
      code: 'account_inactive',
    });
    await expect(house.admission.check(check('poor', 0, endless), caller())).resolves.toMatchObject({
      code: 'time_limit_missing',
    });
  });
});

describe('limits of money, one micro-unit on either side', () => {
  /** 36 seconds of one node: 0.01 USD. */
  const cent = (account: string, changes: Partial<CheckRequest> = {}) => check(account, 0.01, changes);

  test('insufficient budget', async () => {
    await house.account('budget-short', { funds: ['0.009999'] });
    await house.account('budget-exact', { funds: ['0.01'] });
    const message = await edge(cent('budget-exact'), cent('budget-short'), 'insufficient_budget');
    expect(message).toBe(
      "Insufficient budget: in account 'budget-short' 0.009999 USD is left (0 USD is settled and 0 USD held of 0.009999 USD); " +
        'this job needs 0.01 USD, 0.000001 USD more than is left.',
    );
  });

  test('insufficient budget across two funds and the overdraft', async () => {
    await house.account('sum-short', { funds: ['0.003', '0.004'], overdraft: '0.002999' });
    await house.account('sum-exact', { funds: ['0.003', '0.004'], overdraft: '0.003' });
    await edge(cent('sum-exact'), cent('sum-short'), 'insufficient_budget');
  });

  test('partition limit', async () => {
    await house.account('partition');
    await house.limit('partition', { partition: 'cpu', limit: '0.009999' });
    await house.limit('partition', { partition: 'gpu', limit: '0.01' });
    const message = await edge(
      cent('partition', { components: [job(0.01, { partition: 'gpu' })] }),
      cent('partition'),
      'partition_limit_exceeded',
    );
    expect(message).toMatch(
      /^Partition limit exceeded: in partition 'cpu' of account 'partition' 0\.009999 USD is left/,
    );
  });

  test('user limit: his own, by template, and in a partition', async () => {
    await house.account('users');
    await house.limit('users', { user: '*', limit: '0.009999' });
    await house.limit('users', { user: 'own', limit: '0.01' });
    await house.limit('users', { user: 'both', limit: '0.02' });
    await house.limit('users', { user: 'both', partition: 'cpu', limit: '0.009999' });
    const message = await edge(
      cent('users', { user: 'own' }),
      cent('users', { user: 'templated' }),
      'user_limit_exceeded',
    );
    expect(message).toMatch(/^User limit exceeded: for user 'templated' in account 'users' 0\.009999 USD is left/);
    const within = await edge(
      cent('users', { user: 'both', components: [job(0.01, { partition: 'gpu' })] }),
      cent('users', { user: 'both' }),
      'user_limit_exceeded',
    );
    expect(within).toMatch(/^User limit exceeded: for user 'both' in partition 'cpu' of account 'users'/);
  });

  test('parent limit: by its own money, and by an explicit limit', async () => {
    await house.account('parent-short', { funds: ['0.009999'] });
    await house.account('child-short', { parent: 'parent-short' });
    await house.account('parent-exact', { funds: ['0.009999'], subtreeLimit: '0.01' });
    await house.account('child-exact', { parent: 'parent-exact' });
    const message = await edge(cent('child-exact'), cent('child-short'), 'parent_limit_exceeded');
    expect(message).toMatch(
      /^Parent account limit exceeded: in account 'parent-short' and everything below it, 'child-short' included, 0\.009999 USD is left/,
    );
  });

  test('the upper refusal is said where several apply, and what would fit fits all of them', async () => {
    await house.account('many-top', { funds: ['40'] });
    await house.account('many', { funds: ['30'], parent: 'many-top' });
    await house.limit('many', { partition: 'cpu', limit: '20' });
    await house.limit('many', { user: '*', limit: '10' });
    const ask = async (hours: number) => {
      const { code, explanation } = await house.admission.check(check('many', hours), caller());
      return { code, affordable: explanation?.affordable };
    };
    expect(await ask(50)).toEqual({ code: 'insufficient_budget', affordable: '10' });
    expect(await ask(30)).toEqual({ code: 'partition_limit_exceeded', affordable: '10' });
    expect(await ask(20)).toEqual({ code: 'user_limit_exceeded', affordable: '10' });
    expect(await ask(10)).toEqual({ code: 'placed', affordable: undefined });
  });
});

describe('what would fit', () => {
  test('the time that is named is in whole minutes, since Slurm rounds up; under a minute none is named', async () => {
    await house.account('minutes', { funds: ['1.019999', '0.99'] });
    const long = await house.admission.check(check('minutes', 3), caller());
    expect(long.explanation).toMatchObject({ fits: { wall_seconds: 7235 } });
    expect(long.message).toContain('What would fit now: --time=02:00:00.');
    await house.account('seconds', { funds: ['0.016'] });
    const short = await house.admission.check(check('seconds', 3), caller());
    expect(short.explanation).toMatchObject({ fits: { wall_seconds: 57 } });
    expect(short.message).not.toContain('What would fit');
  });

  test('less time, fewer nodes or fewer tasks, each of which does fit', async () => {
    await house.account('fits', { funds: ['25'] });
    const resources = { ...job(1).resources, nodes: 4 };
    const asked = job(2, { resources, arrayTasks: 5 });
    const { explanation, message } = await house.admission.check(check('fits', 0, { components: [asked] }), caller());
    expect(explanation).toMatchObject({
      requested: '40',
      affordable: '25',
      fits: { wall_seconds: 4500, nodes: 2, tasks: 3 },
    });
    expect(message).toContain('What would fit now: --time=01:15:00, or 2 nodes, or 3 array tasks.');
    const smaller = [
      { ...asked, wallSeconds: 4500 },
      { ...asked, resources: { ...resources, nodes: 2 } },
      { ...asked, arrayTasks: 3 },
    ];
    for (const component of smaller) {
      await expect(house.admission.estimate(check('fits', 0, { components: [component] }))).resolves.toMatchObject({
        available: true,
      });
    }
  });

  test('a cap on holds is seen through: half of a capped job still costs half of what it really costs', async () => {
    const capped = await openHouse();
    await capped.sql`update ledger.clusters set hold_cap_micro = 30000000`;
    await capped.account('capped', { funds: ['20'] });
    const { explanation } = await capped.admission.check(check('capped', 100), caller());
    expect(explanation).toMatchObject({ requested: '30', fits: { wall_seconds: 20 * 3600 } });
    await expect(capped.admission.check(check('capped', 20), caller())).resolves.toMatchObject({ available: true });
    await capped.drop();
  });
});

/**
 * The ledger against a simpler one (model.ts): random deposits, withdrawals, transfers, holds, charges, releases, refunds,
 * adjustments and expiries on a parent and its accounts, with caps, dated funds and an overdraft. After every step both say
 * the same of every fund, account, subtree and cap, and the audit finds nothing.
 */
import fc from 'fast-check';
import { Fault } from '../../domain/faults';
import { toMicro } from '../../domain/money';
import { chargeRun } from './charge-door';
import { heldBy, ModelLedger, type ModelAccount, type ModelFund } from './model';
import { CALLER, openMoneyHouse, type MoneyHouse } from './money-house';

let house: MoneyHouse;
beforeAll(async () => void (house = await openMoneyHouse()));
afterAll(() => house.database.drop());

const seconds = (text: string): number => Date.parse(text) / 1000;
const instant = (at: number): string => new Date(at * 1000).toISOString();

const ERA = { start: seconds('2020-01-01T00:00:00Z'), end: seconds('2099-01-01T00:00:00Z') };
/** Two funds that have closed by now, one that will open when nobody of us is there to see it. */
const WINDOWS = {
  early: { opens: ERA.start, closes: seconds('2020-07-01T00:00:00Z') },
  mid: { opens: ERA.start, closes: seconds('2021-01-01T00:00:00Z') },
  late: { opens: seconds('2098-01-01T00:00:00Z'), closes: ERA.end },
};
/** Moments of use: all funds open; the early one closed; both closed. Uses of hours or of a year cross their edges. */
const MOMENTS = ['2020-03-01T00:00:00Z', '2020-06-30T18:00:00Z', '2020-09-01T00:00:00Z', '2021-05-01T00:00:00Z'].map(
  seconds,
);
const LENGTHS = [0, 7 * 3600, 86_400 * 200];
const NAMES = ['lab', 'team', 'solo'] as const;
const PARTITIONS = ['batch', 'gpu'];
const USERS = ['ada', 'ben'];

interface Real {
  run: string;
  fundIds: Map<string, string>;
  chargeCount: number;
}

/** What the ledger said: done, or the code of its refusal. */
async function outcomeOf(command: () => Promise<unknown>): Promise<string> {
  try {
    await command();
    return 'done';
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}

abstract class Step {
  constructor(protected readonly story: string) {}

  async run(model: ModelLedger, real: Real): Promise<void> {
    if (!this.applies(model)) return;
    await this.step(model, real);
    await expectSame(model, real);
  }

  toString(): string {
    return this.story;
  }

  protected applies(_model: Readonly<ModelLedger>): boolean {
    return true;
  }
  protected abstract step(model: ModelLedger, real: Real): Promise<void>;

  protected account(model: ModelLedger, index: number): ModelAccount {
    const account = model.accounts[index];
    if (!account) throw new Error('no such account in the model');
    return account;
  }
}

/** An amount of its own, or one at the edge of what is possible: one millionth below, exactly, one above. */
type Amount = { exactly: bigint } | { edge: bigint };

const resolve = (amount: Amount, limit: bigint): bigint => {
  if ('exactly' in amount) return amount.exactly;
  return limit + amount.edge > 0n ? limit + amount.edge : 1n;
};
const written = (amount: Amount): string =>
  'exactly' in amount ? `${amount.exactly}` : `all${amount.edge >= 0n ? '+' : ''}${amount.edge}`;

const nameIn = (real: Real, account: ModelAccount): string => `${real.run}-${account.name}`;

class Deposit extends Step {
  constructor(
    private readonly to: number,
    private readonly fund: 'base' | keyof typeof WINDOWS,
    private readonly amount: bigint,
  ) {
    super(`deposit ${amount} into ${NAMES[to]}/${fund}`);
  }
  protected async step(model: ModelLedger, real: Real): Promise<void> {
    const account = this.account(model, this.to);
    const fund = account.funds.find(({ name }) => name === this.fund);
    const fundId = real.fundIds.get(`${account.name}/${this.fund}`);
    if (!fund || !fundId) throw new Error('no such fund');
    await house.ledger.movements.deposit(
      { account: nameIn(real, account), amount: toMicro(this.amount), fundId },
      CALLER,
    );
    model.deposit(account, fund, this.amount);
  }
}

class Withdraw extends Step {
  constructor(
    private readonly from: number,
    private readonly asked: Amount,
  ) {
    super(`withdraw ${written(asked)} from ${NAMES[from]}`);
  }
  protected async step(model: ModelLedger, real: Real): Promise<void> {
    const account = this.account(model, this.from);
    const takeable = model.takeable(account).reduce((total, each) => total + each.amount, 0n);
    const amount = resolve(this.asked, takeable);
    const outcome = await outcomeOf(() =>
      house.ledger.movements.withdraw({ account: nameIn(real, account), amount: toMicro(amount) }, CALLER),
    );
    expect(outcome).toBe(amount > takeable ? 'insufficient_budget' : 'done');
    if (outcome === 'done') model.take(account, amount);
  }
}

class Transfer extends Step {
  constructor(
    private readonly from: number,
    private readonly to: number,
    private readonly asked: Amount,
  ) {
    super(`transfer ${written(asked)} from ${NAMES[from]} to ${NAMES[to]}`);
  }
  protected override applies(): boolean {
    return this.from !== this.to;
  }
  protected async step(model: ModelLedger, real: Real): Promise<void> {
    const [from, to] = [this.account(model, this.from), this.account(model, this.to)];
    const takeable = model.takeable(from).reduce((total, each) => total + each.amount, 0n);
    const amount = resolve(this.asked, takeable);
    const outcome = await outcomeOf(() =>
      house.ledger.movements.transfer(
        { from: nameIn(real, from), to: nameIn(real, to), amount: toMicro(amount) },
        CALLER,
      ),
    );
    expect(outcome).toBe(amount > takeable ? 'insufficient_budget' : 'done');
    if (outcome === 'done') model.transfer(from, to, amount);
  }
}

class Place extends Step {
  constructor(
    private readonly who: number,
    private readonly asked: Amount,
    private readonly at: number,
    private readonly partition: string,
    private readonly user: string,
  ) {
    super(`hold ${written(asked)} of ${NAMES[who]} at ${instant(at)} for ${user} in ${partition}`);
  }
  protected async step(model: ModelLedger, real: Real): Promise<void> {
    const account = this.account(model, this.who);
    const { partition, user } = this;
    const amount = resolve(this.asked, model.available(account, this.at) + account.overdraftLimit);
    const { code, holdId } = await house.tryHold(nameIn(real, account), toMicro(amount), {
      partition,
      user,
      at: instant(this.at),
    });
    expect(code).toBe(model.judge(account, amount, this.at, partition, user));
    if (code === 'placed') model.place(holdId, account, amount, this.at, partition, user);
  }
}

class Charge extends Step {
  constructor(
    private readonly which: number,
    private readonly amounts: bigint[],
    private readonly at: number,
    private readonly length: number,
    private readonly close: boolean,
  ) {
    super(`charge ${amounts.join('+')} on hold #${which} from ${instant(at)} for ${length} s${close ? ', close' : ''}`);
  }
  protected override applies(model: Readonly<ModelLedger>): boolean {
    return model.holds.length > 0;
  }
  protected async step(model: ModelLedger, real: Real): Promise<void> {
    const hold = model.holds[this.which % model.holds.length];
    if (!hold) throw new Error('no hold');
    const uses = this.amounts.map((amount, i) => ({
      starts: this.at + i * this.length,
      ends: this.at + (i + 1) * this.length,
      amount,
    }));
    const charged = await chargeRun(house.database.sql, {
      runKey: `${real.run}/${real.chargeCount++}`,
      holdId: hold.id,
      jobId: real.run,
      partition: hold.partition,
      user: hold.user,
      source: 'usage',
      pieces: uses.map(({ starts, ends, amount }) => ({
        startsAt: instant(starts),
        endsAt: instant(ends),
        amount: toMicro(amount),
      })),
      close: this.close,
      actor: 'model',
    });
    const { account, partition, user } = hold;
    model.charge({ transactionId: charged.transactionId, account, partition, user, hold }, uses);
    if (this.close && hold.open) model.close(hold);
    expect(charged.hold).toMatchObject({ held: heldBy(hold), status: hold.open ? 'open' : expect.any(String) });
  }
}

class Close extends Step {
  constructor(private readonly which: number) {
    super(`close hold #${which}`);
  }
  protected override applies(model: Readonly<ModelLedger>): boolean {
    return model.holds.length > 0;
  }
  protected async step(model: ModelLedger): Promise<void> {
    const hold = model.holds[this.which % model.holds.length];
    if (!hold) throw new Error('no hold');
    await house.ledger.holds.release(hold.id, 'model', CALLER);
    if (hold.open) model.close(hold);
  }
}

class Refund extends Step {
  constructor(
    private readonly which: number,
    private readonly asked: Amount,
  ) {
    super(`refund ${written(asked)} of charge #${which}`);
  }
  protected override applies(model: Readonly<ModelLedger>): boolean {
    return model.charges.length > 0;
  }
  protected async step(model: ModelLedger): Promise<void> {
    const charge = model.charges[this.which % model.charges.length];
    if (!charge) throw new Error('no charge');
    const { transactionId } = charge;
    const amount = resolve(this.asked, charge.cost - charge.refunded);
    const outcome = await outcomeOf(() =>
      house.ledger.movements.refund({ transactionId, amount: toMicro(amount) }, CALLER),
    );
    expect(outcome).toBe(amount > charge.cost - charge.refunded ? 'refund_exceeds_charge' : 'done');
    if (outcome === 'done') model.refund(charge, amount);
  }
}

class Adjust extends Step {
  constructor(
    private readonly which: number,
    private readonly amount: bigint,
  ) {
    super(`adjust charge #${which} by ${amount}`);
  }
  protected override applies(model: Readonly<ModelLedger>): boolean {
    return (model.charges[this.which % model.charges.length]?.pieces.length ?? 0) > 0;
  }
  protected async step(model: ModelLedger): Promise<void> {
    const charge = model.charges[this.which % model.charges.length];
    if (!charge) throw new Error('no charge');
    const { transactionId } = charge;
    const outcome = await outcomeOf(() =>
      house.ledger.movements.adjust({ transactionId, amount: toMicro(this.amount), description: 'model' }, CALLER),
    );
    expect(outcome).toBe(charge.cost + this.amount < charge.refunded ? 'refund_exceeds_charge' : 'done');
    if (outcome === 'done') model.adjust(charge, this.amount);
  }
}

class Expire extends Step {
  constructor() {
    super('expire');
  }
  protected async step(model: ModelLedger): Promise<void> {
    await house.ledger.movements.expireFunds();
    for (const account of model.accounts) model.expire(account);
  }
}

/** Every fund, account, subtree and cap, and the audit. */
async function expectSame(model: ModelLedger, real: Real): Promise<void> {
  const { sql } = house.database;
  const funds = await sql<{ account: string; granted: bigint; settled: bigint; held: bigint; expired: bigint }[]>`
    select a.name as account, f.granted_micro as granted, f.settled_micro as settled, f.held_micro as held, f.expired_micro as expired
    from ledger.funds f join ledger.accounts a using (account_no)
    where a.name like ${`${real.run}-%`} order by a.account_no, f.source = 'overdraft', f.fund_no`;
  const expected = model.accounts.flatMap((account) =>
    [...account.funds, account.overdraft].map(({ granted, settled, held, expired }) => ({
      account: nameIn(real, account),
      granted,
      settled,
      held,
      expired,
    })),
  );
  expect([...funds]).toEqual(expected);

  const now = Date.now() / 1000;
  for (const account of model.accounts) {
    const balance = await house.ledger.accounts.balance(nameIn(real, account));
    const held = model.held(account);
    expect(balance).toMatchObject({
      granted: model.granted(account, now),
      settled: model.settled(account),
      held,
      available: model.available(account, now),
      difference: 0n,
    });
    if (balance.subtree) expect(balance.subtree).toMatchObject(model.subtreeUse(account));
    for (const { partition, user, limit, settled, held: heldNow } of balance.limits) {
      if (user === '*') continue;
      expect({ limit, settled, held: heldNow }).toEqual({
        limit: account.caps.find((cap) => cap.partition === partition)?.limit,
        ...model.capUse(account, partition, user),
      });
    }
  }
  const audit = await house.ledger.audit.run();
  expect(audit.findings).toEqual([]);
}

let runs = 0;

/** A lab that was given money, a team below it with an overdraft and caps, and an account beside them. */
async function begin(): Promise<{ model: ModelLedger; real: Real }> {
  const real: Real = { run: `m${++runs}`, fundIds: new Map(), chargeCount: 0 };
  const model = new ModelLedger(Date.now() / 1000);
  for (const name of NAMES) {
    const parent = name === 'team' ? model.accounts[0] : undefined;
    const overdraftLimit = name === 'team' ? 15n : 0n;
    const full = `${real.run}-${name}`;
    await house.account(full, {
      budgetLimit: toMicro(60n),
      startsAt: instant(ERA.start),
      endsAt: instant(ERA.end),
      ...(parent && { parent: nameIn(real, parent) }),
      ...(overdraftLimit > 0n && { onExhaustion: 'overdraft' as const, overdraftLimit: toMicro(overdraftLimit) }),
    });
    const fund = (fundName: string, { opens, closes }: { opens: number; closes: number }): ModelFund => ({
      name: fundName,
      opens,
      closes,
      granted: 0n,
      settled: 0n,
      held: 0n,
      expired: 0n,
    });
    const account: ModelAccount = {
      name,
      ...(parent && { parent }),
      funds: [{ ...fund('base', { opens: ERA.start, closes: ERA.end }), granted: 60n }],
      overdraft: fund('overdraft', { opens: 0, closes: Infinity }),
      overdraftLimit,
      funded: true,
      caps: [],
    };
    for (const [window, { opens, closes }] of Object.entries(WINDOWS)) {
      await house.ledger.movements.deposit(
        { account: full, amount: toMicro(1n), opensAt: instant(opens), closesAt: instant(closes), label: window },
        CALLER,
      );
      account.funds.push({ ...fund(window, { opens, closes }), granted: 1n });
    }
    if (name === 'team') {
      account.caps = [
        { partition: 'gpu', limit: 40n },
        { user: '*', limit: 60n },
      ];
      await house.ledger.accounts.setLimit(full, { partition: 'gpu', limit: toMicro(40n) }, CALLER);
      await house.ledger.accounts.setLimit(full, { user: '*', limit: toMicro(60n) }, CALLER);
    }
    for (const { source, label, fundId } of await house.ledger.accounts.funds(full)) {
      real.fundIds.set(`${name}/${source === 'base' ? 'base' : label}`, fundId);
    }
    model.accounts.push(account);
  }
  return { model, real };
}

const account = fc.nat({ max: NAMES.length - 1 });
const amount = fc.bigInt({ min: 1n, max: 60n });
const edge = fc.constantFrom(-1n, 0n, 1n).map((delta) => ({ edge: delta }));
const asked: fc.Arbitrary<Amount> = fc.oneof(
  amount.map((exactly) => ({ exactly })),
  edge,
);
const index = fc.nat({ max: 50 });
const moment = fc.constantFrom(...MOMENTS);

const deposits = fc.tuple(
  account,
  fc.constantFrom('base' as const, 'early' as const, 'mid' as const, 'late' as const),
  amount,
);
const places = fc.tuple(
  account,
  fc.oneof(
    fc.bigInt({ min: 0n, max: 40n }).map((exactly) => ({ exactly })),
    edge,
  ),
  moment,
  fc.constantFrom(...PARTITIONS),
  fc.constantFrom(...USERS),
);
const charges = fc.tuple(
  index,
  fc.array(fc.bigInt({ min: 0n, max: 30n }), { minLength: 1, maxLength: 3 }),
  moment,
  fc.constantFrom(...LENGTHS),
  fc.boolean(),
);
const deltas = fc.bigInt({ min: -20n, max: 20n }).filter((delta) => delta !== 0n);

/** Holds and charges twice: most of the others do nothing without them. */
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    deposits.map((args) => new Deposit(...args)),
    fc.tuple(account, asked).map((args) => new Withdraw(...args)),
    fc.tuple(account, account, asked).map((args) => new Transfer(...args)),
    places.map((args) => new Place(...args)),
    places.map((args) => new Place(...args)),
    charges.map((args) => new Charge(...args)),
    charges.map((args) => new Charge(...args)),
    index.map((which) => new Close(which)),
    fc.tuple(index, asked).map((args) => new Refund(...args)),
    fc.tuple(index, deltas).map((args) => new Adjust(...args)),
    fc.constant(new Expire()),
  ),
  { minLength: 20, maxLength: 45, size: 'max' },
);

test('no order of movements makes the ledger say anything else than a simpler one does', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`model.test.ts: seed ${seed}`);
  await fc.assert(
    fc.asyncProperty(steps, async (story) => {
      const { model, real } = await begin();
      for (const step of story) await step.run(model, real);
    }),
    { numRuns: 40, seed },
  );
});

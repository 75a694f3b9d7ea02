/**
 * Whatever is placed, resized and released in whatever order, alone or in batches: admission decides as a model does that
 * keeps nothing but a list of holds and adds them up anew for every question.
 */
import fc from 'fast-check';
import { toMicro } from '../../domain/money';
import { caller, check, job, openHouse, type AccountSpec, type House, type LimitSpec } from './admission-house';

/** Whole USD, so that an hour of a node is one of them. */
type Amount = number;

interface ModelAccount {
  name: string;
  parent?: ModelAccount;
  funds: Amount[]; // Soonest to expire first.
  overdraft: Amount;
  partitionLimit: Amount;
  templateLimit: Amount;
  subtreeLimit?: Amount;
}

interface ModelHold {
  id: string;
  account: ModelAccount;
  partition: string;
  user: string;
  parts: Amount[]; // Fund by fund, the overdraft last.
  open: boolean;
}

const sum = (amounts: Amount[]): Amount => amounts.reduce((total, amount) => total + amount, 0);
const held = ({ parts }: ModelHold): Amount => sum(parts);

class Model {
  readonly holds: ModelHold[] = [];
  constructor(readonly accounts: ModelAccount[]) {}

  private heldWhere(matches: (hold: ModelHold) => boolean): Amount {
    return sum(this.holds.filter((hold) => hold.open && matches(hold)).map(held));
  }

  /** An open one where there is one, but now and then any of them. */
  pick(which: number): ModelHold {
    const open = this.holds.filter((hold) => hold.open);
    const from = open.length > 0 && which % 7 > 0 ? open : this.holds;
    return from[which % from.length] as ModelHold;
  }

  available(account: ModelAccount): Amount {
    return sum(account.funds) - this.heldWhere((hold) => hold.account === account);
  }

  /** Why these amounts may not be held together, if they may not. */
  refusal(account: ModelAccount, user: string, asked: { partition: string; amount: Amount }[]): string | undefined {
    const total = sum(asked.map(({ amount }) => amount));
    if (total > 0 && total > this.available(account) + account.overdraft) return 'insufficient_budget';
    const inCpu = sum(asked.filter(({ partition }) => partition === 'cpu').map(({ amount }) => amount));
    const usedInCpu = this.heldWhere((hold) => hold.account === account && hold.partition === 'cpu');
    if (inCpu > 0 && usedInCpu + inCpu > account.partitionLimit) return 'partition_limit_exceeded';
    const usedByUser = this.heldWhere((hold) => hold.account === account && hold.user === user);
    if (total > 0 && usedByUser + total > account.templateLimit) return 'user_limit_exceeded';
    for (let node: ModelAccount | undefined = account; node; node = node.parent) {
      const isParent = this.accounts.some(({ parent }) => parent === node);
      const own = isParent && node.funds.length > 0 ? sum(node.funds) + node.overdraft : Infinity;
      const limit = node.subtreeLimit ?? own;
      const used = this.heldWhere((hold) => hold.account === node || hold.account.parent === node);
      if (total > 0 && used + total > limit) return 'parent_limit_exceeded';
    }
    return undefined;
  }

  /** Soonest first; what no fund has comes from the overdraft. */
  draw(account: ModelAccount, amount: Amount): Amount[] {
    const parts = account.funds.map((fund, index) => {
      const free =
        fund - sum(this.holds.filter((hold) => hold.account === account).map(({ parts }) => parts[index] ?? 0));
      const part = Math.min(amount, free);
      amount -= part;
      return part;
    });
    return [...parts, amount];
  }
}

interface Real {
  house: House;
}
type Step = fc.AsyncCommand<Model, Real>;

const expectParts = async ({ house }: Real, hold: ModelHold) => {
  const labels = [...hold.account.funds.map((_, index) => `fund ${index + 1}`), 'overdraft'];
  const expected = Object.fromEntries(
    labels.map((label, index) => [label, hold.parts[index] ?? 0] as const).filter(([, part]) => part > 0),
  );
  expect(await house.parts(hold.id)).toEqual(expected);
};

interface Asked {
  account: number;
  /** A check with a time of its own is decided by place_hold_exactly, and so is its whole tree in that batch. */
  isDated: boolean;
  user: string;
  components: { partition: string; amount: Amount }[];
}

/** Some checks at once: they travel in one batch, and are decided in their order. */
class PlaceTogether implements Step {
  constructor(readonly asked: Asked[]) {}
  check = () => true;
  async run(model: Model, real: Real) {
    const accountOf = ({ account }: Asked) => model.accounts[account % model.accounts.length] as ModelAccount;
    const decisions = await Promise.all(
      this.asked.map((asked) =>
        real.house.admission.check(
          check(accountOf(asked).name, 0, {
            user: asked.user,
            ...(asked.isDated ? { at: '2026-01-01T00:00:00Z' } : {}),
            components: asked.components.map(({ partition, amount }) => job(amount, { partition })),
          }),
          caller(),
        ),
      ),
    );
    for (const [index, asked] of this.asked.entries()) {
      const account = accountOf(asked);
      const decision = decisions[index];
      const refusal = model.refusal(account, asked.user, asked.components);
      const total = sum(asked.components.map(({ amount }) => amount));
      expect(decision).toMatchObject({
        code: refusal ?? 'placed',
        balance: BigInt(model.available(account)) * 1_000_000n,
        remaining: BigInt(model.available(account) - (refusal ? 0 : total)) * 1_000_000n,
      });
      if (refusal) continue;
      for (const [place, { partition, amount }] of asked.components.entries()) {
        const id = decision?.componentHoldIds?.[place] ?? decision?.holdId ?? '';
        const hold = { id, account, partition, user: asked.user, parts: model.draw(account, amount), open: true };
        model.holds.push(hold);
        await expectParts(real, hold);
      }
    }
  }
  toString = () => `place ${JSON.stringify(this.asked)}`;
}

class Resize implements Step {
  constructor(
    readonly which: number,
    readonly amount: Amount,
  ) {}
  check = (model: Readonly<Model>) => model.holds.length > 0;
  async run(model: Model, real: Real) {
    const hold = model.pick(this.which);
    const more = this.amount - held(hold);
    const refusal = !hold.open
      ? 'hold_closed'
      : more > 0
        ? model.refusal(hold.account, hold.user, [{ partition: hold.partition, amount: more }])
        : undefined;
    const resized = real.house.holds.resize(hold.id, toMicro(BigInt(this.amount) * 1_000_000n), 'model', caller());
    if (refusal) {
      await expect(resized).rejects.toMatchObject({ code: refusal });
    } else {
      await resized;
      if (more > 0) hold.parts = model.draw(hold.account, more).map((part, index) => part + (hold.parts[index] ?? 0));
      let back = Math.max(0, -more);
      for (let index = hold.parts.length - 1; index >= 0; index--) {
        const part = Math.min(back, hold.parts[index] ?? 0);
        hold.parts[index] = (hold.parts[index] ?? 0) - part;
        back -= part;
      }
    }
    await expectParts(real, hold);
  }
  toString = () => `resize ${this.which} to ${this.amount}`;
}

class Release implements Step {
  constructor(readonly which: number) {}
  check = (model: Readonly<Model>) => model.holds.length > 0;
  async run(model: Model, real: Real) {
    const hold = model.pick(this.which);
    await expect(real.house.holds.release(hold.id, 'model', caller())).resolves.toMatchObject({ status: 'released' });
    hold.open = false;
    hold.parts = hold.parts.map(() => 0);
  }
  toString = () => `release ${this.which}`;
}

const amount = fc.integer({ min: 0, max: 6 });
const component = fc.record({ partition: fc.constantFrom('cpu', 'cpu', 'gpu'), amount });
const asked: fc.Arbitrary<Asked> = fc.record({
  account: fc.nat({ max: 3 }),
  isDated: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
  user: fc.constantFrom('ann', 'bob'),
  components: fc.oneof(
    { weight: 4, arbitrary: component.map((one) => [one]) },
    { weight: 1, arbitrary: fc.array(component, { minLength: 2, maxLength: 3 }) },
  ),
});
const steps: fc.Arbitrary<Step>[] = [
  fc.array(asked, { minLength: 1, maxLength: 6 }).map((some) => new PlaceTogether(some)),
  fc.array(asked, { minLength: 2, maxLength: 9 }).map((some) => new PlaceTogether(some)),
  fc.tuple(fc.nat({ max: 50 }), fc.integer({ min: 0, max: 12 })).map(([which, to]) => new Resize(which, to)),
  fc.nat({ max: 50 }).map((which) => new Release(which)),
];
const commands = fc.commands(steps, { maxCommands: 30, size: 'max' });
const money = fc.oneof(fc.constant(1000), fc.integer({ min: 3, max: 40 }));
const spec = fc.record({
  funds: fc.array(fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 5, max: 25 })), { maxLength: 3 }),
  overdraft: fc.constantFrom(0, 0, 4),
  partitionLimit: money,
  templateLimit: money,
  subtreeLimit: fc.option(money, { nil: undefined }),
});

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house.drop());

let worlds = 0;

/** A parent, its two children, and an account of its own. */
async function makeWorld(specs: (typeof spec extends fc.Arbitrary<infer Spec> ? Spec : never)[]): Promise<Model> {
  const world = `world-${++worlds}`;
  const accounts: ModelAccount[] = [];
  for (const [index, { funds, overdraft, partitionLimit, templateLimit, subtreeLimit }] of specs.entries()) {
    const parent = index === 1 || index === 2 ? accounts[0] : undefined;
    const account: ModelAccount = {
      name: `${world}-${index}`,
      funds,
      overdraft,
      partitionLimit,
      templateLimit,
      ...(parent ? { parent } : {}),
      ...(subtreeLimit === undefined ? {} : { subtreeLimit }),
    };
    accounts.push(account);
    const real: AccountSpec = {
      funds: funds.map((fund, place) => ({ amount: String(fund), closesAt: `20${80 + place}-01-01T00:00:00Z` })),
      ...(parent ? { parent: parent.name } : {}),
      ...(overdraft > 0 ? { overdraft: String(overdraft) } : {}),
      ...(subtreeLimit === undefined ? {} : { subtreeLimit: String(subtreeLimit) }),
    };
    await house.account(account.name, real);
    const limits: LimitSpec[] = [
      { partition: 'cpu', limit: String(partitionLimit) },
      { user: '*', limit: String(templateLimit) },
    ];
    for (const limit of limits) await house.limit(account.name, limit);
    // So that no check of a batch has to look its account up and arrives behind the others.
    await house.admission.estimate(check(account.name, 0));
  }
  return new Model(accounts);
}

test('no order of checks, batches, resizes and releases decides otherwise than the model', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(spec, { minLength: 4, maxLength: 4 }), commands, async (specs, run) => {
      const model = await makeWorld(specs);
      await fc.asyncModelRun(() => ({ model, real: { house } }), run);
      await house.books();
    }),
    { numRuns: 30, interruptAfterTimeLimit: 90_000 },
  );
});

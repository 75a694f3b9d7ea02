/**
 * A second, simpler ledger: plain lists, one rule a function, nothing stored that can be counted. It knows no SQL, no locks
 * and no entries; it says what the real one must say after every movement.
 */
import { divideHalfEven } from '../../domain/money';

export interface ModelFund {
  name: string;
  opens: number;
  closes: number;
  granted: bigint;
  settled: bigint;
  held: bigint;
  expired: bigint;
}

export interface ModelAccount {
  name: string;
  parent?: ModelAccount;
  /** In the order in which they were made; the overdraft is kept apart. */
  funds: ModelFund[];
  overdraft: ModelFund;
  overdraftLimit: bigint;
  funded: boolean;
  caps: { partition?: string; user?: string; limit: bigint }[];
}

export interface ModelHold {
  id: string;
  account: ModelAccount;
  partition: string;
  user: string;
  parts: Map<ModelFund, bigint>;
  open: boolean;
}

export interface ModelCharge {
  transactionId: string;
  account: ModelAccount;
  partition: string;
  user: string;
  hold?: ModelHold;
  pieces: { fund: ModelFund; starts: number; ends: number; amount: bigint }[];
  cost: bigint;
  refunded: bigint;
}

export interface Use {
  starts: number;
  ends: number;
  amount: bigint;
}

const sum = (amounts: Iterable<bigint>): bigint => [...amounts].reduce((total, amount) => total + amount, 0n);
const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const positive = (amount: bigint): bigint => (amount > 0n ? amount : 0n);

const free = (fund: ModelFund): bigint => fund.granted - fund.settled - fund.held;
const isOpen = (fund: ModelFund, at: number): boolean => fund.opens <= at && at < fund.closes;
const isClosed = (fund: ModelFund, at: number): boolean => fund.closes <= at;

export const heldBy = (hold: ModelHold): bigint => sum(hold.parts.values());

export class ModelLedger {
  accounts: ModelAccount[] = [];
  holds: ModelHold[] = [];
  charges: ModelCharge[] = [];

  constructor(private readonly now: number) {}

  // What can be counted ------------------------------------------------------------------------------------------------

  debt = ({ overdraft }: ModelAccount): bigint => overdraft.settled + overdraft.held;

  closedMoney = (account: ModelAccount, at: number): bigint =>
    sum(account.funds.filter((fund) => isClosed(fund, at)).map(free));

  available = (account: ModelAccount, at: number): bigint =>
    sum(account.funds.filter((fund) => isOpen(fund, at)).map(free)) -
    positive(this.debt(account) - this.closedMoney(account, at));

  granted = (account: ModelAccount, at: number): bigint =>
    sum(account.funds.filter((fund) => fund.opens <= at).map((fund) => fund.granted)) -
    positive(this.closedMoney(account, at) - this.debt(account));

  settled = (account: ModelAccount): bigint => sum([...account.funds, account.overdraft].map((fund) => fund.settled));

  held = (account: ModelAccount): bigint => sum([...account.funds, account.overdraft].map((fund) => fund.held));

  /** Settled and held by an account and everything below it. */
  subtreeUse = (top: ModelAccount): { settled: bigint; held: bigint } => {
    const below = this.accounts.filter((account) => {
      for (let node: ModelAccount | undefined = account; node; node = node.parent) if (node === top) return true;
      return false;
    });
    return { settled: sum(below.map(this.settled)), held: sum(below.map(this.held)) };
  };

  capUse = (account: ModelAccount, partition?: string, user?: string): { settled: bigint; held: bigint } => {
    const covers = (row: ModelHold | ModelCharge): boolean =>
      row.account === account &&
      (partition === undefined || row.partition === partition) &&
      (user === undefined || row.user === user);
    return {
      settled: sum(this.charges.filter(covers).map(({ cost, refunded }) => cost - refunded)),
      held: sum(this.holds.filter(covers).map(heldBy)),
    };
  };

  // What may be held ---------------------------------------------------------------------------------------------------

  /** 'placed', or the first reason why not. */
  judge(account: ModelAccount, amount: bigint, at: number, partition: string, user: string): string {
    if (amount === 0n) return 'placed';
    if (amount > this.available(account, at) + account.overdraftLimit) return 'insufficient_budget';
    const exceeds = (cap: ModelAccount['caps'][number], who?: string): boolean => {
      const { settled, held } = this.capUse(account, cap.partition, who);
      return settled + held + amount > cap.limit;
    };
    for (const cap of account.caps) {
      if (cap.partition === partition && cap.user === undefined && exceeds(cap)) return 'partition_limit_exceeded';
    }
    for (const cap of account.caps) {
      if (cap.user === '*' && cap.partition === undefined && exceeds(cap, user)) return 'user_limit_exceeded';
    }
    for (let node: ModelAccount | undefined = account; node; node = node.parent) {
      const top = node;
      const hasChildren = this.accounts.some(({ parent }) => parent === top);
      if (!hasChildren || !top.funded) continue;
      const { settled, held } = this.subtreeUse(top);
      if (settled + held + amount > this.granted(top, at) + top.overdraftLimit) return 'parent_limit_exceeded';
    }
    return 'placed';
  }

  place(id: string, account: ModelAccount, amount: bigint, at: number, partition: string, user: string): void {
    const hold: ModelHold = { id, account, partition, user, parts: new Map(), open: true };
    let left = amount;
    for (const fund of this.inOrder(account).filter((each) => isOpen(each, at))) {
      const part = least(left, positive(free(fund)));
      left -= part;
      if (part > 0n) this.move(fund, hold, part);
    }
    if (left > 0n) this.move(account.overdraft, hold, left);
    this.holds.push(hold);
  }

  private move(fund: ModelFund, hold: ModelHold, amount: bigint): void {
    fund.held += amount;
    hold.parts.set(fund, (hold.parts.get(fund) ?? 0n) + amount);
  }

  /** Soonest to expire first. */
  private inOrder = (account: ModelAccount): ModelFund[] =>
    [...account.funds].sort((a, b) => a.closes - b.closes || account.funds.indexOf(a) - account.funds.indexOf(b));

  // What was used ------------------------------------------------------------------------------------------------------

  charge(charge: Omit<ModelCharge, 'pieces' | 'cost' | 'refunded'>, uses: Use[]): void {
    const made: ModelCharge = { ...charge, pieces: [], cost: 0n, refunded: 0n };
    this.charges.push(made);
    this.use(made, uses);
  }

  adjust(charge: ModelCharge, amount: bigint): void {
    if (amount < 0n) {
      this.giveBack(charge, -amount);
      charge.cost += amount;
      return;
    }
    const starts = charge.pieces.map((piece) => piece.starts);
    const ends = charge.pieces.map((piece) => piece.ends);
    this.use(charge, [{ starts: Math.min(...starts), ends: Math.max(...ends), amount }]);
  }

  private use(charge: ModelCharge, uses: Use[]): void {
    const { account, hold } = charge;
    const edges = account.funds.flatMap(({ opens, closes }) => [opens, closes]);
    for (const piece of uses.flatMap((use) => cutAt(use, edges)).sort((a, b) => a.starts - b.starts)) {
      let left = piece.amount;
      const pay = (fund: ModelFund, amount: bigint): void => {
        fund.settled += amount;
        left -= amount;
        const { starts, ends } = piece;
        const same = charge.pieces.find((each) => each.fund === fund && each.starts === starts && each.ends === ends);
        if (same) same.amount += amount;
        else charge.pieces.push({ fund, starts, ends, amount });
      };
      const open = this.inOrder(account).filter((fund) => isOpen(fund, piece.starts));
      for (const fund of [...open, account.overdraft]) {
        const part = hold?.open ? least(left, hold.parts.get(fund) ?? 0n) : 0n;
        if (part === 0n || !hold) continue;
        this.move(fund, hold, -part);
        pay(fund, part);
      }
      for (const fund of open) {
        const spare = least(left, free(fund));
        if (spare > 0n) pay(fund, spare);
        const reversed = least(left, fund.expired);
        if (reversed > 0n) {
          fund.expired -= reversed;
          fund.granted += reversed;
          pay(fund, reversed);
        }
      }
      if (left > 0n) pay(account.overdraft, left);
      charge.cost += piece.amount;
    }
  }

  close(hold: ModelHold): void {
    let closedFund = false;
    for (const [fund, part] of hold.parts) {
      fund.held -= part;
      if (part > 0n && isClosed(fund, this.now)) closedFund = true;
    }
    hold.parts.clear();
    hold.open = false;
    if (closedFund) this.expire(hold.account);
  }

  refund(charge: ModelCharge, amount: bigint): void {
    this.giveBack(charge, amount);
    charge.refunded += amount;
  }

  /** To the funds that paid, the last piece first. */
  private giveBack(charge: ModelCharge, amount: bigint): void {
    const age = (fund: ModelFund): number => charge.account.funds.indexOf(fund);
    const latestFirst = [...charge.pieces].sort(
      (a, b) => b.starts - a.starts || b.fund.closes - a.fund.closes || age(b.fund) - age(a.fund) || b.ends - a.ends,
    );
    let left = amount;
    for (const piece of latestFirst) {
      const back = least(left, piece.amount);
      piece.amount -= back;
      piece.fund.settled -= back;
      left -= back;
    }
    if (left > 0n) throw new Error('the model gave back more than it had');
  }

  // What comes, leaves and expires -------------------------------------------------------------------------------------

  deposit(account: ModelAccount, fund: ModelFund, amount: bigint): void {
    fund.granted += amount;
    account.funded = true;
  }

  expire(account: ModelAccount): void {
    let due = positive(this.closedMoney(account, this.now) - this.debt(account));
    for (const fund of this.inOrder(account).filter((each) => isClosed(each, this.now))) {
      const gone = least(due, free(fund));
      fund.granted -= gone;
      fund.expired += gone;
      due -= gone;
    }
  }

  /** What can be taken out now: soonest to expire last, but not what covers the debt. */
  takeable(account: ModelAccount): { fund: ModelFund; amount: bigint }[] {
    let owed = positive(this.debt(account) - this.closedMoney(account, this.now));
    return this.inOrder(account)
      .filter((fund) => !isClosed(fund, this.now))
      .map((fund) => {
        const covering = isOpen(fund, this.now) ? least(owed, free(fund)) : 0n;
        owed -= covering;
        return { fund, amount: free(fund) - covering };
      })
      .reverse();
  }

  take(account: ModelAccount, amount: bigint): { fund: ModelFund; amount: bigint }[] {
    let left = amount;
    const taken = this.takeable(account).map((each) => {
      const part = least(left, each.amount);
      left -= part;
      each.fund.granted -= part;
      return { fund: each.fund, amount: part };
    });
    return taken.filter((each) => each.amount > 0n);
  }

  transfer(from: ModelAccount, to: ModelAccount, amount: bigint): void {
    for (const { fund, amount: part } of this.take(from, amount)) {
      let target = to.funds.find(
        ({ name, opens, closes }) => name === 'transfer' && opens === fund.opens && closes === fund.closes,
      );
      if (!target) {
        target = {
          name: 'transfer',
          opens: fund.opens,
          closes: fund.closes,
          granted: 0n,
          settled: 0n,
          held: 0n,
          expired: 0n,
        };
        to.funds.push(target);
      }
      target.granted += part;
    }
    to.funded = true;
  }
}

/** Used evenly: each part is the difference of what had been used by its end and by its start. */
function cutAt(use: Use, edges: number[]): Use[] {
  const inside = [...new Set(edges)].filter((edge) => edge > use.starts && edge < use.ends).sort((a, b) => a - b);
  const usedBy = (at: number): bigint =>
    at === use.ends ? use.amount : divideHalfEven(use.amount * BigInt(at - use.starts), BigInt(use.ends - use.starts));
  const points = [use.starts, ...inside, use.ends];
  return points.slice(1).map((ends, i) => {
    const starts = points[i] ?? use.starts;
    return { starts, ends, amount: usedBy(ends) - (starts === use.starts ? 0n : usedBy(starts)) };
  });
}

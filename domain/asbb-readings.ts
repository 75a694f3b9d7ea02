/**
 * What each transaction of an ASBB account was. ASBB writes no link from a charge to its hold: when it reconciles, it writes the
 * charge and, where the hold was more, a refund of the difference. So, in this order:
 *
 *   1. a link that somebody wrote is believed;
 *   2. a charge that repeats the cost of its job within 30 days is a repetition (ASBB charges as often as it is asked) and
 *      belongs to no hold;
 *   3. a charge and its refund, next to each other in the job, belong to the oldest unmatched hold of exactly their sum that is
 *      not younger. Among equal holds any will do: the amounts are the same;
 *   4. a charge without a refund that is still left, and the one unmatched hold of the time in which a job of it can have lived,
 *      belong together where each is the only candidate of the other: the job cost more than was held.
 *
 * A hold that nothing belongs to is still open while its job may live, and closed after twice the reconciliation timeout, when
 * ASBB meant to give it up. What never was completed moved nothing, nor did a refund of nothing, nor an adjustment.
 */
import type { AsbbMovement } from './asbb-books';
import { leastMicro, mostMicro, toMicro, ZERO, type Micro } from './money';

/** A transaction as ASBB's database has it. Times are microseconds since 1970, which a double holds exactly. */
export interface AsbbTransaction {
  id: number;
  transactionId: string;
  type: string;
  /** Zero where ASBB has none that can be ours. */
  amount: Micro;
  hasAmount: boolean;
  status: string;
  /** Nothing else counts. */
  isCompleted: boolean;
  at: number;
  jobId: string | undefined;
  description: string;
  /** JSON, as text. */
  metadata: string | undefined;
  /** The transaction id of what somebody linked it to. */
  parentId: string | undefined;
  /** Of a hold. */
  partition: string | undefined;
  user: string | undefined;
}

/**
 * Of a hold: settled by its charge, released with none, open, or closed for want of one. Of a charge: that, or negative. Of a refund:
 * the rest of a hold that was released, or a refund of a charge. `void` moved nothing.
 */
export type AsbbRole =
  'settled' | 'released' | 'open' | 'closed' | 'charge' | 'negative' | 'release' | 'refund' | 'void';

/** A transaction understood. */
export interface AsbbReading extends AsbbTransaction {
  role: AsbbRole;
  /** Of a charge, or of a refund that is the rest of a hold. */
  hold: AsbbReading | undefined;
  /** Of a hold, of the rest of one, or of what was given back of a charge. */
  charge: AsbbReading | undefined;
  /** Of a charge: the refund that ASBB wrote beside it. */
  release: AsbbReading | undefined;
  /** That they belong together ASBB says, or the amounts say. */
  how: 'linked' | 'inferred' | undefined;
  /** Of a charge: the same cost of the same job, a little earlier. */
  repeats: AsbbReading | undefined;
  /** Of a charge: another cost of the same job, a little earlier. */
  follows: AsbbReading | undefined;
  /** What it does to the books. */
  applied: Micro;
  /** What it is in our books, once they are made: of a hold or a charge. */
  booked: AsbbMovement | undefined;
}

/** How an account stands by its transactions. */
export interface AsbbStanding {
  /** By negative charges. */
  given: Micro;
  /** Charges less refunds, negative charges included: what ASBB should say. */
  used: Micro;
  open: Micro;
  closed: Micro;
}

/** What is young and what is old. Microseconds. */
export interface AsbbClock {
  now: number;
  /** The reconciliation timeout. */
  timeout: number;
}

const SECOND = 1_000_000;
/** A charge and its refund are written one after the other. */
const TOGETHER = 60 * SECOND;
const REPEATED_WITHIN = 30 * 86_400 * SECOND;

/** Understands all transactions of one account, which come, and go, in the order of their ids. */
export function readAsbb(transactions: readonly AsbbTransaction[], clock: AsbbClock): AsbbReading[] {
  const readings = transactions.map(unread);
  const parents = parentsOf(readings);
  const charges = chargesOf(readings, parents);
  markRepetitions(readings, charges, parents);
  const linked = link(readings, charges, parents);
  const left = matchByAmount(readings, charges, linked);
  matchByTime(left, clock);
  giveBack(readings, parents);
  for (const reading of readings) {
    reading.role = roleOf(reading, clock);
    if (reading.isCompleted && (reading.type === 'hold' || reading.type === 'charge')) reading.applied = reading.amount;
  }
  return readings;
}

/** Adds up what an account's transactions say. */
export function standingOf(readings: readonly AsbbReading[]): AsbbStanding {
  let [given, used, open, closed] = [0n, 0n, 0n, 0n];
  for (const { role, applied } of readings) {
    if (role === 'charge' || role === 'negative') used += applied;
    if (role === 'refund') used -= applied;
    if (role === 'negative') given -= applied;
    if (role === 'open') open += applied;
    if (role === 'closed') closed += applied;
  }
  return { given: toMicro(given), used: toMicro(used), open: toMicro(open), closed: toMicro(closed) };
}

// Written out: what is made a million times should have one shape.
const unread = (row: AsbbTransaction): AsbbReading => ({
  id: row.id,
  transactionId: row.transactionId,
  type: row.type,
  amount: row.amount,
  hasAmount: row.hasAmount,
  status: row.status,
  isCompleted: row.isCompleted,
  at: row.at,
  jobId: row.jobId,
  description: row.description,
  metadata: row.metadata,
  parentId: row.parentId,
  partition: row.partition,
  user: row.user,
  role: 'void',
  hold: undefined,
  charge: undefined,
  release: undefined,
  how: undefined,
  repeats: undefined,
  follows: undefined,
  applied: ZERO,
  booked: undefined,
});

type Parents = ReadonlyMap<AsbbReading, AsbbReading>;

/** What somebody linked to something that was completed. */
function parentsOf(readings: readonly AsbbReading[]): Parents {
  const children = readings.filter(({ parentId }) => parentId !== undefined);
  const parents = new Map<AsbbReading, AsbbReading>();
  if (children.length === 0) return parents;
  const byId = new Map(readings.map((reading) => [reading.transactionId, reading]));
  for (const child of children) {
    const parent = byId.get(child.parentId ?? '');
    if (parent?.isCompleted) parents.set(child, parent);
  }
  return parents;
}

/** A charge, and the refund that ASBB wrote right behind it. */
interface Charge {
  reading: AsbbReading;
  rest: AsbbReading | undefined;
}

/** The charges of each job in the order of their ids. Those of no job are one job, whose charges repeat nothing. */
type Charges = ReadonlyMap<string | undefined, Charge[]>;

function chargesOf(readings: readonly AsbbReading[], parents: Parents): Charges {
  const jobs = new Map<string | undefined, Charge[]>();
  /** The charge that was the last to be written of its job, while nothing came behind it. */
  const last = new Map<string | undefined, Charge>();
  for (const reading of readings) {
    if (!reading.isCompleted) continue;
    const { jobId, type } = reading;
    if (type === 'charge') {
      const charge: Charge = { reading, rest: undefined };
      const others = jobs.get(jobId);
      if (others) others.push(charge);
      else jobs.set(jobId, [charge]);
      last.set(jobId, charge);
    } else if (type === 'refund' && !parents.has(reading)) {
      const charge = last.get(jobId);
      if (charge && Math.abs(reading.at - charge.reading.at) <= TOGETHER) charge.rest = reading;
      last.delete(jobId);
    }
  }
  return jobs;
}

/** A charge that somebody gave something back of is no repetition. */
function markRepetitions(readings: readonly AsbbReading[], jobs: Charges, parents: Parents): void {
  let refunded: Set<AsbbReading> | undefined;
  for (const [jobId, charges] of jobs) {
    if (jobId === undefined || charges.length === 1) continue;
    refunded ??= new Set(refundsOfCharges(readings, parents).map(([, charge]) => charge));
    const equal = new Map<string, AsbbReading>();
    for (const { reading } of charges) {
      const cost = `${reading.amount}/${parents.get(reading)?.id ?? ''}`;
      const earlier = equal.get(cost);
      if (earlier && isSoonAfter(reading, earlier) && !refunded.has(reading)) reading.repeats = earlier;
      equal.set(cost, reading);
    }
    let before: AsbbReading | undefined;
    for (const { reading } of charges) {
      if (reading.repeats) continue;
      if (before && isSoonAfter(reading, before)) reading.follows = before;
      before = reading;
    }
  }
}

const isSoonAfter = (later: AsbbReading, earlier: AsbbReading): boolean => later.at - earlier.at < REPEATED_WITHIN;

/** What was completed and names a charge, in the order of the ids, each with its charge. */
const refundsOfCharges = (readings: readonly AsbbReading[], parents: Parents): [AsbbReading, AsbbReading][] =>
  parents.size === 0
    ? []
    : readings.flatMap((reading) => {
        const parent = parents.get(reading);
        return reading.isCompleted && reading.type === 'refund' && parent?.type === 'charge' ? [[reading, parent]] : [];
      });

/** Rule 1. A hold is charged once; whoever else names it has repeated himself. Returns what is settled by that: holds and charges. */
function link(readings: readonly AsbbReading[], jobs: Charges, parents: Parents): ReadonlySet<AsbbReading> {
  const done = new Set<AsbbReading>();
  if (parents.size === 0) return done;
  const charges = [...jobs.values()].flat().sort((a, b) => a.reading.id - b.reading.id);
  for (const { reading, rest } of charges) {
    const hold = parents.get(reading);
    if (hold?.type !== 'hold') continue;
    done.add(reading);
    if (reading.repeats || done.has(hold)) continue;
    done.add(hold);
    join(hold, reading, rest, 'linked');
  }
  const isGiven = new Set<AsbbReading>();
  for (const reading of readings) {
    const hold = parents.get(reading);
    if (!reading.isCompleted || reading.type !== 'refund' || hold?.type !== 'hold' || isGiven.has(hold)) continue;
    isGiven.add(hold);
    if (!done.has(hold)) join(hold, undefined, reading, 'linked');
    else if (hold.charge && !hold.charge.release) join(hold, hold.charge, reading, 'linked');
    done.add(hold);
  }
  return done;
}

/** The refund beside a charge that has its hold is what the hold gave back. */
function join(
  hold: AsbbReading,
  charge: AsbbReading | undefined,
  release: AsbbReading | undefined,
  how: 'linked' | 'inferred',
): void {
  hold.charge = charge;
  hold.how = how;
  if (charge) {
    charge.hold = hold;
    charge.release = release;
    charge.how = how;
  }
  if (release) {
    release.hold = hold;
    release.charge = charge;
    release.how = how;
  }
}

/** What nothing belongs to yet. */
interface Left {
  holds: AsbbReading[];
  /** Without a refund, and of something. */
  charges: AsbbReading[];
}

/** Rule 3: of each amount, those who came first wait for each other. */
function matchByAmount(readings: readonly AsbbReading[], jobs: Charges, linked: ReadonlySet<AsbbReading>): Left {
  const steps: { reading: AsbbReading; held: bigint; rest: AsbbReading | undefined }[] = [];
  for (const reading of readings) {
    if (reading.type === 'hold' && reading.isCompleted && !linked.has(reading))
      steps.push({ reading, held: reading.amount, rest: undefined });
  }
  for (const charges of jobs.values()) {
    for (const { reading, rest } of charges) {
      if (reading.repeats || linked.has(reading)) continue;
      steps.push({ reading, held: rest ? reading.amount + rest.amount : reading.amount, rest });
    }
  }
  const isHold = ({ type }: AsbbReading) => (type === 'hold' ? 0 : 1);
  steps.sort(({ reading: a }, { reading: b }) => a.at - b.at || isHold(a) - isHold(b) || a.id - b.id);
  const queues = new Map<bigint, { holds: AsbbReading[]; next: number }>();
  const lonely: AsbbReading[] = [];
  for (const { reading, held, rest } of steps) {
    const queue = queues.get(held);
    if (reading.type === 'hold') {
      if (queue) queue.holds.push(reading);
      else queues.set(held, { holds: [reading], next: 0 });
    } else {
      const hold = queue?.holds[queue.next];
      if (queue && hold) {
        queue.next += 1;
        join(hold, reading, rest, 'inferred');
      } else if (!rest && reading.amount > 0n) lonely.push(reading);
    }
  }
  const holds = steps.flatMap(({ reading }) => (reading.type === 'hold' && !reading.how ? [reading] : []));
  return { holds, charges: lonely };
}

/** Rule 4. Both are in the order of time. */
function matchByTime({ holds, charges }: Left, { timeout }: AsbbClock): void {
  const life = 2 * timeout;
  const firstFrom = (list: readonly AsbbReading[], at: number): number => {
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((list[middle]?.at ?? 0) < at) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const onlyOne = (list: readonly AsbbReading[], from: number, to: number): AsbbReading | undefined => {
    const first = firstFrom(list, from);
    const [found, another] = [list[first], list[first + 1]];
    return found && found.at <= to && !(another && another.at <= to) ? found : undefined;
  };
  for (const charge of charges) {
    const hold = onlyOne(holds, charge.at - life, charge.at);
    if (!hold || hold.amount >= charge.amount) continue;
    if (onlyOne(charges, hold.at, hold.at + life) === charge) join(hold, charge, undefined, 'inferred');
  }
}

/** Of a charge no more is given back than it was, in the order in which it was. */
function giveBack(readings: readonly AsbbReading[], parents: Parents): void {
  const given = new Map<AsbbReading, bigint>();
  for (const [refund, charge] of refundsOfCharges(readings, parents)) {
    const before = given.get(charge) ?? 0n;
    refund.charge ??= charge;
    refund.applied = leastMicro(refund.amount, mostMicro(ZERO, toMicro(charge.amount - before)));
    given.set(charge, before + refund.amount);
  }
}

function roleOf({ type, isCompleted, amount, at, how, charge, applied }: AsbbReading, clock: AsbbClock): AsbbRole {
  if (!isCompleted) return 'void';
  switch (type) {
    case 'hold':
      if (how) return charge && charge.amount >= 0n ? 'settled' : 'released';
      return at <= clock.now - 2 * clock.timeout ? 'closed' : 'open';
    case 'charge':
      return amount < 0n ? 'negative' : 'charge';
    case 'refund':
      if (applied > 0n) return 'refund';
      return how ? 'release' : 'void';
    default:
      return 'void';
  }
}

/**
 * The books of an ASBB account: each of ASBB's transactions is one of ours, of ASBB's time, with lines that sum to zero.
 *
 * As booked: the account was given its limit, its charges are what ASBB charged, repeated ones too, and what negative charges gave it
 * is a deposit that says so. "correct" adds the corrections, visibly: an adjustment of each repeated charge, a withdrawal of what a
 * negative one gave. In both cases what ASBB held for ever comes back, at the time of the import.
 *
 * All of an account's money is in its base fund, in the order of time; what was charged or is held beyond it is overdraft. Repeated
 * charges come last in that order, so that taking them back leaves no debt beside free money. A hold that is closed by now is booked
 * on the base fund alone: it is zero in the end, and only what was charged beyond the money was never there.
 */
import type { AsbbReading, AsbbStanding } from './asbb-readings';
import { leastMicro, mostMicro, renderAmount, toMicro, ZERO, type Micro } from './money';

export type AsbbMovementKind = 'deposit' | 'withdrawal' | 'hold' | 'charge' | 'release' | 'refund' | 'adjustment';

/** One transaction of ours. Times are microseconds since 1970. */
export interface AsbbMovement {
  kind: AsbbMovementKind;
  accountId: number;
  at: number;
  /** Its part of the base fund and of the overdraft; neither is below zero. */
  base: Micro;
  over: Micro;
  /** Of a charge: what its hold pays of the base part. */
  fromHold: Micro;
  /** The transaction of ASBB's that it is; `undefined` for what ASBB has none for. */
  reading: AsbbReading | undefined;
  /** The hold that it draws on or gives back. */
  hold: AsbbReading | undefined;
  /** The charge that it takes back, in whole or in part. */
  charge: AsbbReading | undefined;
  description: string;
  /** Of a charge: the sum of its refunds, and whether it was corrected. */
  refunded: Micro;
  isTakenBack: boolean;
  /** What comes first at the same moment, and then the id of ASBB's that it comes of. */
  rank: number;
  id: number;
  /** Its number in the ledger, once it has one. */
  txnNo: number;
}

export interface AsbbTerms {
  accountId: number;
  limit: Micro;
  startsAt: number;
  /** When it is imported. */
  now: number;
  /** Take back what was charged twice and what negative charges gave. */
  correct: boolean;
}

const [LIMIT, HOLD, CHARGE, BACK, CORRECTION] = [0, 1, 2, 3, 4];

/** Books what an account's readings say, in no order. */
export function bookAsbb(readings: readonly AsbbReading[], standing: AsbbStanding, terms: AsbbTerms): AsbbMovement[] {
  const { limit, startsAt, now, correct } = terms;
  const debts = debtsOf(readings, standing, terms);
  const movements: AsbbMovement[] = [];
  const book = (kind: AsbbMovementKind, rank: number, at: number, id: number, base: bigint, description: string) => {
    const movement = blank(kind, terms.accountId, at, rank, id, toMicro(base), description);
    movements.push(movement);
    return movement;
  };
  /** One that is ASBB's own. */
  const bookItself = (kind: AsbbMovementKind, rank: number, reading: AsbbReading, base: bigint, over: Micro) => {
    const movement = book(kind, rank, reading.at, reading.id, base, reading.description);
    movement.reading = reading;
    movement.over = over;
    return movement;
  };

  if (limit > 0n) book('deposit', LIMIT, Math.min(startsAt, now), 0, limit, 'Budget limit in ASBB');
  for (const reading of readings) {
    const { id, role, type, at, applied } = reading;
    const over = debts.get(reading) ?? ZERO;
    if (type === 'hold') {
      reading.booked = bookItself('hold', HOLD, reading, applied - over, over);
      if (role === 'closed' && applied > 0n)
        book('release', BACK, now, id, applied, 'Never released by ASBB; closed when it was imported').hold = reading;
    } else if (role === 'negative') {
      const gift = bookItself('deposit', CHARGE, reading, -applied, ZERO);
      gift.description = `Negative charge in ASBB: ${reading.description}`;
      if (correct)
        book(
          'withdrawal',
          CORRECTION,
          now,
          id,
          -applied,
          `Negative charge in ASBB taken back: ${reading.transactionId}`,
        );
    } else if (type === 'charge') {
      const charge = bookItself('charge', CHARGE, reading, applied - over, over);
      charge.hold = reading.hold;
      charge.fromHold = fromHold(reading, debts);
      charge.isTakenBack = correct && reading.repeats !== undefined;
      reading.booked = charge;
      if (charge.isTakenBack && applied > 0n) {
        const words = `Charged twice in ASBB: the same cost as ${reading.repeats?.transactionId}`;
        const back = book('adjustment', CORRECTION, now, id, charge.base, words);
        back.over = over;
        back.charge = reading;
      }
    } else if (role === 'refund') bookItself('refund', BACK, reading, applied - over, over).charge = reading.charge;
    else if (role === 'release') {
      const { hold, charge } = reading;
      const rest = (hold?.amount ?? 0n) - (charge ? fromHold(charge, debts) : 0n);
      bookItself('release', BACK, reading, rest, ZERO).hold = hold;
    } else {
      const nothing = bookItself(type === 'refund' ? 'release' : 'withdrawal', BACK, reading, 0n, ZERO);
      nothing.description = `Without effect in ASBB (${type} ${renderAmount(reading.amount)}): ${reading.description}`;
    }
    // The rest of a hold beside whose charge ASBB wrote no refund.
    if (type === 'charge' && reading.hold && !reading.release) {
      const rest = reading.hold.amount - fromHold(reading, debts);
      if (rest > 0n) book('release', BACK, at, id, rest, 'Rest of the hold').hold = reading.hold;
    }
  }
  for (const { role, charge, applied } of readings) {
    if (role === 'refund' && charge?.booked) charge.booked.refunded = toMicro(charge.booked.refunded + applied);
  }
  return movements;
}

/** How much of each reading there was no money for. */
type Debts = ReadonlyMap<AsbbReading, Micro>;

/** What the hold of a charge pays of it: whatever of it there was money for, as far as it was held. */
function fromHold(charge: AsbbReading, debts: Debts): Micro {
  if (charge.role !== 'charge' || !charge.hold) return ZERO;
  return leastMicro(charge.hold.amount, toMicro(charge.applied - (debts.get(charge) ?? ZERO)));
}

/**
 * Where there was money for all of it nothing is looked for. Elsewhere each charge has its place in the order in which the money is used
 * up, and open holds come behind all of them.
 */
function debtsOf(readings: readonly AsbbReading[], { given }: AsbbStanding, { limit, correct }: AsbbTerms): Debts {
  const debts = new Map<AsbbReading, Micro>();
  const money = correct ? limit : limit + given;
  const wanted = readings.reduce(
    (sum, { role, applied }) => (role === 'charge' || role === 'open' ? sum + applied : sum),
    0n,
  );
  if (wanted <= money) return debts;

  const inTime = (a: AsbbReading, b: AsbbReading) => a.at - b.at || a.id - b.id;
  const isRepeated = ({ repeats }: AsbbReading) => (repeats ? 1 : 0);
  const owe = (reading: AsbbReading, through: bigint) => {
    const there = mostMicro(ZERO, toMicro(money + reading.applied - through));
    if (there < reading.applied) debts.set(reading, toMicro(reading.applied - there));
  };
  let [charged, kept] = [0n, 0n];
  const charges = readings.filter(({ role }) => role === 'charge');
  for (const charge of charges.sort((a, b) => isRepeated(a) - isRepeated(b) || inTime(a, b))) {
    charged += charge.applied;
    if (!(correct && charge.repeats)) kept += charge.applied;
    owe(charge, charged);
  }
  let through = kept;
  for (const hold of readings.filter(({ role }) => role === 'open').sort(inTime)) {
    through += hold.applied;
    owe(hold, through);
  }

  // What was drawn last goes back first: the debt.
  const back = new Map<AsbbReading, bigint>();
  for (const refund of readings) {
    const { role, charge, applied } = refund;
    if (role !== 'refund' || !charge) continue;
    const debt = debts.get(charge);
    if (debt === undefined) continue;
    const before = back.get(charge) ?? 0n;
    const repaid = leastMicro(applied, mostMicro(ZERO, toMicro(debt - before)));
    if (repaid > 0n) debts.set(refund, repaid);
    back.set(charge, before + applied);
  }
  return debts;
}

/** Written out: what is made a million times should have one shape. */
const blank = (
  kind: AsbbMovementKind,
  accountId: number,
  at: number,
  rank: number,
  id: number,
  base: Micro,
  description: string,
): AsbbMovement => ({
  kind,
  accountId,
  at,
  base,
  over: ZERO,
  fromHold: ZERO,
  reading: undefined,
  hold: undefined,
  charge: undefined,
  description,
  refunded: ZERO,
  isTakenBack: false,
  rank,
  id,
  txnNo: 0,
});

/** The order in which movements of any accounts get their numbers. */
export const inOrderOfTime = (a: AsbbMovement, b: AsbbMovement): number =>
  a.at - b.at || a.rank - b.rank || a.accountId - b.accountId || a.id - b.id;

/** The lines of a movement: what it adds to the books of the base fund and of the overdraft. They sum to zero. */
export interface AsbbLines {
  available: bigint;
  held: bigint;
  settled: bigint;
  outside: bigint;
  availableOver: bigint;
  heldOver: bigint;
  settledOver: bigint;
}

export function linesOf({ kind, base, over, fromHold }: AsbbMovement): AsbbLines {
  switch (kind) {
    case 'deposit':
      return lines(base, 0n, 0n, -base);
    case 'withdrawal':
      return lines(-base, 0n, 0n, base);
    case 'hold':
      return lines(-base, base, 0n, 0n, -over, over, 0n);
    case 'charge':
      return lines(fromHold - base, -fromHold, base, 0n, -over, 0n, over);
    case 'release':
      return lines(base, -base, 0n, 0n);
    case 'refund':
    case 'adjustment':
      return lines(base, 0n, -base, 0n, over, 0n, -over);
  }
}

const lines = (
  available: bigint,
  held: bigint,
  settled: bigint,
  outside: bigint,
  availableOver = 0n,
  heldOver = 0n,
  settledOver = 0n,
): AsbbLines => ({ available, held, settled, outside, availableOver, heldOver, settledOver });

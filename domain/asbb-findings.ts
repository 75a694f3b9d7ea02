/** What a person should know of the transactions of an ASBB account: what ASBB had wrong, what was guessed, what is left out. */
import type { AsbbReading, AsbbStanding } from './asbb-readings';
import { CEILING, renderAmount, type Micro } from './money';

export type AsbbTransactionFinding =
  | 'never_released'
  | 'still_open'
  | 'charged_twice'
  | 'charged_again'
  | 'negative_charge'
  | 'charge_above_hold'
  | 'charge_without_hold'
  | 'without_effect'
  | 'refund_beyond_charge';

/** Why it is one, in words. A reading may be several. */
export function findAsbbFaults(
  reading: AsbbReading,
  found: (kind: AsbbTransactionFinding, detail: string) => void,
): void {
  const { role, hold, repeats, follows, applied } = reading;
  if (role === 'charge') {
    if (hold && hold.amount < applied) found('charge_above_hold', `Its hold was ${renderAmount(hold.amount)}`);
    if (!hold && !repeats) found('charge_without_hold', 'No hold fits it');
  } else if (role === 'closed') found('never_released', 'No charge belongs to it; closed, and its money comes back');
  else if (role === 'open') found('still_open', 'No charge belongs to it yet; imported open');
  else if (role === 'negative') found('negative_charge', 'It gave the account money; booked as a deposit');
  else if (role === 'void') found('without_effect', whyVoid(reading));
  else if (role === 'refund' && applied < reading.amount)
    found('refund_beyond_charge', `Only ${renderAmount(applied)} of the charge was left to give back`);
  if (repeats) found('charged_twice', `The same cost as ${repeats.transactionId} of the same job`);
  if (follows) {
    const { transactionId, amount } = follows;
    found(
      'charged_again',
      `Another cost of the job of ${transactionId}, ${renderAmount(amount)}; which of them is right nobody can say`,
    );
  }
}

function whyVoid({ isCompleted, status, type }: AsbbReading): string {
  if (!isCompleted) return `ASBB never completed it: it is ${status}`;
  if (type === 'refund') return 'A refund that ASBB gave to nobody';
  return 'An adjustment, which ASBB never let change anything';
}

const PRINTABLE = /^[\x21-\x7e]*$/;

/** What keeps an account from being imported, in words behind its name. `limit` is undefined where ASBB's can be none of ours. */
export function asbbAccountProblem(limit: Micro | undefined, standing: AsbbStanding): string | undefined {
  const { given, used, open } = standing;
  if (limit !== undefined && limit + given < CEILING && used + given + open < CEILING && canBeKept(standing))
    return undefined;
  return 'has amounts of 8589934592 (2^33) or more, the most that any amount or balance here may be';
}

/** Sums of whatever ASBB wrote may be beyond what a column of ours holds. */
export const canBeKept = (standing: AsbbStanding): boolean =>
  Object.values(standing).every((amount: bigint) => BigInt.asIntN(64, amount) === amount);

/** What of a transaction keeps its account from being imported. */
export function asbbProblem({ transactionId, type, amount, hasAmount, at }: AsbbReading): string | undefined {
  if (!hasAmount) return 'has no amount, or one of 8589934592 (2^33) or more';
  if (Number.isNaN(at))
    return 'was created at no time that can be kept: never, or in millionths of seconds of centuries ago';
  if (type !== 'hold' && type !== 'charge' && type !== 'refund' && type !== 'adjustment')
    return `is of the type "${type}", which version 3 of ASBB does not have`;
  if (amount < 0n && type !== 'charge') return `is a ${type} below zero`;
  if (!(
    transactionId.startsWith('txn_') &&
    transactionId.length > 4 &&
    transactionId.length <= 128 &&
    PRINTABLE.test(transactionId)
  ))
    return 'has an id that no transaction here can have: txn_ and what can be printed, 128 characters at most';
  return undefined;
}

/** What PostgreSQL wrote, as what we say: the readers that the rows of several tables share. */
import { isTransactionId, type TransactionId } from '../domain/ids';
import { toMicro, type Micro } from '../domain/money';
import type { Instant } from '../domain/time';

/** Amounts travel in JSON as the text of their millionths: its numbers would lose some. */
export const microOf = (text: string): Micro => toMicro(BigInt(text));

/** PostgreSQL writes `+00:00` into JSON where a column says `Z`. */
export const instantOf = (text: string): Instant => text.replace('+00:00', 'Z');

export function transactionIdOf(text: string): TransactionId {
  if (!isTransactionId(text)) throw new Error(`"${text}" is not the id of a transaction`);
  return text;
}

/** Amounts as they go out. */
import { toJsonNumber, type Micro } from '../../domain/money';

export const amount = (value: Micro): number => toJsonNumber(value);

export const amountOr = <T>(value: Micro | undefined, otherwise: T): number | T =>
  value === undefined ? otherwise : toJsonNumber(value);

/** A factor is kept as a decimal string of at most six decimals; a double carries it. */
export const factorOf = (text: string): number => Number(text);

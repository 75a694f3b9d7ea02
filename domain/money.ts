/**
 * Money and service units as integers: millionths of an account's unit (rulings 1-4).
 *
 * Nothing in Bursar adds, compares or stores an amount in any other form. A double appears only at the very edge, when
 * an amount is written as a JSON number, and the ceiling makes that exact.
 */
import { malformed, shorten } from './faults';

declare const micro: unique symbol;

/** An amount in millionths of the account's unit (USD 1.50 is 1_500_000n). */
export type Micro = bigint & { readonly [micro]: true };

export const MICRO_PER_UNIT = 1_000_000n;

/** No amount and no balance reaches 2^33 units, so six decimals are exact in a JSON number. */
export const CEILING: Micro = (2n ** 33n * MICRO_PER_UNIT) as Micro;

export const ZERO: Micro = 0n as Micro;

/** What an account counts in: an ISO 4217 code, or the name of a service unit. At most 32 characters. */
export const UNIT = /^[A-Za-z][A-Za-z0-9 _.-]{0,31}$/;
export const UNIT_EXPECTED = 'must be a currency code like USD or the name of a service unit like SU';

export const toMicro = (value: bigint): Micro => value as Micro;

export const addMicro = (...amounts: Micro[]): Micro => amounts.reduce((sum, amount) => sum + amount, 0n) as Micro;

export const leastMicro = (a: Micro, b: Micro): Micro => (a < b ? a : b);

export const mostMicro = (a: Micro, b: Micro): Micro => (a > b ? a : b);

/** A decimal numeral: optional sign, digits, optional fraction, optional exponent (as JSON writes it). */
const NUMERAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/;

/** Exact value of a decimal numeral, scaled to millionths as the fraction `scaled / divisor`. */
function readNumeral(text: string): { scaled: bigint; divisor: bigint } | undefined {
  const match = NUMERAL.exec(text.trim());
  if (!match) return undefined;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  if (whole === '' && fraction === '') return undefined;
  if (whole.length + fraction.length > 400) return undefined;
  const digits = BigInt(whole + fraction || '0') * (sign === '-' ? -1n : 1n);
  const power = Number(exponent) - fraction.length + 6;
  if (digits === 0n) return { scaled: 0n, divisor: 1n };
  return power >= 0
    ? { scaled: digits * 10n ** BigInt(power), divisor: 1n }
    : { scaled: digits, divisor: 10n ** BigInt(-power) };
}

/**
 * Reads an amount that a person set: at most six decimals, below the ceiling, or a `malformed_request` that says so.
 * The text is the numeral exactly as it was written; doubles never pass through here.
 */
export function parseAmount(text: string): Micro {
  const numeral = readNumeral(text);
  if (!numeral) throw malformed(`"${shorten(text)}" is not a decimal number; write it like 1250.50`);
  const { scaled, divisor } = numeral;
  if (scaled % divisor !== 0n) throw malformed(`"${shorten(text)}" has more than six decimals; round it to six`);
  return withinCeiling(scaled / divisor);
}

/** Reads a cost that a machine reported: rounded half-even to the millionth (rulings 3). */
export function parseReportedCost(text: string): Micro {
  const numeral = readNumeral(text);
  if (!numeral) throw malformed(`"${shorten(text)}" is not a decimal number`);
  return withinCeiling(divideHalfEven(numeral.scaled, numeral.divisor));
}

/** Refuses an amount at or beyond 2^33 units in either direction. */
export function withinCeiling(value: bigint): Micro {
  if (value >= CEILING || value <= -CEILING) {
    throw malformed(
      'amounts must stay below 8589934592 (2^33), the largest that JSON carries exactly with six decimals',
    );
  }
  return value as Micro;
}

/** `1500000n` -> `"1.5"`: no trailing zeros, no exponent. The form used in Temporal, logs and exports. */
export function renderAmount(amount: bigint): string {
  const sign = amount < 0n ? '-' : '';
  const magnitude = amount < 0n ? -amount : amount;
  const fraction = (magnitude % MICRO_PER_UNIT).toString().padStart(6, '0').replace(/0+$/, '');
  return `${sign}${magnitude / MICRO_PER_UNIT}${fraction === '' ? '' : `.${fraction}`}`;
}

/** The JSON number of an amount: exact, because of the ceiling. The only place where money becomes a double. */
export const toJsonNumber = (amount: bigint): number => Number(renderAmount(amount));

/** `numerator / denominator` rounded up. Used for holds, so that a hold covers its charge. */
export function divideUp(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator;
  return numerator % denominator > 0n ? quotient + 1n : quotient;
}

/** `numerator / denominator` rounded half to even; `denominator` is positive. Used for charges. */
export function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  let quotient = numerator / denominator;
  let rest = numerator % denominator;
  if (rest < 0n) {
    quotient -= 1n;
    rest += denominator;
  }
  const twice = rest * 2n;
  if (twice > denominator || (twice === denominator && quotient % 2n !== 0n)) quotient += 1n;
  return quotient;
}

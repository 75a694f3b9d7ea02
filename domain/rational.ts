/** Exact fractions for prices. They are added and multiplied here, and become money once, by a stated rounding. */
import { divideHalfEven, divideUp, withinCeiling, type Micro } from './money';

/** `numerator / denominator`; the denominator is positive. Not always in lowest terms: `reduced` is for showing. */
export interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

export const NOTHING: Fraction = { numerator: 0n, denominator: 1n };
export const ONE: Fraction = { numerator: 1n, denominator: 1n };

export const fraction = (numerator: bigint, denominator = 1n): Fraction => ({ numerator, denominator });

export function plus(a: Fraction, b: Fraction): Fraction {
  if (a.denominator === b.denominator) return fraction(a.numerator + b.numerator, a.denominator);
  if (a.numerator === 0n) return b;
  if (b.numerator === 0n) return a;
  return reduced(fraction(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator));
}

export const times = (a: Fraction, b: Fraction): Fraction =>
  fraction(a.numerator * b.numerator, a.denominator * b.denominator);

export const isLess = (a: Fraction, b: Fraction): boolean => a.numerator * b.denominator < b.numerator * a.denominator;

export const isSame = (a: Fraction, b: Fraction): boolean =>
  a.numerator * b.denominator === b.numerator * a.denominator;

function reduced({ numerator, denominator }: Fraction): Fraction {
  let a = numerator < 0n ? -numerator : numerator;
  let b = denominator;
  while (b !== 0n) [a, b] = [b, a % b];
  return a <= 1n ? fraction(numerator, denominator) : fraction(numerator / a, denominator / a);
}

/**
 * A count as a fraction, exactly as it is written in decimal: 0.1 is one tenth. Counts of resources are doubles because
 * JSON's are; nothing is computed with them before they pass here.
 */
export function fractionOfCount(count: number): Fraction {
  if (Number.isInteger(count)) return fraction(BigInt(count));
  return fractionOfDecimal(String(count));
}

/** `"1.2"` is 12/10; `1e-7` is understood too. Only for numerals that were validated before. */
export function fractionOfDecimal(text: string): Fraction {
  const match = /^(-?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,3}))?$/i.exec(text);
  if (!match) throw new RangeError(`not a decimal: ${text}`);
  const [, sign = '', whole = '', decimals = '', exponent = '0'] = match;
  const digits = BigInt(`${sign}${whole}${decimals}` || '0');
  const power = Number(exponent) - decimals.length;
  return power >= 0 ? fraction(digits * 10n ** BigInt(power)) : fraction(digits, 10n ** BigInt(-power));
}

/** Half to even: what a charge is (rulings 4). Refuses what no amount can be. */
export const roundHalfEven = (value: Fraction): Micro =>
  withinCeiling(divideHalfEven(value.numerator, value.denominator));

/** Up: what a hold is, so that it covers its charge. Refuses what no amount can be. */
export const roundUp = (value: Fraction): Micro => withinCeiling(divideUp(value.numerator, value.denominator));

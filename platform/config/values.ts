/** What the value of a key may be, for the keys of all groups, and how that is said to people. */
import { z } from 'zod';
import { Fault } from '../../domain/faults';
import { parseAmount, ZERO } from '../../domain/money';
import { isDuration, msOf } from './duration';

export const count = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/)
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum);

export const durationMs = (minimum: string, maximum: string) =>
  z
    .string()
    .refine(isDuration)
    .transform(msOf)
    .refine((ms) => ms >= msOf(minimum) && ms <= msOf(maximum));

export const wholeSeconds = (minimum: string, maximum: string) =>
  durationMs(minimum, maximum)
    .refine((ms) => ms % 1000 === 0)
    .transform((ms) => ms / 1000);

export const url = (protocols: string[]) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol));

export const listOf = (isRight: (each: string) => boolean) =>
  z
    .string()
    .transform((all) => all.split(',').map((each) => each.trim()))
    .refine((all) => all.every(isRight));

export const filePath = z.string().regex(/^[^\0]+$/);

/**
 * Where a password has a bare `/`, `?` or `#` in it, the address ends there as far as anybody can tell, and
 * the rest of the password would be shown as what follows.
 */
export const addressOfDatabase = (text: string): boolean => {
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) return false;
  const { pathname, search, hash, username } = new URL(text);
  return ![pathname, hash, ...(username === '' ? [search] : [])].some((part) => part.includes('@'));
};

export const truth = z
  .string()
  .regex(/^(true|false|yes|no|on|off)$/i)
  .transform((text) => /^(true|yes|on)$/i.test(text));

export const TRUTH = 'true or false';
export const duration = (range: string) => `a duration with its unit (500ms, 30s, 5m, 24h), ${range}`;

/** Of money, in the unit of whatever it is compared with: a decimal numeral. */
export const amount = z.string().refine((text) => {
  try {
    return parseAmount(text) > ZERO;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
});
export const AMOUNT = 'an amount above 0 with at most six decimals, below 8589934592';

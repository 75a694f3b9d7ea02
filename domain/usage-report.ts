/** The words of a usage report: what it is grouped by, and hours as they are shown. */
import { divideHalfEven, MICRO_PER_UNIT, renderAmount, toMicro, ZERO, type Micro } from './money';
import { fraction, times, type Fraction } from './rational';
import { CALENDAR_PARTS, type CalendarPart } from './report-period';

/** Until there are projects, an account is what a project is charged to. */
export const GROUPINGS = [...CALENDAR_PARTS, 'partition', 'user', 'cluster', 'account', 'project'] as const;
export type Grouping = (typeof GROUPINGS)[number];

export const isCalendarPart = (grouping: Grouping | undefined): grouping is CalendarPart =>
  CALENDAR_PARTS.some((part) => part === grouping);

/** What was in use for how long, exactly: a count times seconds; of memory MiB times seconds. */
export interface ResourceSeconds {
  cpu: Fraction;
  gpu: Fraction;
  node: Fraction;
  memoryMib: Fraction;
}

const SECONDS_PER_HOUR = 3_600n;
const MIB_PER_GIB = 1_024n;

/** `200.9567`: hours at four decimals, half to even. Where times are whole seconds no hour lies half-way, so it is no choice. */
export const hoursOf = (seconds: Fraction): string => decimalOf(times(seconds, fraction(1n, SECONDS_PER_HOUR)), 4);

export const gibHoursOf = (mibSeconds: Fraction): string =>
  decimalOf(times(mibSeconds, fraction(1n, SECONDS_PER_HOUR * MIB_PER_GIB)), 4);

/** In per cent, at two decimals; nothing of nothing is 0. */
export const percentOf = (part: Micro, whole: Micro): string =>
  whole === 0n ? '0' : decimalOf(fraction(part * 100n * (whole < 0n ? -1n : 1n), whole < 0n ? -whole : whole), 2);

/** Half to even, like every amount that is cut from a whole. */
export const meanOf = (total: Micro, count: number): Micro =>
  count === 0 ? ZERO : toMicro(divideHalfEven(total, BigInt(count)));

/** All of it: counts are decimals and times are whole microseconds, so its decimals come to an end. */
export function exactOf({ numerator, denominator }: Fraction): string {
  let [scaled, decimals] = [numerator, 0];
  for (; scaled % denominator !== 0n; decimals += 1) scaled *= 10n;
  const digits = (scaled / denominator).toString().padStart(decimals + 1, '0');
  return decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

/** Rounded once, half to even, to at most six decimals. */
function decimalOf({ numerator, denominator }: Fraction, places: number): string {
  const unit = 10n ** BigInt(places);
  return renderAmount(divideHalfEven(numerator * unit, denominator) * (MICRO_PER_UNIT / unit));
}

/**
 * Time as Bursar says it: instants in UTC with microseconds, days without a zone, and the IANA zones between the two.
 *
 * The only module that knows a date library (rulings 17). What a log writes without a zone becomes an instant here, and
 * here alone a day of a zone gets its beginning and its end; it has 23 hours once a year, and 25 once.
 */
import { Temporal } from 'temporal-polyfill';
import { malformed, shorten } from './faults';

/** RFC 3339 in UTC, at most six decimals: `2026-03-02T14:31:51.5Z`. Compare them as `epochMicros`, never as text. */
export type Instant = string;

/** `YYYY-MM-DD`, a day of the calendar; it begins at another instant in every zone. */
export type CivilDate = string;

export const MICROS_PER_SECOND = 1_000_000n;
export const MICROS_PER_HOUR = 3_600n * MICROS_PER_SECOND;

/** Before 1900 there is nothing to account for; Go's zero time (year 1) and year 0 are mistakes of a caller. */
const FIRST_YEAR = 1900;
const LAST_SECOND = 253_402_300_799; // 9999-12-31T23:59:59Z; RFC 3339 has four digits for the year.

const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const CIVIL_DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const LOCAL = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?$/;

// Instants --------------------------------------------------------------------------------------------------------------

/**
 * Reads an RFC 3339 time with any offset and writes it in UTC. Digits below the microsecond are cut off: clients in Go
 * send nanoseconds, PostgreSQL keeps none.
 */
export function readInstant(text: string): Instant {
  const match = RFC_3339.exec(text);
  if (!match) throw malformed(`"${shorten(text)}" is not a time; write it like 2026-03-02T14:31:51Z`);
  const [, year, month, day, hour, minute, second, fraction = '', sign, offsetHour = '0', offsetMinute = '0'] = match;
  const date = requireDate(text, Number(year), Number(month), Number(day));
  requireClock(text, Number(hour), Number(minute), Number(second));
  if (Number(offsetHour) > 23 || Number(offsetMinute) > 59) {
    throw malformed(`"${shorten(text)}" has an offset that no clock has; write the time in UTC with a Z`);
  }
  const offsetSeconds = (Number(offsetHour) * 3600 + Number(offsetMinute) * 60) * (sign === '-' ? -1 : 1);
  const seconds = date + Number(hour) * 3600 + Number(minute) * 60 + Number(second) - offsetSeconds;
  if (seconds > LAST_SECOND) throw malformed(`"${shorten(text)}" lies after the year 9999`);
  return instantOfMicros(BigInt(seconds) * MICROS_PER_SECOND + BigInt(fraction.padEnd(6, '0').slice(0, 6)));
}

/** Microseconds since 1970 of an instant that is already known to be one. */
export function epochMicros(instant: Instant): bigint {
  if (instant.length === WHOLE_SECONDS) {
    const year = digits(instant, 0) * 100 + digits(instant, 2);
    const [hour, minute, second] = [digits(instant, 11), digits(instant, 14), digits(instant, 17)];
    // Date.UTC takes a year of two digits for one of the last century.
    if (year >= FIRST_YEAR)
      return BigInt(Date.UTC(year, digits(instant, 5) - 1, digits(instant, 8), hour, minute, second)) * 1000n;
  }
  const dot = instant.indexOf('.');
  if (dot < 0) return BigInt(Date.parse(instant)) * 1000n;
  const fraction = instant.slice(dot + 1, -1).padEnd(6, '0');
  return BigInt(Date.parse(`${instant.slice(0, dot)}Z`)) * 1000n + BigInt(fraction.slice(0, 6));
}

const WHOLE_SECONDS = '2026-03-02T14:31:51Z'.length;

/** Two digits of a text. */
const digits = (text: string, at: number): number => text.charCodeAt(at) * 10 + text.charCodeAt(at + 1) - 528;

export function instantOfMicros(micros: bigint): Instant {
  const seconds = floorDivide(micros, MICROS_PER_SECOND);
  const rest = micros - seconds * MICROS_PER_SECOND;
  const whole = secondsText(Number(seconds));
  return rest === 0n ? `${whole}Z` : `${whole}.${rest.toString().padStart(6, '0').replace(/0+$/, '')}Z`;
}

/** The day written last: much is told in about the order of time, and the calendar is slow to ask. */
let [writtenDay, writtenText] = [NaN, ''];
const TWO_DIGITS = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'));

function secondsText(seconds: number): string {
  const day = Math.floor(seconds / 86_400);
  if (day !== writtenDay) {
    writtenText = new Date(day * 86_400_000).toISOString().slice(0, -'00:00:00.000Z'.length);
    writtenDay = day;
  }
  const rest = seconds - day * 86_400;
  const [hour, minute] = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60];
  return `${writtenText}${TWO_DIGITS[hour]}:${TWO_DIGITS[minute]}:${TWO_DIGITS[rest % 60]}`;
}

export const instantOfMs = (ms: number): Instant => instantOfMicros(BigInt(ms) * 1000n);

export const instantOfSeconds = (seconds: number): Instant => instantOfMicros(BigInt(seconds) * MICROS_PER_SECOND);

export const compareInstants = (a: Instant, b: Instant): -1 | 0 | 1 => {
  const difference = epochMicros(a) - epochMicros(b);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
};

// Zones -----------------------------------------------------------------------------------------------------------------

/** The IANA name of a zone in its usual spelling, or a fault that names an example. */
export function readTimeZone(name: string): string {
  // `+02:00` is an offset: it knows no summer, so it cannot say where a cluster's days begin.
  if (/^[A-Za-z]/.test(name)) {
    try {
      return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name).timeZoneId;
    } catch {
      // Falls through to the one fault.
    }
  }
  throw malformed(`"${shorten(name)}" is not an IANA time zone; write it like Europe/Berlin or UTC`);
}

/** A time that was written without a zone, and whether the clock showed it twice, or never (rulings 17). */
export interface LocalReading {
  at: Instant;
  /** `ambiguous`: the first of two readings was taken. `skipped`: the clocks jumped over it; taken as if they had not. */
  flag?: 'ambiguous' | 'skipped';
  /** The other reading of an ambiguous time: the hour after. */
  second?: Instant;
}

/** `2016-12-31T23:59:59` on the wall clocks of a zone, as an instant. */
export function readLocalTime(text: string, timeZone: string): LocalReading {
  const match = LOCAL.exec(text);
  if (!match) throw malformed(`"${shorten(text)}" is not a local time; write it like 2026-03-02T14:31:51`);
  const [, year = '', month = '', day = '', hour = '', minute = '', second = '0', fraction = ''] = match;
  const date = requireDate(text, Number(year), Number(month), Number(day));
  requireClock(text, Number(hour), Number(minute), Number(second));
  const clock: Clock = { year: Number(year), month: Number(month), day: Number(day), hour: Number(hour) };
  const hourSeconds = date + clock.hour * 3600;
  const offset = offsetOfHour(clock, hourSeconds, timeZone);
  const micros = BigInt(fraction.padEnd(6, '0').slice(0, 6));
  if (offset !== undefined) {
    const seconds = BigInt(hourSeconds + Number(minute) * 60 + Number(second)) * MICROS_PER_SECOND;
    return { at: instantOfMicros(seconds + micros - offset) };
  }
  return readClock(
    {
      ...clock,
      minute: Number(minute),
      second: Number(second),
      millisecond: Number(micros / 1000n),
      microsecond: Number(micros % 1000n),
    },
    timeZone,
  );
}

type Clock = Record<'year' | 'month' | 'day' | 'hour', number> &
  Partial<Record<'minute' | 'second' | 'millisecond' | 'microsecond', number>>;

/** Hours of zones, by how far their clocks were ahead of UTC; null: they were set in it. Logs say the same few hours over and over. */
const hourOffsets = new Map<string, bigint | null>();
const HOURS_KEPT = 10_000;

/** In microseconds; undefined where the clocks were set within the hour. */
function offsetOfHour(clock: Clock, hourSeconds: number, timeZone: string): bigint | undefined {
  const key = `${timeZone} ${hourSeconds}`;
  let offset = hourOffsets.get(key);
  if (offset === undefined) {
    const [first, last] = [readClock(clock, timeZone), readClock({ ...clock, minute: 59, second: 59 }, timeZone)];
    const ahead = BigInt(hourSeconds) * MICROS_PER_SECOND - epochMicros(first.at);
    const isWhole = epochMicros(last.at) - epochMicros(first.at) === 3_599n * MICROS_PER_SECOND;
    offset = isWhole && first.flag === undefined && last.flag === undefined ? ahead : null;
    if (hourOffsets.size >= HOURS_KEPT) hourOffsets.clear();
    hourOffsets.set(key, offset);
  }
  return offset ?? undefined;
}

function readClock(clock: Clock, timeZone: string): LocalReading {
  const plain = Temporal.PlainDateTime.from(clock);
  const earlier = plain.toZonedDateTime(timeZone, { disambiguation: 'earlier' });
  const later = plain.toZonedDateTime(timeZone, { disambiguation: 'later' });
  if (earlier.epochNanoseconds === later.epochNanoseconds) return { at: instantOf(earlier) };
  return earlier.toPlainDateTime().equals(plain)
    ? { at: instantOf(earlier), flag: 'ambiguous', second: instantOf(later) }
    : { at: instantOf(later), flag: 'skipped' };
}

/** With a zone as it stands, without one on the wall clocks of `timeZone`; with a sentence where these were in doubt. */
export function readTimeIn(text: string, timeZone: string): { at: Instant; note?: string } {
  if (/(?:[Zz]|[+-]\d\d:\d\d)$/.test(text)) return { at: readInstant(text) };
  const { at, flag, second } = readLocalTime(text, timeZone);
  if (flag === undefined) return { at };
  const note =
    flag === 'ambiguous'
      ? `the clocks of ${timeZone} showed ${text} twice; it is taken as the first time, ${at}, not the second, ${second}`
      : `the clocks of ${timeZone} never showed ${text}; it is taken as ${at}`;
  return { at, note };
}

// Days ------------------------------------------------------------------------------------------------------------------

export function readCivilDate(text: string): CivilDate {
  const match = CIVIL_DATE.exec(text);
  if (!match) throw malformed(`"${shorten(text)}" is not a date; write it like 2026-03-02`);
  requireDate(text, Number(match[1]), Number(match[2]), Number(match[3]));
  return text;
}

/** The first instant of a day in a zone; one o'clock where the clocks jump at midnight. */
export const startOfDay = (date: CivilDate, timeZone: string): Instant =>
  instantOf(Temporal.PlainDate.from(date).toZonedDateTime(timeZone));

export const addDays = (date: CivilDate, days: number): CivilDate =>
  Temporal.PlainDate.from(date).add({ days }).toString();

/** The day that the calendars of a zone show at that moment. */
export const civilDateOf = (at: Instant, timeZone: string): CivilDate =>
  zoned(epochMicros(at), timeZone).toPlainDate().toString();

/** The first day of the month, or of the week (Monday, ISO 8601), that a day lies in; of a day, itself. */
export function firstDayOf(part: 'day' | 'week' | 'month', date: CivilDate): CivilDate {
  const day = Temporal.PlainDate.from(date);
  if (part === 'month') return day.with({ day: 1 }).toString();
  return part === 'week' ? day.subtract({ days: day.dayOfWeek - 1 }).toString() : date;
}

/** The first day of the part of the calendar that follows. */
export const nextOf = (part: 'day' | 'week' | 'month', first: CivilDate): CivilDate =>
  Temporal.PlainDate.from(first)
    .add({ [`${part}s`]: 1 })
    .toString();

/** `2026-W10`; the first days of January may be of the last week of the year before. */
export function isoWeekOf(date: CivilDate): string {
  const { yearOfWeek, weekOfYear } = Temporal.PlainDate.from(date);
  return `${yearOfWeek}-W${String(weekOfYear).padStart(2, '0')}`;
}

/** The midnights of a zone strictly between two instants (epoch microseconds), in order. */
export function midnightsBetween(from: bigint, to: bigint, timeZone: string): bigint[] {
  const cuts: bigint[] = [];
  for (let day = dayAround(from, timeZone); day.endsAt < to; day = dayAround(day.endsAt, timeZone)) {
    cuts.push(day.endsAt);
  }
  return cuts;
}

interface Day {
  startsAt: bigint;
  endsAt: bigint;
}

/** Days of zones, by the days of UTC that they were asked for in: the same few come over and over, and a zone's rules are slow to ask. */
const days = new Map<string, Day[]>();
const DAYS_KEPT = 10_000;
const MICROS_PER_DAY = 24n * MICROS_PER_HOUR;

function dayAround(micros: bigint, timeZone: string): Day {
  const key = `${timeZone} ${micros / MICROS_PER_DAY}`;
  const known = days.get(key);
  // A day of UTC has parts of two days of a zone, or of three.
  const found = known?.find(({ startsAt, endsAt }) => startsAt <= micros && micros < endsAt);
  if (found) return found;
  const start = zoned(micros, timeZone).startOfDay();
  const day = { startsAt: microsOf(start), endsAt: microsOf(start.add({ days: 1 }).startOfDay()) };
  if (known) known.push(day);
  else {
    if (days.size >= DAYS_KEPT) days.clear();
    days.set(key, [day]);
  }
  return day;
}

// Inner -----------------------------------------------------------------------------------------------------------------

const zoned = (micros: bigint, timeZone: string): Temporal.ZonedDateTime =>
  Temporal.Instant.fromEpochNanoseconds(micros * 1000n).toZonedDateTimeISO(timeZone);

const microsOf = (time: Temporal.ZonedDateTime): bigint => floorDivide(time.epochNanoseconds, 1000n);

const instantOf = (time: Temporal.ZonedDateTime): Instant => instantOfMicros(microsOf(time));

const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Seconds since 1970 of the day's beginning in UTC, or a fault where the calendar has no such day. */
function requireDate(text: string, year: number, month: number, day: number): number {
  if (year < FIRST_YEAR) {
    throw malformed(`"${shorten(text)}" lies before ${FIRST_YEAR}; leave the field out where there is no date`);
  }
  const leapDay = month === 2 && (year % 400 === 0 || (year % 4 === 0 && year % 100 !== 0)) ? 1 : 0;
  const days = (DAYS_IN_MONTH[month - 1] ?? 0) + leapDay;
  if (day < 1 || day > days) throw malformed(`"${shorten(text)}" is not a day of the calendar`);
  return Date.UTC(year, month - 1, day) / 1000;
}

function requireClock(text: string, hour: number, minute: number, second: number): void {
  if (hour > 23 || minute > 59 || second > 59) {
    throw malformed(`"${shorten(text)}" is not a time of day; hours run from 00 to 23, minutes and seconds to 59`);
  }
}

function floorDivide(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  return value % divisor < 0n ? quotient - 1n : quotient;
}

/** The time that a report is about, and the days, weeks or months of a zone that it is cut at. */
import { Fault } from './faults';
import {
  addDays,
  civilDateOf,
  compareInstants,
  epochMicros,
  firstDayOf,
  instantOfMicros,
  isoWeekOf,
  nextOf,
  readCivilDate,
  startOfDay,
  MICROS_PER_HOUR,
  type CivilDate,
  type Instant,
} from './time';

/** A day stands for all of it: the first instant of a beginning, the last of an end. */
export type DayOrInstant = string;

export interface PeriodAsked {
  from?: DayOrInstant;
  to?: DayOrInstant;
  /** In place of the two. `12h`, `30d`, `4w`: hours until now, or whole days and weeks with today as the last. */
  last?: string;
}

/** `to` is exclusive. */
export interface Period {
  from: Instant;
  to: Instant;
}

export const CALENDAR_PARTS = ['day', 'week', 'month'] as const;
export type CalendarPart = (typeof CALENDAR_PARTS)[number];

export interface Bucket extends Period {
  /** `2026-03-02`, `2026-W10`, `2026-03`. */
  label: string;
}

/** Ten years of days. */
const BUCKETS_MAX = 3_660;

const DEFAULT_DAYS = 30;
const DAY = /^\d{4}-\d\d-\d\d$/;
const SPAN = /^([1-9]\d{0,4})([hdw])$/;

/** Where neither a beginning nor a span is given, the thirty days up to the end. `malformed_request`. */
export function readPeriod({ from, to, last }: PeriodAsked, now: Instant, timeZone: string): Period {
  const today = civilDateOf(now, timeZone);
  const end = to === undefined ? startOfDay(addDays(today, 1), timeZone) : readEdge(to, timeZone, 1);
  const period = {
    from: from === undefined ? before(last ?? `${DEFAULT_DAYS}d`, now, end, timeZone) : readEdge(from, timeZone, 0),
    to: last?.endsWith('h') ? now : end,
  };
  if (compareInstants(period.from, period.to) >= 0) throw wrong('end_date', 'must be after start_date');
  return period;
}

function before(span: string, now: Instant, end: Instant, timeZone: string): Instant {
  const [, count = '', unit = ''] = SPAN.exec(span) ?? [];
  if (count === '') throw wrong('last', 'must be hours, days or weeks, like 12h, 30d or 4w');
  if (unit === 'h') return instantOfMicros(epochMicros(now) - BigInt(count) * MICROS_PER_HOUR);
  const days = Number(count) * (unit === 'w' ? 7 : 1);
  const lastDay = civilDateOf(instantOfMicros(epochMicros(end) - 1n), timeZone);
  return startOfDay(addDays(lastDay, 1 - days), timeZone);
}

const readEdge = (text: DayOrInstant, timeZone: string, daysOn: number): Instant =>
  DAY.test(text) ? startOfDay(addDays(readCivilDate(text), daysOn), timeZone) : text;

/** The parts of the calendar that a period touches, the first and the last as far as they lie in it. */
export function bucketsOf({ from, to }: Period, part: CalendarPart, timeZone: string): Bucket[] {
  const buckets: Bucket[] = [];
  let day = firstDayOf(part, civilDateOf(from, timeZone));
  for (let startsAt = from; compareInstants(startsAt, to) < 0;) {
    if (buckets.length === BUCKETS_MAX) {
      throw wrong(
        'group_by',
        `would give more than ${BUCKETS_MAX} rows over this time; ask for a shorter one, or for months`,
      );
    }
    const next = nextOf(part, day);
    const edge = startOfDay(next, timeZone);
    const endsAt = compareInstants(edge, to) < 0 ? edge : to;
    // A zone that has skipped a day has nothing in it.
    if (compareInstants(startsAt, endsAt) < 0) buckets.push({ label: labelOf(part, day), from: startsAt, to: endsAt });
    startsAt = endsAt;
    day = next;
  }
  return buckets;
}

const labelOf = (part: CalendarPart, day: CivilDate): string =>
  part === 'day' ? day : part === 'month' ? day.slice(0, 7) : isoWeekOf(day);

const wrong = (field: string, detail: string): Fault =>
  new Fault('malformed_request', `${field} ${detail}.`, { errors: [{ pointer: `/${field}`, detail }] });

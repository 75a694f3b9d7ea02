/** Instants, zones and days. */
import fc from 'fast-check';
import {
  addDays,
  epochMicros,
  instantOfMicros,
  instantOfMs,
  midnightsBetween,
  readCivilDate,
  readInstant,
  readLocalTime,
  readTimeZone,
  startOfDay,
} from '../../domain/time';
import { civilDateOf, epochSeconds } from '../helpers/instants';
import { faultOf, readOrFault, strangeText } from './only-faults';

const HOUR = 3_600_000_000n;
const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'America/Havana', 'Australia/Lord_Howe'];

/** 1900 to 9999, in microseconds. */
const micros = fc.bigInt({ min: -2_208_988_800_000_000n, max: 253_402_300_799_999_999n });

describe('instants', () => {
  test.each([
    ['2026-03-02T14:31:51Z', '2026-03-02T14:31:51Z'],
    ['2026-03-02t14:31:51z', '2026-03-02T14:31:51Z'],
    ['2026-03-02 14:31:51Z', '2026-03-02T14:31:51Z'],
    ['2026-03-02T14:31:51.500Z', '2026-03-02T14:31:51.5Z'],
    ['2026-03-02T14:31:51.123456789+01:00', '2026-03-02T13:31:51.123456Z'],
    ['2026-03-02T00:15:00-23:59', '2026-03-03T00:14:00Z'],
    ['2024-02-29T12:00:00-00:00', '2024-02-29T12:00:00Z'],
    ['1969-12-31T23:59:59.000001Z', '1969-12-31T23:59:59.000001Z'],
  ])('%s is %s', (text, instant) => expect(readInstant(text)).toBe(instant));

  test.each([
    ['0000-01-01T00:00:00Z', 'before 1900'],
    ['0001-01-01T00:00:00Z', 'before 1900'], // Go's zero time.
    ['1899-12-31T23:59:59Z', 'before 1900'],
    ['9999-12-31T23:59:59-01:00', 'after the year 9999'],
    ['2026-02-29T00:00:00Z', 'calendar'],
    ['1900-02-29T00:00:00Z', 'calendar'],
    ['2026-13-01T00:00:00Z', 'calendar'],
    ['2026-00-10T00:00:00Z', 'calendar'],
    ['2026-01-00T00:00:00Z', 'calendar'],
    ['2026-01-01T24:00:00Z', 'time of day'],
    ['2026-01-01T23:59:60Z', 'time of day'],
    ['2026-01-01T00:00:00+24:00', 'offset'],
    ['2026-01-01T00:00:00', 'write it like'],
    ['2026-01-01', 'write it like'],
    ['02/03/2026 14:31', 'write it like'],
    ['+012026-01-01T00:00:00Z', 'write it like'],
  ])('%s is refused: %s', (text, advice) => expect(faultOf(() => readInstant(text)).message).toContain(advice));

  test('an instant and its microseconds say the same', () =>
    fc.assert(
      fc.property(micros, (value) => {
        const instant = instantOfMicros(value);
        expect(epochMicros(instant)).toBe(value);
        expect(readInstant(instant)).toBe(instant);
      }),
    ));

  test('milliseconds are a thousand microseconds, before 1970 too', () => {
    expect(instantOfMs(1_500)).toBe('1970-01-01T00:00:01.5Z');
    expect(instantOfMs(-1)).toBe('1969-12-31T23:59:59.999Z');
  });

  test('whatever the text, the answer is an instant or a fault', () =>
    fc.assert(
      fc.property(strangeText('0123456789-:.TZ+ '), (text) => {
        const instant = readOrFault(readInstant, text);
        if (instant !== undefined) expect(instantOfMicros(epochMicros(instant))).toBe(instant);
      }),
    ));
});

describe('zones', () => {
  test('a zone gets its usual spelling', () => {
    expect(readTimeZone('europe/berlin')).toBe('Europe/Berlin');
    expect(readTimeZone('UTC')).toBe('UTC');
  });

  test.each(['+02:00', 'Mars/Olympus', '', '../etc/passwd', 'Europe/Berlin\0'])('%j is no zone', (name) =>
    expect(faultOf(() => readTimeZone(name)).message).toContain('IANA'),
  );

  test('the hour that comes twice takes its first reading and is flagged', () => {
    expect(readLocalTime('2026-10-25T02:30:00', 'Europe/Berlin')).toEqual({
      at: '2026-10-25T00:30:00Z',
      flag: 'ambiguous',
      second: '2026-10-25T01:30:00Z',
    });
    expect(readLocalTime('2026-10-25T03:00:00', 'Europe/Berlin')).toEqual({ at: '2026-10-25T02:00:00Z' });
  });

  test('an hour that the clocks jumped over is flagged', () => {
    expect(readLocalTime('2026-03-29T02:30:00', 'Europe/Berlin')).toEqual({
      at: '2026-03-29T01:30:00Z',
      flag: 'skipped',
    });
  });

  test('a space, missing seconds and fractions are read', () => {
    expect(readLocalTime('2019-01-01 08:55:55', 'America/Denver').at).toBe('2019-01-01T15:55:55Z');
    expect(readLocalTime('2019-01-01T08:55', 'America/Denver').at).toBe('2019-01-01T15:55:00Z');
    expect(readLocalTime('2019-01-01T08:55:00.000001', 'UTC').at).toBe('2019-01-01T08:55:00.000001Z');
  });

  test('every instant is a reading of its own local time', () =>
    fc.assert(
      fc.property(
        fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true }),
        fc.constantFrom(...ZONES),
        (date, zone) => {
          const local = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' });
          const reading = readLocalTime(local.format(date), zone);
          const seconds = Math.floor(date.getTime() / 1000);
          expect([reading.at, reading.second].map((at) => at && epochSeconds(at))).toContain(seconds);
        },
      ),
    ));

  test('whatever the text, the answer is a reading or a fault', () =>
    fc.assert(
      fc.property(
        strangeText('0123456789-:.T '),
        (text) => void readOrFault((t) => readLocalTime(t, 'Europe/Berlin'), text),
      ),
    ));
});

describe('days', () => {
  test('dates are read as they are, and refused where the calendar has none', () => {
    expect(readCivilDate('2024-02-29')).toBe('2024-02-29');
    for (const text of ['2023-02-29', '2024-2-1', '0000-01-01', '2024-02-29T00:00', '']) {
      faultOf(() => readCivilDate(text));
    }
  });

  test('a day of the zone has 23 hours when summer begins and 25 when it ends', () => {
    const length = (day: string) =>
      epochMicros(startOfDay(addDays(day, 1), 'Europe/Berlin')) - epochMicros(startOfDay(day, 'Europe/Berlin'));
    expect(length('2026-03-28')).toBe(24n * HOUR);
    expect(length('2026-03-29')).toBe(23n * HOUR);
    expect(length('2026-10-25')).toBe(25n * HOUR);
  });

  test('where the clocks jump at midnight the day begins at one', () => {
    expect(startOfDay('2026-03-08', 'America/Havana')).toBe('2026-03-08T05:00:00Z');
    expect(civilDateOf('2026-03-08T05:00:00Z', 'America/Havana')).toBe('2026-03-08');
  });

  test('leap days are days', () => {
    expect(addDays('2024-02-28', 1)).toBe('2024-02-29');
    expect(addDays('2026-02-28', 1)).toBe('2026-03-01');
    expect(
      midnightsBetween(epochMicros('2024-02-28T12:00:00Z'), epochMicros('2024-03-01T12:00:00Z'), 'UTC').map(
        instantOfMicros,
      ),
    ).toEqual(['2024-02-29T00:00:00Z', '2024-03-01T00:00:00Z']);
  });

  test('midnights are strictly between: a run from midnight to midnight is not cut there', () => {
    const [from, to] = [epochMicros('2026-01-01T00:00:00Z'), epochMicros('2026-01-02T00:00:00Z')];
    expect(midnightsBetween(from, to, 'UTC')).toEqual([]);
    expect(midnightsBetween(from, to + 1n, 'UTC')).toEqual([to]);
    expect(midnightsBetween(to, to, 'UTC')).toEqual([]);
  });

  test('cuts are exactly where the date of the zone changes', () =>
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 4_000_000_000_000_000n }),
        fc.bigInt({ min: 1n, max: 400n * HOUR }),
        fc.constantFrom(...ZONES),
        (from, length, zone) => {
          const edges = [from, ...midnightsBetween(from, from + length, zone), from + length];
          const days = edges.slice(1).map((to, index) => {
            const first = civilDateOf(instantOfMicros(edges[index] ?? 0n), zone);
            expect(civilDateOf(instantOfMicros(to - 1n), zone)).toBe(first);
            return first;
          });
          expect(new Set(days).size).toBe(days.length);
        },
      ),
    ));
});

test.each([
  ['America/New_York', '2026-03-08'],
  ['America/New_York', '2026-11-01'],
  ['Australia/Lord_Howe', '2026-04-05'],
  ['Australia/Lord_Howe', '2026-10-04'],
])('every minute of the day on which %s sets its clocks, %s, is read as those clocks show it', (zone, day) => {
  const clock = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' });
  const flags = new Set<string | undefined>();
  for (let minute = 0; minute < 24 * 60; minute += 1) {
    const two = (count: number) => String(count).padStart(2, '0');
    const text = `${day}T${two(Math.floor(minute / 60))}:${two(minute % 60)}:07`;
    const { at, flag } = readLocalTime(text, zone);
    flags.add(flag);
    if (flag !== 'skipped') expect(clock.format(new Date(at))).toBe(text.replace('T', ' '));
  }
  expect(flags.size).toBe(2);
});

/** The time of a report, and its parts, in the calendar of a zone. */
import fc from 'fast-check';
import { bucketsOf, CALENDAR_PARTS, readPeriod } from '../../domain/report-period';
import { exactOf, gibHoursOf, hoursOf, percentOf } from '../../domain/usage-report';
import { fraction } from '../../domain/rational';
import { toMicro } from '../../domain/money';
import { instantOfMicros } from '../../domain/time';
import { civilDateOf } from '../helpers/instants';

const NOW = '2026-03-10T04:30:00Z'; // Still the ninth in Chicago, the day after its clocks went forward.
const CHICAGO = 'America/Chicago';

test.each([
  [{}, '2026-02-08T06:00:00Z', '2026-03-10T05:00:00Z'],
  [{ last: '1d' }, '2026-03-09T05:00:00Z', '2026-03-10T05:00:00Z'],
  [{ last: '1w' }, '2026-03-03T06:00:00Z', '2026-03-10T05:00:00Z'],
  [{ last: '12h' }, '2026-03-09T16:30:00Z', NOW],
  [{ from: '2026-03-08', to: '2026-03-08' }, '2026-03-08T06:00:00Z', '2026-03-09T05:00:00Z'],
  [{ from: '2026-03-08T12:00:00Z', to: '2026-03-08T13:00:00Z' }, '2026-03-08T12:00:00Z', '2026-03-08T13:00:00Z'],
  [{ to: '2026-01-31' }, '2026-01-02T06:00:00Z', '2026-02-01T06:00:00Z'],
])('%j is read in the zone', (asked, from, to) => {
  expect(readPeriod(asked, NOW, CHICAGO)).toEqual({ from, to });
});

test('weeks begin on Monday and have the number of ISO 8601; months and days are called as they are', () => {
  const labels = (part: (typeof CALENDAR_PARTS)[number], from: string, to: string) =>
    bucketsOf(readPeriod({ from, to }, NOW, CHICAGO), part, CHICAGO).map(({ label }) => label);
  expect(labels('week', '2026-12-30', '2027-01-04')).toEqual(['2026-W53', '2027-W01']);
  expect(labels('month', '2026-01-31', '2026-03-01')).toEqual(['2026-01', '2026-02', '2026-03']);
  expect(labels('day', '2026-02-28', '2026-03-01')).toEqual(['2026-02-28', '2026-03-01']);
});

test('the parts of any time in any zone follow each other from its beginning to its end, each within its day', () => {
  const at = fc.bigInt(1_600_000_000_000_000n, 1_800_000_000_000_000n);
  const zones = fc.constantFrom('UTC', CHICAGO, 'Asia/Kolkata', 'Australia/Lord_Howe', 'America/Havana');
  fc.assert(
    fc.property(
      at,
      fc.bigInt(1n, 10n ** 13n),
      zones,
      fc.constantFrom(...CALENDAR_PARTS),
      (from, length, zone, part) => {
        const period = { from: instantOfMicros(from), to: instantOfMicros(from + length) };
        const buckets = bucketsOf(period, part, zone);
        expect(buckets[0]?.from).toBe(period.from);
        expect(buckets.at(-1)?.to).toBe(period.to);
        buckets.slice(1).forEach((bucket, index) => expect(bucket.from).toBe(buckets[index]?.to));
        if (part === 'day') for (const bucket of buckets) expect(civilDateOf(bucket.from, zone)).toBe(bucket.label);
      },
    ),
    { numRuns: 60 },
  );
});

test('hours are rounded once, half to even; seconds are what they are', () => {
  expect(hoursOf(fraction(723_444n))).toBe('200.9567');
  expect([1n, 3n].map((halves) => hoursOf(fraction(halves * 18n, 100n)))).toEqual(['0', '0.0002']);
  expect(gibHoursOf(fraction(1_024n * 3_600n))).toBe('1');
  expect([fraction(7n), fraction(-0n), fraction(1n, 8n), fraction(5n, 1_000_000n)].map(exactOf)).toEqual([
    '7',
    '0',
    '0.125',
    '0.000005',
  ]);
  expect([percentOf(toMicro(1n), toMicro(3n)), percentOf(toMicro(5n), toMicro(0n))]).toEqual(['33.33', '0']);
});

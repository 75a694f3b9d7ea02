/** Where money is going: exact at the edges, and bounded whatever the days were like. */
import fc from 'fast-check';
import { FORECAST_DAYS, forecastOf, type Spending } from '../../domain/forecast';
import { toMicro, type Micro } from '../../domain/money';

const DAY = 24n * 3_600n * 1_000_000n;
const days = (...amounts: bigint[]): Micro[] => amounts.map(toMicro);
const spending = (changes: Partial<Spending>): Spending => ({
  days: days(...Array.from({ length: 30 }, () => 10n)),
  used: toMicro(300n),
  limit: toMicro(1_000n),
  available: toMicro(700n),
  now: 0n,
  endsAt: 100n * DAY,
  ...changes,
});

test('an even month is carried to the end, with full confidence', () => {
  expect(forecastOf(spending({}))).toEqual({
    method: 'rolling_mean',
    sampleDays: 30,
    perDay: 10n,
    daysLeft: 100,
    finalSpend: 1_300n,
    overrun: 300n,
    underrun: 0n,
    depletedAt: 70n * DAY,
    confidence: 100,
  });
});

test('a budget that is met to the millionth has neither overrun nor rest; one more or less has', () => {
  const at = (limit: bigint) => {
    const { overrun, underrun } = forecastOf(spending({ limit: toMicro(limit) }));
    return [overrun, underrun];
  };
  expect([at(1_299n), at(1_300n), at(1_301n)]).toEqual([
    [1n, 0n],
    [0n, 0n],
    [0n, 1n],
  ]);
});

test('money that lasts to the very end does not run out; a microsecond less and it does', () => {
  const at = (endsAt: bigint) => forecastOf(spending({ endsAt })).depletedAt;
  expect([at(70n * DAY), at(70n * DAY + 1n)]).toEqual([undefined, 70n * DAY]);
  const left = (available: bigint) => forecastOf(spending({ available: toMicro(available) })).depletedAt;
  expect([left(1_000n), left(999n)]).toEqual([undefined, 99n * DAY + (9n * DAY) / 10n]);
});

test('what has run out has run out now, what is not spent never does, and an end that has passed changes nothing', () => {
  expect(forecastOf(spending({ available: toMicro(-5n), now: 7n })).depletedAt).toBe(7n);
  expect(forecastOf(spending({ days: days(0n, 0n) }))).toMatchObject({ perDay: 0n, finalSpend: 300n, confidence: 0 });
  expect(forecastOf(spending({ days: [] }))).toMatchObject({
    sampleDays: 0,
    perDay: 0n,
    finalSpend: 300n,
    confidence: 0,
  });
  const over = forecastOf(spending({ now: 200n * DAY }));
  expect(over).toMatchObject({ daysLeft: 0, finalSpend: 300n });
  expect(over).not.toHaveProperty('depletedAt');
});

test('confidence is the share of days that there are, times how even they are', () => {
  const of = (...amounts: bigint[]) => forecastOf(spending({ days: days(...amounts) })).confidence;
  expect(of(...Array.from({ length: 15 }, () => 10n))).toBe(50);
  expect(of(...Array.from({ length: 30 }, (_, day) => (day === 3 ? 10n : 0n)))).toBe(3);
  expect(of(...Array.from({ length: 30 }, (_, day) => (day % 2 === 0 ? 20n : 0n)))).toBe(50);
  expect(of(10n)).toBe(3);
});

const anyDays = fc.array(fc.bigInt(0n, 10n ** 12n).map(toMicro), { maxLength: FORECAST_DAYS });
const anySpending = fc.record({
  days: anyDays,
  used: fc.bigInt(0n, 10n ** 15n).map(toMicro),
  limit: fc.bigInt(0n, 10n ** 15n).map(toMicro),
  available: fc.bigInt(-(10n ** 15n), 10n ** 15n).map(toMicro),
  now: fc.bigInt(0n, 10n ** 16n),
  endsAt: fc.bigInt(0n, 10n ** 16n),
});

test('no spending makes nonsense: never below what was spent, confident from 0 to 1, out of money only before the end', () => {
  fc.assert(
    fc.property(anySpending, (facts) => {
      const { finalSpend, overrun, underrun, confidence, depletedAt } = forecastOf(facts);
      expect(finalSpend >= facts.used).toBe(true);
      expect(finalSpend - facts.limit).toBe(overrun - underrun);
      expect(overrun === 0n || underrun === 0n).toBe(true);
      expect(confidence >= 0 && confidence <= 100).toBe(true);
      if (depletedAt !== undefined) expect(facts.now <= depletedAt && depletedAt < facts.endsAt).toBe(true);
    }),
  );
});

test('more money never runs out sooner, and a larger scale changes no confidence', () => {
  fc.assert(
    fc.property(anySpending, fc.bigInt(0n, 10n ** 12n), (facts, more) => {
      const end = (available: bigint) =>
        forecastOf({ ...facts, available: toMicro(available) }).depletedAt ?? facts.endsAt;
      expect(end(facts.available + more) >= end(facts.available)).toBe(true);
      const scaled = facts.days.map((day) => toMicro(day * 7n));
      expect(forecastOf({ ...facts, days: scaled }).confidence).toBe(forecastOf(facts).confidence);
    }),
  );
});

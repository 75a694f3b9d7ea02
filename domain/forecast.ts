/**
 * How an account's money will do if it goes on like this: the mean of its last whole days, carried to the end of its window.
 *
 * Integers throughout. A day of the projection has 24 hours, whatever the clocks do.
 */
import { divideHalfEven, mostMicro, toMicro, ZERO, type Micro } from './money';
import { MICROS_PER_HOUR } from './time';

/** So many whole days are looked back on; fewer where the account has not been open for as long. */
export const FORECAST_DAYS = 30;

const MICROS_PER_DAY = 24n * MICROS_PER_HOUR;

/** Times are microseconds since 1970. */
export interface Spending {
  /** What was used on each whole day before today, at most `FORECAST_DAYS` of them. */
  days: readonly Micro[];
  used: Micro;
  limit: Micro;
  available: Micro;
  now: bigint;
  endsAt: bigint;
}

/** Amounts are millionths, and not bound by the ceiling: nobody has them, they are only where the line leads. */
export interface Forecast {
  /** The contract knows `linear_regression` too; this is the one that was used. */
  method: 'rolling_mean';
  sampleDays: number;
  perDay: Micro;
  daysLeft: number;
  finalSpend: bigint;
  overrun: bigint;
  underrun: bigint;
  /** When what is available is used up, if that is before the end. */
  depletedAt?: bigint;
  /** In hundredths, 0 to 100. */
  confidence: number;
}

export function forecastOf({ days, used, limit, available, now, endsAt }: Spending): Forecast {
  if (days.length > FORECAST_DAYS) throw new RangeError(`a forecast looks back on at most ${FORECAST_DAYS} days`);
  const spent = mostMicro(ZERO, toMicro(days.reduce((sum, day) => sum + day, 0n)));
  const sample = BigInt(Math.max(days.length, 1));
  const left = endsAt > now ? endsAt - now : 0n;
  const finalSpend = used + divideHalfEven(spent * left, sample * MICROS_PER_DAY);
  const free = mostMicro(ZERO, available);
  const depletedAt = spent > 0n ? now + (free * sample * MICROS_PER_DAY) / spent : endsAt;
  return {
    method: 'rolling_mean',
    sampleDays: days.length,
    perDay: toMicro(divideHalfEven(spent, sample)),
    daysLeft: Number(left / MICROS_PER_DAY),
    finalSpend,
    overrun: finalSpend > limit ? finalSpend - limit : 0n,
    underrun: finalSpend < limit ? limit - finalSpend : 0n,
    ...(depletedAt < endsAt ? { depletedAt } : {}),
    confidence: confidenceOf(days),
  };
}

/**
 * The days that there are of those that there might be, times how even they are: n/30 * 1/(1 + cv^2), where cv is the
 * coefficient of variation. With s the sum of the days and q the sum of their squares that is s^2 / (30 q): 1 for thirty equal
 * days, 1/30 for one day of spending among them, 0 where nothing was spent.
 */
function confidenceOf(days: readonly Micro[]): number {
  const sum = days.reduce((total, day) => total + day, 0n);
  const squares = days.reduce((total, day) => total + day * day, 0n);
  if (squares === 0n || sum <= 0n) return 0;
  return Number(divideHalfEven(100n * sum * sum, BigInt(FORECAST_DAYS) * squares));
}

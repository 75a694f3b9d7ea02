/** What a charged run used, as the ledger keeps it: slices, so that its hours can be cut at the days of any zone. */
import type { Resources } from './job';
import { divideHalfEven } from './money';
import { slicesOf, type Run } from './runs';
import { MICROS_PER_SECOND } from './time';

/** Within a slice nothing changes. Times are microseconds since 1970. */
export interface MeteredSlice {
  from: bigint;
  to: bigint;
  resources: Resources;
  /** Its time, less its share of what the run was suspended for and nobody knows when. */
  activeMicros: bigint;
}

/**
 * The slices of a run that ended at `until`, its unplaced suspension divided by their length over those that it was not suspended in. Undefined where
 * nobody has said when it began or what it had: then its hours are unknown, and never guessed as none.
 */
export function meterRun(run: Run, until: bigint, asked: Resources | undefined): MeteredSlice[] | undefined {
  if (run.startedAt === undefined) return undefined;
  const slices = slicesOf(run, until, asked);
  const whole = slices.reduce((sum, { from, to, isSuspended }) => sum + (isSuspended ? 0n : to - from), 0n);
  const said = BigInt(Math.trunc(run.suspendedSeconds)) * MICROS_PER_SECOND;
  const suspended = said < whole ? said : whole;
  const metered: MeteredSlice[] = [];
  let through = 0n;
  let taken = 0n;
  for (const { from, to, resources, isSuspended } of slices) {
    if (!resources) return undefined;
    if (isSuspended) {
      metered.push({ from, to, resources, activeMicros: to - from });
      continue;
    }
    through += to - from;
    const cumulative = divideHalfEven(suspended * through, whole);
    metered.push({ from, to, resources, activeMicros: to - from - (cumulative - taken) });
    taken = cumulative;
  }
  return metered;
}

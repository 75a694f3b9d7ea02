/** Slurm's points in time. Apart from slurm-time.ts, which commands load that need no calendar. */
import { instantOfSeconds, readInstant, readLocalTime, type Instant, type LocalReading } from './time';

/** The year 9999; beyond it is a NO_VAL of a kind, or milliseconds. */
const LATEST_SECONDS = 253_402_300_799;

/** A time as Slurm's structures have it. Undefined: a time of nothing is none. */
export const readSeconds = (seconds: number | undefined): Instant | undefined =>
  seconds === undefined || seconds <= 0 || seconds > LATEST_SECONDS ? undefined : instantOfSeconds(seconds);

const NO_TIME = new Set(['', 'UNKNOWN', 'NONE', 'N/A', '0']);

/** A zoneless time of the given zone; epoch seconds and times with an offset (SLURM_TIME_FORMAT) say their zone themselves. */
export function readTime(text: string, timeZone: string): LocalReading | undefined {
  if (isClockText(text)) return readLocalTime(text, timeZone);
  if (NO_TIME.has(text.toUpperCase())) return undefined;
  if (/^\d{9,11}$/.test(text)) return { at: instantOfSeconds(Number(text)) };
  const offset = /^(.*\d[Tt ].*)([+-]\d\d):?(\d\d)$/.exec(text);
  if (offset) return { at: readInstant(`${offset[1]}${offset[2]}:${offset[3]}`) };
  return /z$/i.test(text) ? { at: readInstant(text) } : readLocalTime(text, timeZone);
}

/** A reading in microseconds; `second` where the clocks showed the time twice. */
interface MicrosReading {
  at: number;
  second?: number | undefined;
}

export interface RunReadings {
  startIsSecond: boolean;
  endIsSecond: boolean;
  /** Nothing else fits. */
  isSure: boolean;
}

/**
 * Which readings of a start and an end belong together: those between which there is as much time as the row says that the job ran,
 * and was suspended as far as it says that. Where none agrees it was suspended for longer; where nothing is said, the first (rulings 17).
 */
export function pairReadings(start: MicrosReading, end: MicrosReading, said: number | undefined): RunReadings {
  const pairs = [
    { startIsSecond: false, endIsSecond: false },
    { startIsSecond: false, endIsSecond: true },
    { startIsSecond: true, endIsSecond: false },
    { startIsSecond: true, endIsSecond: true },
  ].flatMap((pair) => {
    const [from, to] = [pair.startIsSecond ? start.second : start.at, pair.endIsSecond ? end.second : end.at];
    return from === undefined || to === undefined || to < from ? [] : [{ ...pair, lasted: to - from }];
  });
  const exact = pairs.filter(({ lasted }) => lasted === said);
  const [best] = exact.length > 0 ? exact : pairs.filter(({ lasted }) => said !== undefined && lasted > said);
  const { startIsSecond = false, endIsSecond = false } = best ?? pairs[0] ?? {};
  return { startIsSecond, endIsSecond, isSure: exact.length === 1 };
}

/** `2026-03-02T14:31:51`, whatever the digits are: as nearly all of a log's times are written. */
export function isClockText(text: string): boolean {
  if (text.length !== CLOCK_MARKS.length) return false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    const wanted = CLOCK_MARKS.charCodeAt(at);
    if (wanted === ZERO ? code < ZERO || code > NINE : code !== wanted) return false;
  }
  return true;
}

const CLOCK_MARKS = '0000-00-00T00:00:00';
const [ZERO, NINE] = [48, 57];

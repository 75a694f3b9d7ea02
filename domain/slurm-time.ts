/** Slurm's time limits and elapsed times. ASBB took `1-12:00:00` for one hour; a misread limit is money. */
import { malformed, shorten } from './faults';

/** `wallSeconds` is undefined where there is no finite limit; `unlimited` says that one was asked for by name. */
export interface TimeLimit {
  wallSeconds: number | undefined;
  unlimited: boolean;
}

const NO_LIMIT = new Set(['UNLIMITED', 'INFINITE', 'INFINITY', '-1']);

/** The words of a limit that was not set; the partition then decides. */
const NOT_SET = new Set(['', 'PARTITION_LIMIT', 'NOT_SET', 'N/A', 'NONE', 'UNKNOWN', 'INVALID']);

/** A hundred years. Beyond it a number is not a time limit but a mistake, such as seconds in a field of minutes. */
const LONGEST_SECONDS = 100 * 366 * 86_400;

/**
 * A time limit: `90` (minutes), `M:S`, `H:M:S`, `D-H`, `D-H:M`, `D-H:M:S`, UNLIMITED or INFINITE. Zero asks for no limit,
 * as in `sbatch --time=0`. Parts may exceed their clock (`100:00:00`, `36:90`); seconds are kept.
 */
export function readTimeLimit(text: string): TimeLimit {
  const word = text.trim().toUpperCase();
  if (NOT_SET.has(word)) return { wallSeconds: undefined, unlimited: false };
  if (NO_LIMIT.has(word)) return { wallSeconds: undefined, unlimited: true };
  const seconds = readClock(word);
  if (seconds === undefined) {
    throw malformed(
      `"${shorten(text)}" is not a time limit; write minutes (90), hours:minutes:seconds (04:00:00), ` +
        'days-hours:minutes:seconds (1-12:00:00) or UNLIMITED',
    );
  }
  if (seconds > LONGEST_SECONDS) throw malformed(`"${shorten(text)}" is longer than a hundred years; write UNLIMITED`);
  return seconds === 0 ? { wallSeconds: undefined, unlimited: true } : { wallSeconds: seconds, unlimited: false };
}

/** A time that passed, as sacct writes `Elapsed`: `[D-]HH:MM:SS`, with fractions (cut off) in some columns. Seconds. */
export function readElapsed(text: string): number {
  const seconds = readShortClock(text) ?? readClock(text.trim().replace(/\.\d{1,9}$/, ''));
  if (seconds === undefined || seconds > LONGEST_SECONDS) {
    throw malformed(`"${shorten(text)}" is not an elapsed time; it looks like 10-13:27:06 or 00:00:24`);
  }
  return seconds;
}

/** `1-12:00:00`, `04:00:00`, `1-6`: the one spelling that sacct and squeue use. */
export function renderDuration(seconds: number): string {
  const [days, rest] = [Math.floor(seconds / 86_400), seconds % 86_400];
  const clock = [Math.floor(rest / 3600), Math.floor((rest % 3600) / 60), rest % 60]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
  return days > 0 ? `${days}-${clock}` : clock;
}

/** `04:00:00`, as nearly all are: a log has millions of them. */
function readShortClock(text: string): number | undefined {
  const [minutesAt, secondsAt] = [text.length - 5, text.length - 2];
  if (minutesAt < 2 || minutesAt > 3) return undefined;
  let [seconds, part] = [0, 0];
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (at + 1 === minutesAt || at + 1 === secondsAt) {
      if (code !== COLON) return undefined;
      [seconds, part] = [(seconds + part) * 60, 0];
    } else {
      if (code < ZERO || code > NINE) return undefined;
      part = part * 10 + code - ZERO;
    }
  }
  return seconds + part;
}

const [ZERO, NINE, COLON] = [48, 57, 58];

const DAYS = /^(\d{1,9})-(\d{1,9})(?::(\d{1,9}))?(?::(\d{1,9}))?$/;
const CLOCK = /^(\d{1,12})(?::(\d{1,9}))?(?::(\d{1,9}))?$/;

function readClock(text: string): number | undefined {
  const withDays = DAYS.exec(text);
  if (withDays) {
    const [days = 0, hours = 0, minutes = 0, seconds = 0] = withDays.slice(1).map((part) => Number(part ?? 0));
    return days * 86_400 + hours * 3600 + minutes * 60 + seconds;
  }
  const clock = CLOCK.exec(text);
  if (!clock) return undefined;
  const [first, second, third] = clock.slice(1);
  if (third !== undefined) return Number(first) * 3600 + Number(second) * 60 + Number(third);
  if (second !== undefined) return Number(first) * 60 + Number(second);
  return Number(first) * 60;
}

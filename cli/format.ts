/** Money, times and durations as people read them. Amounts stay text from the wire to the screen. */
import { divideHalfEven, MICRO_PER_UNIT, parseAmount } from '../domain/money';
import { renderDuration } from '../domain/slurm-time';

/**
 * `1234.5` -> `1,234.50`. The wire's JSON numbers are exact (rulings 2), and printing one gives back its decimal numeral;
 * from here on it is text.
 */
export function money(amount: number | string | null | undefined): string | undefined {
  if (amount === undefined || amount === null) return undefined;
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(amount));
  if (!match) return String(amount);
  const [, sign = '', whole = '', fraction = ''] = match;
  return `${sign}${whole.replace(/\B(?=(\d{3})+$)/g, ',')}.${fraction.padEnd(2, '0')}`;
}

export const moneyIn = (amount: number | string | null | undefined, unit: string | undefined): string | undefined => {
  const shown = money(amount);
  return shown === undefined ? undefined : unit === undefined ? shown : `${shown} ${unit}`;
};

/** `$1000.00`, to the cent and without commas. ASBB knows dollars only; another unit stands behind its amount. */
export function dollars(amount: number, unit: string): string {
  const hundredths = divideHalfEven(parseAmount(String(amount)), MICRO_PER_UNIT / 100n);
  const digits = (hundredths < 0n ? -hundredths : hundredths).toString().padStart(3, '0');
  const text = `${hundredths < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
  return unit === 'USD' ? `$${text}` : `${text} ${unit}`;
}

const FORMATS = new Map<string, Intl.DateTimeFormat>();

function formatIn(zone: string): Intl.DateTimeFormat {
  let format = FORMATS.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-CA', {
      timeZone: zone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hourCycle: 'h23',
    });
    FORMATS.set(zone, format);
  }
  return format;
}

/** `2026-01-31 14:05:11` in a zone; the heading or the line around it names the zone. */
export function clock(instant: string | null | undefined, zone: string): string | undefined {
  if (!instant) return undefined;
  const date = new Date(instant);
  if (Number.isNaN(date.getTime())) return instant;
  const part = new Map(
    formatIn(zone)
      .formatToParts(date)
      .map(({ type, value }) => [type, value]),
  );
  return `${part.get('year')?.padStart(4, '0')}-${part.get('month')}-${part.get('day')} ${part.get('hour')}:${part.get('minute')}:${part.get('second')}`;
}

/** A time with its zone, for lines that stand alone. */
export const clockIn = (instant: string | null | undefined, zone: string): string | undefined => {
  const shown = clock(instant, zone);
  return shown === undefined ? undefined : `${shown} ${zone}`;
};

/** Seconds as Slurm writes them: `04:00:00`, `1-12:00:00`. */
export const wallTime = (seconds: number | null | undefined): string | undefined =>
  seconds === undefined || seconds === null ? undefined : renderDuration(Math.floor(seconds));

/** `2026-01-01 to 2026-12-31`: both days inside, where a window ends at midnight (its end is exclusive). */
export function period(start: string, end: string | null | undefined, zone: string): string {
  const from = clock(start, zone) ?? start;
  const isMidnight = (text: string) => text.endsWith(' 00:00:00');
  const shortest = (text: string) => (isMidnight(text) ? text.slice(0, 10) : text);
  if (!end) return `from ${shortest(from)}`;
  const until = clock(end, zone) ?? end;
  if (!isMidnight(until)) return `${shortest(from)} to ${until}`;
  const last = clock(new Date(new Date(end).getTime() - 1000).toISOString(), zone) ?? end;
  return `${shortest(from)} to ${last.slice(0, 10)}`;
}

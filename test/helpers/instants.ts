/** Instants seen by other means than domain/time.ts, which is what is tested with them. */

/** Seconds since 1970, rounded down. */
export const epochSeconds = (instant: string): number => Math.floor(Date.parse(instant) / 1000);

const calendars = new Map<string, Intl.DateTimeFormat>();

/** The date on the calendars of a zone at that instant. */
export function civilDateOf(instant: string, timeZone: string): string {
  const calendar =
    calendars.get(timeZone) ??
    new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });
  calendars.set(timeZone, calendar);
  return calendar.format(new Date(instant));
}

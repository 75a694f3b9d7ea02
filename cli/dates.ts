/** Times as people type them: a day, a local time, or an instant; with the zone they are meant in. */
import { Fault } from '../domain/faults';
import { EXIT, Stop } from './exit';

/** `first`: a day means its first instant. `last`: it means the end of that day, so that `--end 2026-12-31` includes it. */
export type DayEdge = 'first' | 'last';

const DAY = /^\d{4}-\d\d-\d\d$/;
const ZONED = /(?:[Zz]|[+-]\d\d:\d\d)$/;

export function readTime(option: string, text: string, zone: string, edge: DayEdge): string {
  return reading(option, zone, ({ addDays, readCivilDate, readTimeIn, startOfDay }) => {
    if (!DAY.test(text)) return readTimeIn(text, zone).at;
    const day = readCivilDate(text);
    return startOfDay(edge === 'first' ? day : addDays(day, 1), zone);
  });
}

/** For times of a cluster: without a zone they go as they are, to be read in the cluster's, which says where that is a guess. */
export function readClusterTime(option: string, text: string): string {
  return reading(option, "the cluster's zone", ({ readCivilDate, readTimeIn }) => {
    if (DAY.test(text)) return `${readCivilDate(text)}T00:00:00`;
    const { at } = readTimeIn(text, 'UTC');
    return ZONED.test(text) ? at : text;
  });
}

function reading(option: string, zone: string, read: (time: typeof import('../domain/time')) => string): string {
  try {
    // Loaded here, for the date library takes longer to load than most commands to run.
    return read(require('../domain/time') as typeof import('../domain/time'));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Stop(EXIT.usage, `${option}: ${error.message}.`, {
      hints: [
        `A day (2026-01-31) or a time (2026-01-31T14:00) is read in ${zone}; 2026-01-31T14:00:00Z says its zone itself.`,
      ],
    });
  }
}

const AGO = /^(\d{1,5})([hdw])$/;
const HOURS = { h: 1, d: 24, w: 168 } as const;

/** `30d` -> the instant 30 days ago. */
export function readAgo(option: string, text: string, now: Date): string {
  const match = AGO.exec(text);
  if (!match) throw new Stop(EXIT.usage, `${option} takes hours, days or weeks, like 12h, 30d or 4w, not "${text}".`);
  return new Date(now.getTime() - Number(match[1]) * HOURS[match[2] as keyof typeof HOURS] * 3_600_000).toISOString();
}

/** What `--from` and `--to`, or `--last`, choose. Days are read in UTC. */
export const readSpan = (
  { from, to, last }: { from?: string | undefined; to?: string; last?: string },
  now: Date,
): { from: string | undefined; to: string | undefined } => ({
  from: from ? readTime('--from', from, 'UTC', 'first') : last && readAgo('--last', last, now),
  to: to && readTime('--to', to, 'UTC', 'last'),
});

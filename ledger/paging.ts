/** Lists are read newest first, by number; the cursor of a page is the number of the last row on it. */
import { Fault } from '../domain/faults';
import type { Page, Paged } from './contract';

const LARGEST = 9_223_372_036_854_775_807n;

/** The rows of a page have smaller numbers than this. `malformed_request`. */
export function cursorOf({ cursor }: Page): bigint {
  if (cursor === undefined) return LARGEST;
  if (/^\d{1,18}$/.test(cursor)) return BigInt(cursor);
  const detail = 'is not a cursor of this list; take it from the Link header of the page before';
  throw new Fault('malformed_request', `cursor ${detail}`, { errors: [{ pointer: '/cursor', detail }] });
}

/** One row more than fits was asked for: it says that there is a next page, and is not shown. */
export const rowsAsked = ({ limit }: Page): number => limit + 1;

export function pageOf<Row>(rows: readonly Row[], { limit }: Page, numberOf: (row: Row) => bigint): Paged<Row> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { rows: shown, ...(rows.length > limit && last && { nextCursor: numberOf(last).toString() }) };
}

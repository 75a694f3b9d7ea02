/** How much of a list is shown: the same three words on every one of them. */
import type { Command } from 'commander';
import { EXIT, Stop } from './exit';

/** Lists show this many rows unless --limit or --all says otherwise. */
const ROWS_SHOWN = 50;

export interface PageOptions {
  limit?: string;
  offset?: string;
  all?: boolean;
}

export const withPages = (command: Command): Command =>
  command
    .option('--limit <n>', `show so many (default ${ROWS_SHOWN})`)
    .option('--offset <n>', 'leave out so many first')
    .option('--all', 'show all');

/** Undefined: all of them. `usual`: how many where nobody said. */
export function rowsWanted({ limit, all }: PageOptions, usual: number | undefined = ROWS_SHOWN): number | undefined {
  if (all) return undefined;
  if (limit === undefined) return usual;
  if (!/^[1-9]\d{0,8}$/.test(limit))
    throw new Stop(EXIT.usage, `--limit takes a whole number above 0, not "${limit}".`);
  return Number(limit);
}

export function rowsSkipped({ offset = '0' }: PageOptions): number {
  if (!/^\d{1,9}$/.test(offset)) throw new Stop(EXIT.usage, `--offset takes a whole number, not "${offset}".`);
  return Number(offset);
}

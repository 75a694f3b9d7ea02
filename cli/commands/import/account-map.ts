/** A file that says what a log's accounts are called in Bursar: two columns, CSV, with or without a heading. */
import { CsvError } from 'csv-parse';
import { parse } from 'csv-parse/sync';
import { readFileSync } from 'node:fs';
import { EXIT, Stop } from '../../exit';

/** The log's name → Bursar's; '' where its runs are to be left out. All mistakes at once. */
export function readAccountMap(path: string): Map<string, string> {
  const rows = rowsOf(path);
  const map = new Map<string, string>();
  const mistakes: string[] = [];
  for (const [index, row] of rows.entries()) {
    const [from = '', to = '', ...more] = row.map((field) => field.trim());
    if (index === 0 && /^(log|slurm|sacct|from)([ _]?account)?$/i.test(from)) continue;
    if (row.length < 2 || more.length > 0) {
      mistakes.push(
        `line ${index + 1} has ${row.length} columns; it is the log's name, a comma, and Bursar's name (or nothing)`,
      );
    } else if (map.has(from) && map.get(from) !== to)
      mistakes.push(`line ${index + 1} maps "${from}" again, to another account`);
    else map.set(from, to);
  }
  if (mistakes.length > 0) {
    const hints = mistakes.slice(0, 20);
    throw new Stop(EXIT.usage, `${path} cannot be used as --account-map; nothing was changed.`, { hints });
  }
  return map;
}

function rowsOf(path: string): string[][] {
  try {
    return parse(readFileSync(path, 'utf8'), { bom: true, relax_column_count: true, skip_empty_lines: true });
  } catch (error) {
    const why = error instanceof CsvError || error instanceof Error ? error.message : path;
    throw new Stop(EXIT.usage, `--account-map: ${why}.`);
  }
}

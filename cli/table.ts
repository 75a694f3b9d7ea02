/**
 * Tables as plain aligned columns, two spaces apart, as ASBB prints them.
 *
 * Our own, not a library: the ones we know draw boxes that neither `awk` nor a screen reader likes, none lines numbers up
 * at the decimal point, and each costs more start-up time than the whole of this file. A terminal gets what fits: wide
 * texts are cut first, then columns marked `optional` go, the last first. A pipe gets everything.
 */
import { cut, displayWidth, harmless, padEnd, padStart, type Paint } from './text';

export interface Column<Row> {
  title: string;
  value: (row: Row) => string | undefined;
  /** 'point': right-aligned at the decimal point. */
  align?: 'left' | 'right' | 'point';
  /** May be cut down to this many columns. */
  shrinksTo?: number;
  /** May be left out; the higher, the earlier. */
  optional?: number;
  color?: (row: Row) => Parameters<Paint>[0] | undefined;
}

const GAP = 2;

interface Laid<Row> {
  column: Column<Row>;
  cells: string[];
  width: number;
}

function lay<Row>(column: Column<Row>, rows: readonly Row[]): Laid<Row> {
  let cells = rows.map((row) => harmless(column.value(row) ?? '-'));
  if (column.align === 'point') cells = alignPoints(cells);
  return { column, cells, width: Math.max(displayWidth(column.title), ...cells.map(displayWidth)) };
}

/** Pads behind the shorter fractions, so that the points stand below each other once right-aligned. */
function alignPoints(cells: string[]): string[] {
  const behind = (cell: string) => (cell.includes('.') ? cell.length - cell.indexOf('.') : 0);
  const most = Math.max(0, ...cells.map(behind));
  return cells.map((cell) => (/\d/.test(cell) ? cell + ' '.repeat(most - behind(cell)) : cell));
}

const total = <Row>(laid: Laid<Row>[]): number =>
  laid.reduce((sum, { width }) => sum + width, 0) + GAP * (laid.length - 1);

function fit<Row>(laid: Laid<Row>[], width: number): Laid<Row>[] {
  let columns = laid;
  for (;;) {
    let excess = total(columns) - width;
    if (excess <= 0) return columns;
    const elastic = (entry: Laid<Row>) =>
      entry.width - Math.max(entry.column.shrinksTo ?? entry.width, displayWidth(entry.column.title));
    if (columns.reduce((sum, entry) => sum + Math.max(0, elastic(entry)), 0) >= excess) {
      columns = columns.map((entry) => ({ ...entry }));
      while (excess > 0) {
        const widest = columns.filter((entry) => elastic(entry) > 0).sort((a, b) => b.width - a.width)[0] as Laid<Row>;
        widest.width -= 1;
        excess -= 1;
      }
      return columns;
    }
    const going = columns
      .filter(({ column }) => column.optional !== undefined)
      .sort((a, b) => (b.column.optional ?? 0) - (a.column.optional ?? 0))[0];
    if (!going) return columns.map((entry) => ({ ...entry, width: entry.width - Math.max(0, elastic(entry)) }));
    columns = columns.filter((entry) => entry !== going);
  }
}

export interface TableOptions {
  /** Undefined: nothing has to fit. */
  width: number | undefined;
  paint: Paint;
}

/** The table as lines, heading first. */
export function tableLines<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  options: TableOptions,
): string[] {
  const all = columns.map((column) => lay(column, rows));
  const laid = options.width === undefined ? all : fit(all, options.width);
  const line = (cell: (entry: Laid<Row>) => string) => laid.map(cell).join(' '.repeat(GAP)).trimEnd();
  const placed = (entry: Laid<Row>, text: string) =>
    entry.column.align === 'right' || entry.column.align === 'point'
      ? padStart(text, entry.width)
      : padEnd(text, entry.width);
  return [
    options.paint(
      'bold',
      line((entry) => placed(entry, entry.column.title)),
    ),
    ...rows.map((row, index) =>
      line((entry) => {
        const text = placed(entry, cut(entry.cells[index] as string, entry.width));
        const color = entry.column.color?.(row);
        return color ? options.paint(color, text) : text;
      }),
    ),
  ];
}

/** `Label:  value` lines with the values below each other; entries without a value are left out. */
export function fieldLines(fields: readonly (readonly [string, string | undefined])[], paint: Paint): string[] {
  const shown = fields.filter((field): field is readonly [string, string] => field[1] !== undefined && field[1] !== '');
  const width = Math.max(0, ...shown.map(([label]) => label.length + 1));
  return shown.map(([label, value]) => `${paint('dim', padEnd(`${label}:`, width))}  ${harmless(value)}`);
}

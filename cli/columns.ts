/** Columns of money. Where all rows share one unit it stands in the headings; otherwise it gets a column of its own. */
import type { Column } from './table';

type MoneyColumn<Row> = readonly [title: string, value: (row: Row) => string | undefined, color?: Column<Row>['color']];

export function unitColumns<Row extends { unit?: string | undefined }>(
  rows: readonly Row[],
  amounts: readonly MoneyColumn<Row>[],
): Column<Row>[] {
  const units = new Set(rows.map(({ unit }) => unit).filter((unit) => unit !== undefined));
  const [only] = units;
  const single = units.size === 1 ? only : undefined;
  const columns = amounts.map(([title, value, color], index): Column<Row> => ({
    title: single !== undefined && index === 0 ? `${title} (${single})` : title,
    value,
    align: 'point',
    ...(color ? { color } : {}),
  }));
  return single === undefined && units.size > 1 ? [...columns, { title: 'UNIT', value: (row) => row.unit }] : columns;
}

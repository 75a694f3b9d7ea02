/**
 * Answers as CSV (RFC 4180): a heading of the API's own field names, amounts and times as the API says them, a row a record.
 *
 * A spreadsheet takes a cell that begins like a formula for one, and names and descriptions are other people's: those cells
 * get an apostrophe in front. Amounts stay plain, the negative ones too.
 */
import type { CastReturnObject, Options } from 'csv-stringify';

/** `details.hold_percentage` of a record is a field of the object inside it; a list inside it is JSON. */
function valueAt(record: unknown, field: string): unknown {
  let value = record;
  for (const name of field.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Reflect.get(value, name);
  }
  return value;
}

function cellOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const NUMERAL = /^-?\d+(\.\d+)?$/;

/** A numeral is no formula, and with an apostrophe it would be no number any more. */
const asItIs = (text: string): string | CastReturnObject => {
  const plain = { value: text, escape_formulas: false };
  return NUMERAL.test(text) ? plain : text;
};

const OPTIONS: Options = { record_delimiter: 'windows', escape_formulas: true, cast: { string: asItIs } };

export function csvOf(fields: readonly string[], records: readonly unknown[]): string {
  return csvLines([fields, ...records.map((record) => fields.map((field) => cellOf(valueAt(record, field))))]);
}

/** Rows of cells as they stand in a file of CSV. */
export function csvLines(rows: readonly (readonly string[])[]): string {
  // Loaded here, for most commands print none.
  const { stringify } = require('csv-stringify/sync') as typeof import('csv-stringify/sync');
  return stringify([...rows], OPTIONS);
}

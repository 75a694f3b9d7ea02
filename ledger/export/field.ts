/** One file of an export and its fields, and how each kind of value is written. */
export interface ExportField {
  name: string;
  sql: string;
  meaning: string;
}

export interface ExportTable {
  name: string;
  about: string;
  from: string;
  fields: ExportField[];
}

export const plain = (name: string, meaning: string, sql = name): ExportField => ({ name, sql, meaning });
export const money = (name: string, meaning: string, column = `${name}_micro`): ExportField => ({
  name,
  sql: `ledger.decimal_of(${column})`,
  meaning,
});
export const time = (name: string, meaning: string): ExportField => ({
  name,
  sql: `to_char(${name} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`,
  meaning,
});
/** A seal or a digest, in hex. */
export const hex = (name: string, meaning: string): ExportField => ({ name, sql: `encode(${name}, 'hex')`, meaning });

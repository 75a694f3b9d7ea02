/** A file of accounts as lines: CSV with whatever separates its columns, a JSON array, or a JSON object a line. Streamed. */
import { CsvError, parse } from 'csv-parse';
import { parse as parseJson } from 'lossless-json';
import { closeSync, createReadStream, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { AccountLine, FileMistake } from '../../../ledger/contract/imports';
import { EXIT, Stop } from '../../exit';
import { columnOf, readLine, type Column, type Defaults, type Fields } from './account-columns';

export type Line = AccountLine | ({ kind: 'mistake' } & FileMistake);

/** A JSON array is read whole, which takes about ten times its size; a line an object is not. */
const JSON_BYTES_MAX = 64 * 1024 * 1024;
/** Nobody's line is longer; an unclosed quotation mark is noticed here. */
const RECORD_BYTES_MAX = 64 * 1024;

/** Opens the file; its lines are read when they are asked for. */
export function readAccountFile(path: string, defaults: Defaults): AsyncIterable<Line> {
  const start = startOf(path);
  if (start.length >= 2 && (start.readUInt16LE(0) === 0xfeff || start.readUInt16BE(0) === 0xfeff)) {
    throw new Stop(EXIT.usage, `${path} is in UTF-16; save it as UTF-8.`);
  }
  const text = start.toString('utf8').replace(/^\ufeff/, '');
  if (text.trim() === '') throw new Stop(EXIT.usage, `${path} is empty.`);
  const first = text.trimStart()[0];
  if (first === '[') return fromArray(path, defaults);
  if (first === '{') return fromObjects(path, defaults);
  return fromCsv(path, text, defaults);
}

function startOf(path: string): Buffer {
  try {
    const file = openSync(path, 'r');
    try {
      const start = Buffer.alloc(64 * 1024);
      return start.subarray(0, readSync(file, start));
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw new Stop(EXIT.usage, `The file cannot be read: ${error instanceof Error ? error.message : path}.`);
  }
}

// CSV -------------------------------------------------------------------------------------------------------------------

/** What stands most often in the heading, which has no amounts in it. */
function separatorOf(text: string): string {
  const heading = (text.split(/\r?\n|\r/).find((line) => line.trim() !== '') ?? '').replace(/"[^"]*"/g, '');
  const often = (separator: string) => heading.split(separator).length;
  return [',', ';', '\t'].sort((a, b) => often(b) - often(a))[0] ?? ',';
}

async function* fromCsv(path: string, start: string, defaults: Defaults): AsyncGenerator<Line> {
  const parser = createReadStream(path).pipe(
    parse({
      bom: true,
      delimiter: separatorOf(start),
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      max_record_size: RECORD_BYTES_MAX,
    }),
  );
  let columns: Column[] | undefined;
  let last = 0;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      // A quoted field may have several lines; what is wrong with it is wrong where it began.
      const height = record.reduce((sum, field) => sum + (field.match(/\r\n|\n|\r/g)?.length ?? 0), 0);
      const line = Math.max(last + 1, info.lines - height);
      last = info.lines;
      if (!columns) {
        const heading = readHeading(record);
        if ('mistakes' in heading) {
          yield* heading.mistakes.map((mistake): Line => ({ kind: 'mistake', line, field: 'heading', mistake }));
          return;
        }
        ({ columns } = heading);
        continue;
      }
      if (record.every((field) => field.trim() === '')) continue;
      if (record.length !== columns.length) {
        const mistake = `has ${record.length} fields, and the heading ${columns.length}; a field with the separator in it stands in quotation marks`;
        yield { kind: 'mistake', line, field: 'line', mistake };
        continue;
      }
      yield* told(readLine(line, fieldsOf(columns, record), defaults));
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    yield { kind: 'mistake', line: last + 1, field: 'line', mistake: `${wordsFor(error)}; nothing behind it was read` };
  }
}

function readHeading(record: string[]): { columns: Column[] } | { mistakes: string[] } {
  const read = record.map(columnOf);
  const mistakes = read.flatMap((column) => (typeof column === 'string' ? [] : [column.mistake]));
  const columns = read.filter((column) => typeof column === 'string');
  for (const column of new Set(columns)) {
    if (columns.filter((each) => each === column).length > 1) mistakes.push(`there are two columns "${column}"`);
  }
  if (!columns.includes('account')) mistakes.push('there is no column "account"');
  return mistakes.length > 0 ? { mistakes } : { columns };
}

const fieldsOf = (columns: readonly Column[], record: readonly string[]): Fields =>
  Object.fromEntries(columns.map((column, index) => [column, record[index]?.trim() ?? '']));

function wordsFor({ code, message }: CsvError): string {
  switch (code) {
    case 'CSV_QUOTE_NOT_CLOSED':
    case 'CSV_MAX_RECORD_SIZE':
      return 'a quotation mark is opened and not closed, here or a little later';
    case 'CSV_INVALID_CLOSING_QUOTE':
    case 'INVALID_OPENING_QUOTE':
      return 'a quotation mark stands in the middle of a field; double it and put the field in quotation marks';
    default:
      return message;
  }
}

function* told(read: AccountLine | FileMistake[]): Generator<Line> {
  if (Array.isArray(read)) yield* read.map((mistake): Line => ({ kind: 'mistake', ...mistake }));
  else yield read;
}

// JSON ------------------------------------------------------------------------------------------------------------------

async function* fromArray(path: string, defaults: Defaults): AsyncGenerator<Line> {
  if (statSync(path).size > JSON_BYTES_MAX) {
    throw new Stop(EXIT.usage, `${path} is a JSON array of more than 64 MiB; write an object a line instead, or CSV.`);
  }
  let rows: unknown;
  try {
    rows = parseJson(readFileSync(path, 'utf8').replace(/^\ufeff/, ''), undefined, String);
  } catch (error) {
    throw new Stop(EXIT.usage, `${path} is no JSON: ${error instanceof Error ? error.message : 'unreadable'}.`);
  }
  for (const [index, row] of (Array.isArray(rows) ? rows : []).entries()) yield* fromObject(row, index + 1, defaults);
}

async function* fromObjects(path: string, defaults: Defaults): AsyncGenerator<Line> {
  let line = 0;
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    line += 1;
    const row = text.replace(/^\ufeff/, '').trim();
    if (row === '') continue;
    let read: unknown;
    try {
      read = parseJson(row, undefined, String);
    } catch (error) {
      const mistake = `is no JSON object: ${error instanceof Error ? error.message : 'unreadable'}`;
      yield { kind: 'mistake', line, field: 'line', mistake };
      continue;
    }
    yield* fromObject(read, line, defaults);
  }
}

/** Numbers arrive as they were written. */
function* fromObject(row: unknown, line: number, defaults: Defaults): Generator<Line> {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    yield { kind: 'mistake', line, field: 'line', mistake: 'is no JSON object' };
    return;
  }
  const fields: Fields = {};
  let isWrong = false;
  for (const [key, value] of Object.entries(row)) {
    const column = columnOf(key);
    const mistake =
      typeof column !== 'string'
        ? column.mistake
        : value !== null && typeof value !== 'string'
          ? 'is neither a text nor a number'
          : undefined;
    if (mistake !== undefined) {
      isWrong = true;
      yield { kind: 'mistake', line, field: key.slice(0, 64), mistake };
    } else if (typeof column === 'string' && typeof value === 'string') fields[column] = value.trim();
  }
  if (!isWrong) yield* told(readLine(line, fields, { ...defaults, decimalComma: false }));
}

/** A log of any length as records, in the order of its lines: `sacct -P` with or without a header, several files one after the other. */
import { readSacct, type SacctLine, type SacctOptions } from '../../domain/sacct';

const LINES_AT_ONCE = 2_000;

/**
 * Reads lines as they come, some thousands at a time, since the reader of a log takes lines that are there. A header says what
 * the columns of all lines behind it are.
 */
export async function* readLog(lines: AsyncIterable<string>, options: SacctOptions): AsyncGenerator<SacctLine> {
  let header: string | undefined;
  let [through, some] = [0, [] as string[]];
  const readSome = function* (): Generator<SacctLine> {
    const ahead = header === undefined ? [] : [header];
    const before = through - ahead.length;
    for (const read of readSacct([...ahead, ...some], options)) yield renumbered(read, before + read.line);
    header = some.findLast(looksLikeHeader) ?? header;
    through += some.length;
    some = [];
  };
  for await (const line of lines) {
    some.push(line);
    if (some.length === LINES_AT_ONCE) yield* readSome();
  }
  if (some.length > 0) yield* readSome();
}

/** An id begins with a digit, the name of a column with a letter. */
const looksLikeHeader = (line: string): boolean =>
  /^[A-Za-z]+\s*(\||$)/.test(line) && /(^|\|)\s*JobID(Raw)?(%-?\d+)?\s*(\||$)/i.test(line);

function renumbered(read: SacctLine, line: number): SacctLine {
  if ('record' in read) return { line, record: { ...read.record, line } };
  const message = read.fault.message.replace(/^line \d+: /, `line ${line}: `);
  return { line, fault: Object.assign(read.fault, { message }) };
}

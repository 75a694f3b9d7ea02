/** A report as a file: JSON with everything, or CSV with a line a finding. Written row by row, however many there are. */
import { closeSync, existsSync, openSync, rmSync, writeSync } from 'node:fs';
import { codeOf } from '../../../domain/code-of';
import { csvLines } from '../../csv';
import { EXIT, Stop } from '../../exit';

type Row = Readonly<Record<string, string | undefined>>;

const BUFFER = 64 * 1024;
const ROWS_AT_ONCE = 1000;

/** Refuses a file that could not be written when all is read, which may be an hour later. Changes nothing. */
export function requireReport(path: string): void {
  if (!/\.(json|csv)$/.test(path)) {
    throw new Stop(EXIT.usage, `--report takes a file that ends in .json or .csv, not "${path}".`);
  }
  const isNew = !existsSync(path);
  closeSync(open(path, 'a'));
  if (isNew) rmSync(path);
}

function open(path: string, how: 'a' | 'w'): number {
  try {
    return openSync(path, how);
  } catch (error) {
    throw new Stop(EXIT.usage, `--report: ${path} cannot be written (${codeOf(error) || String(error)}).`);
  }
}

export class ReportFile {
  private readonly file: number;
  private readonly isJson: boolean;
  private rows = 0;
  private pending = '';
  private cells: string[][] = [];

  /** `head` is what JSON says besides the rows, which are its `list`. Replaces what is there. */
  constructor(path: string, head: object, list = 'findings') {
    this.isJson = path.endsWith('.json');
    this.file = open(path, 'w');
    if (this.isJson)
      this.write(`${JSON.stringify(head, null, 2).slice(0, -2)},
  ${JSON.stringify(list)}: [`);
  }

  add(row: Row): void {
    if (this.isJson) this.write(`${this.rows === 0 ? '' : ','}\n    ${JSON.stringify(row)}`);
    else {
      if (this.rows === 0) this.cells.push(Object.keys(row));
      this.cells.push(Object.values(row).map((value) => value ?? ''));
      if (this.cells.length >= ROWS_AT_ONCE) this.writeCells();
    }
    this.rows += 1;
  }

  end(): void {
    if (this.isJson) this.write(`${this.rows === 0 ? '' : '\n  '}]\n}\n`);
    this.writeCells();
    writeSync(this.file, this.pending);
    closeSync(this.file);
  }

  private writeCells(): void {
    if (this.cells.length > 0) this.write(csvLines(this.cells));
    this.cells = [];
  }

  private write(text: string): void {
    this.pending += text;
    if (this.pending.length < BUFFER) return;
    writeSync(this.file, this.pending);
    this.pending = '';
  }
}

/** A report as a file: JSON with everything, or CSV with a line a finding. Written row by row, however many there are. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { EXIT, Stop } from '../../exit';

type Row = Readonly<Record<string, string | undefined>>;

const BUFFER = 64 * 1024;

export function requireReportName(path: string): void {
  if (/\.(json|csv)$/.test(path)) return;
  throw new Stop(EXIT.usage, `--report takes a file that ends in .json or .csv, not "${path}".`);
}

export class ReportFile {
  private readonly file: number;
  private readonly isJson: boolean;
  private rows = 0;
  private pending = '';

  /** `head` is what JSON says besides the rows. Replaces what is there. */
  constructor(path: string, head: object) {
    this.isJson = path.endsWith('.json');
    try {
      this.file = openSync(path, 'w');
    } catch (error) {
      throw new Stop(EXIT.usage, `--report: ${error instanceof Error ? error.message : path}.`);
    }
    if (this.isJson) this.write(`${JSON.stringify(head, null, 2).slice(0, -2)},\n  "findings": [`);
  }

  add(row: Row): void {
    if (this.isJson) this.write(`${this.rows === 0 ? '' : ','}\n    ${JSON.stringify(row)}`);
    else {
      if (this.rows === 0) this.write(`${Object.keys(row).join(',')}\n`);
      this.write(`${Object.values(row).map(cell).join(',')}\n`);
    }
    this.rows += 1;
  }

  end(): void {
    if (this.isJson) this.write(`${this.rows === 0 ? '' : '\n  '}]\n}\n`);
    writeSync(this.file, this.pending);
    closeSync(this.file);
  }

  private write(text: string): void {
    this.pending += text;
    if (this.pending.length < BUFFER) return;
    writeSync(this.file, this.pending);
    this.pending = '';
  }
}

/** RFC 4180; and what a spreadsheet would take for a formula is made text, for job ids and names are other people's. */
const cell = (value: string | undefined = ''): string => {
  const tame = /^[=@+]|^-(?![\d.]+$)/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(tame) ? `"${tame.replaceAll('"', '""')}"` : tame;
};

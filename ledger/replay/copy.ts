/** Rows into a table by COPY, as they come. */
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import type { Writable } from 'node:stream';
import type { Sql } from '../../platform/postgres';

const BUFFER = 256 * 1024;

export type Field = string | number | bigint | null | undefined;

export class Copy {
  private pending = '';

  private constructor(private readonly stream: Writable) {}

  static async into(sql: Sql, table: string): Promise<Copy> {
    return new Copy(await sql.unsafe(`copy ${table} from stdin`).writable());
  }

  /** Waits only where PostgreSQL is behind. */
  async add(fields: readonly Field[]): Promise<void> {
    this.pending += `${fields.map(written).join('\t')}\n`;
    if (this.pending.length > BUFFER) await this.flush();
  }

  async end(): Promise<void> {
    await this.flush();
    this.stream.end();
    await finished(this.stream);
  }

  abandon(): void {
    this.stream.destroy();
  }

  private async flush(): Promise<void> {
    const text = this.pending;
    this.pending = '';
    if (text !== '' && !this.stream.write(text)) await once(this.stream, 'drain');
  }
}

const ESCAPED: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function written(field: Field): string {
  if (field === null || field === undefined) return '\\N';
  if (typeof field !== 'string') return String(field);
  // Most fields have nothing to escape, and PostgreSQL keeps no zero bytes.
  return /[\\\t\n\r\0]/.test(field) ? field.replace(/[\\\t\n\r\0]/g, (found) => ESCAPED[found] ?? '') : field;
}

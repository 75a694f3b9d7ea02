/** Rows go into PostgreSQL as bytes: the binary format of COPY, which nobody has to write as text and read again. */
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import type { Sql } from './postgres';

const HEADER = Buffer.from('PGCOPY\n\u00ff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const POSTGRES_EPOCH_MICROS = 946_684_800_000_000;
const HIGH = 2 ** 32;

/** Rows in the making. Say how many fields a row has, then each of them in the order of the columns. */
export class BinaryRows {
  private bytes = Buffer.allocUnsafe(1 << 20);
  private length = 0;

  constructor() {
    this.clear();
  }

  /** Forgets the rows and keeps the room. */
  clear(): void {
    HEADER.copy(this.bytes);
    this.length = HEADER.length;
  }

  row(fields: number): void {
    this.room(2);
    this.length = this.bytes.writeInt16BE(fields, this.length);
  }

  nothing(): void {
    this.room(4);
    this.length = this.bytes.writeInt32BE(-1, this.length);
  }

  text(value: string | undefined): void {
    if (value === undefined) return this.nothing();
    this.room(4 + value.length * 3);
    const written = this.bytes.write(value, this.length + 4);
    this.bytes.writeInt32BE(written, this.length);
    this.length += 4 + written;
  }

  int(value: number): void {
    this.room(8);
    this.bytes.writeInt32BE(4, this.length);
    this.length = this.bytes.writeInt32BE(value, this.length + 4);
  }

  float(value: number): void {
    this.room(12);
    this.bytes.writeInt32BE(8, this.length);
    this.length = this.bytes.writeDoubleBE(value, this.length + 4);
  }

  /** A whole number that a double holds exactly. */
  bigint(value: number): void {
    this.room(12);
    const high = Math.floor(value / HIGH);
    this.bytes.writeInt32BE(8, this.length);
    this.bytes.writeInt32BE(high, this.length + 4);
    this.length = this.bytes.writeUInt32BE(value - high * HIGH, this.length + 8);
  }

  /** Microseconds since 1970. */
  time(micros: number): void {
    this.bigint(micros - POSTGRES_EPOCH_MICROS);
  }

  /** All rows so far, and the end. Good until the next call. */
  end(): Buffer {
    this.room(2);
    this.length = this.bytes.writeInt16BE(-1, this.length);
    return this.bytes.subarray(0, this.length);
  }

  private room(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.length + more));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}

/** Sends them; `query` is a `copy … from stdin (format binary)`. */
export async function copyIn(sql: Pick<Sql, 'unsafe'>, query: string, rows: BinaryRows): Promise<void> {
  const into = await sql.unsafe(query).writable();
  if (!into.write(rows.end())) await once(into, 'drain');
  into.end();
  await finished(into);
}

/** Rows go into PostgreSQL as bytes: the binary format of COPY, which nobody has to write as text and read again. */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { HEADER, HIGH, JSONB_VERSION, POSTGRES_EPOCH_MICROS } from './copy-format';
import type { Sql } from './postgres';

const LARGE = 256 * 1024;

/** So long a text of plain letters is written sooner letter by letter than by a call that could write any. */
const SHORT = 48;

/** Rows in the making. Say how many fields a row has, then each of them in the order of the columns. */
export class BinaryRows {
  private bytes = Buffer.allocUnsafeSlow(1 << 20);
  // Whoever writes numbers through it writes ten times as many as through the buffer's own methods.
  private view = viewOf(this.bytes);
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
    this.view.setInt16(this.length, fields);
    this.length += 2;
  }

  nothing(): void {
    this.room(4);
    this.view.setInt32(this.length, -1);
    this.length += 4;
  }

  text(value: string | undefined): void {
    if (value === undefined) return this.nothing();
    this.room(4 + value.length * 3);
    const written = this.write(value, this.length + 4);
    this.view.setInt32(this.length, written);
    this.length += 4 + written;
  }

  /** For a column of type jsonb. */
  json(value: unknown): void {
    if (value === undefined) return this.nothing();
    this.jsonText(JSON.stringify(value));
  }

  /** The same, of who has it as text already. */
  jsonText(text: string): void {
    this.room(5 + text.length * 3);
    const written = this.bytes.write(text, this.length + 5);
    this.view.setInt32(this.length, written + 1);
    this.view.setInt8(this.length + 4, JSONB_VERSION);
    this.length += 5 + written;
  }

  boolean(value: boolean): void {
    this.room(5);
    this.view.setInt32(this.length, 1);
    this.view.setInt8(this.length + 4, value ? 1 : 0);
    this.length += 5;
  }

  smallint(value: number): void {
    this.room(6);
    this.view.setInt32(this.length, 2);
    this.view.setInt16(this.length + 4, value);
    this.length += 6;
  }

  /** For a column of type "char": one plain letter. */
  letter(code: number): void {
    this.room(5);
    this.view.setInt32(this.length, 1);
    this.view.setInt8(this.length + 4, code);
    this.length += 5;
  }

  int(value: number): void {
    this.room(8);
    this.view.setInt32(this.length, 4);
    this.view.setInt32(this.length + 4, value);
    this.length += 8;
  }

  float(value: number): void {
    this.room(12);
    this.view.setInt32(this.length, 8);
    this.view.setFloat64(this.length + 4, value);
    this.length += 12;
  }

  /** A number is one that a double holds exactly. */
  bigint(value: number | bigint | undefined): void {
    if (value === undefined) return this.nothing();
    this.room(12);
    this.view.setInt32(this.length, 8);
    if (typeof value === 'bigint') this.view.setBigInt64(this.length + 4, value);
    else {
      const high = Math.floor(value / HIGH);
      this.view.setInt32(this.length + 4, high);
      this.view.setUint32(this.length + 8, value - high * HIGH);
    }
    this.length += 12;
  }

  /** Microseconds since 1970. */
  time(micros: number): void {
    this.bigint(micros - POSTGRES_EPOCH_MICROS);
  }

  /** All rows so far, and the end. Good until the next call. */
  end(): Buffer {
    this.row(-1);
    return this.bytes.subarray(0, this.length);
  }

  /** A copy of the rows so far, which are forgotten: a part of a COPY that goes on. */
  take(): Buffer {
    const taken = Buffer.from(this.bytes.subarray(0, this.length));
    this.length = 0;
    return taken;
  }

  get isLarge(): boolean {
    return this.length > LARGE;
  }

  /** Writes a text, for which there is room, and says how many bytes it takes. */
  private write(value: string, at: number): number {
    const { bytes } = this;
    if (value.length <= SHORT) {
      let letters = 0;
      for (; letters < value.length; letters += 1) {
        const code = value.charCodeAt(letters);
        if (code === 0 || code > 127) break;
        bytes[at + letters] = code;
      }
      if (letters === value.length) return letters;
    }
    // PostgreSQL keeps no zero bytes.
    return bytes.write(value.includes('\0') ? value.replaceAll('\0', '') : value, at);
  }

  private room(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + more));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
    this.view = viewOf(larger);
  }
}

const viewOf = ({ buffer, byteOffset, byteLength }: Buffer): DataView => new DataView(buffer, byteOffset, byteLength);

/** Sends them; `query` is a `copy … from stdin (format binary)`. Fails as PostgreSQL or the connection does. */
export async function copyIn(sql: Pick<Sql, 'unsafe'>, query: string, rows: BinaryRows): Promise<void> {
  const into = await streamInto(sql, query);
  const bytes = rows.end();
  // In pieces, for a message must be there whole before PostgreSQL looks at it; and at once, for they are there anyhow.
  for (let from = 0; from < bytes.length; from += LARGE) into.write(bytes.subarray(from, from + LARGE));
  into.end();
  await finished(into);
}

/** A COPY into a table that goes on while its rows are made. */
export class OpenCopy {
  readonly rows = new BinaryRows();

  private constructor(private readonly stream: Writable) {}

  static async into(sql: Pick<Sql, 'unsafe'>, table: string): Promise<OpenCopy> {
    return new OpenCopy(await streamInto(sql, `copy ${table} from stdin (format binary)`));
  }

  /** Sends the rows that are there, and waits only where PostgreSQL is behind. Call it when they are large. */
  async flow(): Promise<void> {
    await write(this.stream, this.rows.take());
  }

  async end(): Promise<void> {
    this.stream.end(this.rows.end());
    await finished(this.stream);
  }

  abandon(): void {
    this.stream.destroy();
  }
}

/**
 * Bytes of a COPY, as they come.
 *
 * The driver tells its stream of what breaks only until the end is sent. What comes then (a row that a constraint refuses, a full
 * disk, a backend that is terminated) it tells the query, whose promise was kept when the stream came: nobody hears of it, and
 * whoever waits for the stream waits for ever (porsager/postgres 3.4.9, issue 1173). So its `reject`, which is no part of its types, is ours.
 */
export async function streamInto(sql: Pick<Sql, 'unsafe'>, query: string): Promise<Writable> {
  const asked = sql.unsafe(query);
  const stream = await asked.writable();
  // A stream that breaks while nobody waits for it would end the process; the next `write` or `end` says so.
  stream.on('error', () => {});
  void Object.assign(asked, { reject: (error: Error) => stream.destroy(error) });
  return stream;
}

/** A stream that is broken already never drains. */
async function write(into: Writable, bytes: Buffer): Promise<void> {
  if (into.errored) throw into.errored;
  if (!into.write(bytes)) await once(into, 'drain');
}

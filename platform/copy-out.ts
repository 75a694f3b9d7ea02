/** Rows leave PostgreSQL as bytes. */
import type { Readable } from 'node:stream';
import { HEADER, HIGH, JSONB_VERSION_BYTES, POSTGRES_EPOCH_MICROS, SIGNATURE } from './copy-format';
import type { Sql, Tx } from './postgres';

/**
 * The bytes that `copy … to stdout` writes.
 *
 * The driver stops reading from its socket while nobody takes what it has. Where the end of the copy arrives with the bytes that
 * made it stop, nobody ever asks it to go on, and the next query on that connection waits for ever (porsager/postgres 3.4.9,
 * pull request 1016). So it is asked once more at the end.
 */
export async function copyOut(sql: Sql | Tx, query: string): Promise<Readable> {
  const bytes = await sql.unsafe(query).readable();
  return bytes.once('end', () => bytes._read(0));
}

/** Reads a piece of what `copy … (format binary)` wrote, which holds whole rows: field by field, in the order of the columns. */
export class BinaryFields {
  private readonly view: DataView;
  private at: number;

  constructor(private readonly bytes: Buffer) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.at = bytes.subarray(0, SIGNATURE.length).equals(SIGNATURE) ? HEADER.length : 0;
  }

  /** Goes to the next row. False at the end of the piece, or of all of it. */
  nextRow(): boolean {
    if (this.at >= this.bytes.length || this.view.getInt16(this.at) < 0) return false;
    this.at += 2;
    return true;
  }

  text(): string | undefined {
    const length = this.length();
    if (length < 0) return undefined;
    this.at += length;
    return this.bytes.toString('utf8', this.at - length, this.at);
  }

  /** A text that is mostly one of a few, which are then not made anew. */
  word(known: readonly string[]): string {
    const length = this.length();
    const from = this.at;
    if (length > 0) this.at += length;
    const word = known.find((each) => {
      if (each.length !== length) return false;
      for (let letter = 0; letter < length; letter += 1)
        if (this.bytes[from + letter] !== each.charCodeAt(letter)) return false;
      return true;
    });
    return word ?? this.bytes.toString('utf8', from, this.at);
  }

  /** Of a column of type jsonb, as text. */
  jsonText(): string | undefined {
    const length = this.length();
    if (length < 0) return undefined;
    this.at += length;
    return this.bytes.toString('utf8', this.at - length + JSONB_VERSION_BYTES, this.at);
  }

  bigint(): bigint | undefined {
    if (this.length() < 0) return undefined;
    this.at += 8;
    return this.view.getBigInt64(this.at - 8);
  }

  /** A bigint as a double. NaN: there is none, or one that no double is. */
  integer(): number {
    if (this.length() < 0) return NaN;
    this.at += 8;
    const value = this.view.getInt32(this.at - 8) * HIGH + this.view.getUint32(this.at - 4);
    return Number.isSafeInteger(value) || BigInt(value) === this.view.getBigInt64(this.at - 8) ? value : NaN;
  }

  /** Microseconds since 1970. NaN: there is none. */
  time(): number {
    return this.integer() + POSTGRES_EPOCH_MICROS;
  }

  private length(): number {
    this.at += 4;
    return this.view.getInt32(this.at - 4);
  }
}

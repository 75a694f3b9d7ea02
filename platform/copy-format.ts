/** The binary format of COPY, as both directions know it. */

/** What it begins with: the signature, then flags and the length of more to come, of which there is none. */
export const SIGNATURE = Buffer.from('PGCOPY\n\u00ff\r\n\0', 'latin1');
export const HEADER = Buffer.concat([SIGNATURE, Buffer.alloc(8)]);

/** PostgreSQL counts microseconds from 2000 on. */
export const POSTGRES_EPOCH_MICROS = 946_684_800_000_000;

/** What the upper half of a bigint counts. */
export const HIGH = 2 ** 32;

/** Stands before the text of a jsonb. */
export const JSONB_VERSION = 1;
export const JSONB_VERSION_BYTES = 1;

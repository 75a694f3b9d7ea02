/** Rows leave PostgreSQL as bytes. */
import type { Readable } from 'node:stream';
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

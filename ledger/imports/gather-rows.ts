/** Rows on their way from one PostgreSQL to another, in pieces that are worth a write. */
import { Transform } from 'node:stream';

const PIECE_BYTES = 65_536;
const TOLD_EVERY = 50_000;

/**
 * Passes on what `copy … (format binary)` writes, which comes a message a row and would cost a system call a row to hand on; says
 * about every 50 000 rows how many there were, and once more at the end. The last message is the end of the copy, not a row.
 */
export function gatherRows(onCount: (rows: number) => void): Transform {
  let waiting: Buffer[] = [];
  let [bytes, messages, told] = [0, 0, 0];
  const take = (): Buffer => {
    const piece = Buffer.concat(waiting, bytes);
    [waiting, bytes] = [[], 0];
    return piece;
  };
  return new Transform({
    transform(message: Buffer, _encoding, done) {
      waiting.push(message);
      bytes += message.length;
      messages += 1;
      if (messages - told > TOLD_EVERY) onCount((told = messages - 1));
      if (bytes < PIECE_BYTES) done();
      else done(null, take());
    },
    flush(done) {
      onCount(Math.max(0, messages - 1));
      done(null, take());
    },
  });
}

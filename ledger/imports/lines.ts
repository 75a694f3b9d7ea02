/** Counts what goes by. */
import { Transform } from 'node:stream';

const NEWLINE = 10;
const TOLD_EVERY = 50_000;

/** Passes bytes on and says about every 50 000 lines how many there were; once more at the end. */
export function countLines(onCount: (lines: number) => void): Transform {
  let [lines, told] = [0, 0];
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) lines += 1;
      if (lines - told >= TOLD_EVERY) onCount((told = lines));
      done(null, chunk);
    },
    flush(done) {
      onCount(lines);
      done();
    },
  });
}

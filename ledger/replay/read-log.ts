/** A log of any length as records, in the order of its lines: `sacct -P` with or without a header, several files one after the other. */
import { openSacctReader, type SacctLine, type SacctOptions } from '../../domain/sacct';

const LINES_AT_ONCE = 500;

/** Reads lines as they come, and hands on what they say some hundreds at a time: to wait for each of them costs more than to read it. */
export async function* readLog(lines: AsyncIterable<string>, options: SacctOptions): AsyncGenerator<SacctLine[]> {
  const read = openSacctReader(options);
  let [line, some] = [0, [] as SacctLine[]];
  for await (const written of lines) {
    line += 1;
    const told = read(written, line);
    if (told) some.push(told);
    if (some.length < LINES_AT_ONCE) continue;
    yield some;
    some = [];
  }
  yield some;
}

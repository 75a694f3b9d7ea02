/** An accounting log as chunks: text or JSON, a file, standard input, gzip or not. Read as it is wanted, never as a whole. */
import { createHash } from 'node:crypto';
import { createReadStream, openSync, closeSync, fstatSync, readSync } from 'node:fs';
import { Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Fault } from '../../../domain/faults';
import type { LogChunk } from '../../../ledger/contract/imports';
import { EXIT, Stop } from '../../exit';
import { JSON_COLUMNS, cutJobs, rowOfJob } from './sacct-json';

/** About 25 000 rows: enough for PostgreSQL to work in sets, little enough to be done again after a crash. */
const CHUNK_BYTES = 8 * 1024 * 1024;
const JOBS_AT_ONCE = 5000;
const LINE_BYTES_MAX = 16 * 1024 * 1024;

export interface OpenedLog {
  name: string;
  chunks: AsyncIterable<LogChunk>;
  /** JSON names its own. */
  columns?: readonly string[];
}

/** Opens the log; it is read when its chunks are asked for. `-` is standard input. */
export async function openLog(path: string): Promise<OpenedLog> {
  const { name, plain, isJson, progress } = await openPlain(path);
  return {
    name,
    chunks: isJson ? jsonChunks(plain, progress) : textChunks(plain, progress),
    ...(isJson && { columns: JSON_COLUMNS }),
  };
}

/** Opens a log of which only text is taken, line by line. */
export async function openLines(path: string): Promise<AsyncIterable<string>> {
  const { name, plain, isJson, progress } = await openPlain(path);
  if (isJson) {
    throw new Stop(EXIT.usage, `${name} is JSON; this takes the text of \`sacct -P\`.`, {
      hints: ['`sacct --json` does not say how long jobs asked to run, by which their money is held.'],
    });
  }
  return (async function* () {
    for await (const { rows } of textChunks(plain, progress))
      for (const row of rows) if (typeof row === 'string') yield row;
  })();
}

interface PlainLog {
  name: string;
  /** Unpacked. */
  plain: AsyncIterable<Buffer>;
  isJson: boolean;
  progress: () => number | undefined;
}

async function openPlain(path: string): Promise<PlainLog> {
  // Looked at first: a stream on a file that is not there fails while nobody listens.
  const size = path === '-' ? undefined : sizeOf(path);
  const raw = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: 1 << 20 });
  let passed = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      passed += chunk.length;
      done(null, chunk);
    },
  });
  const progress = () => (size ? Math.min(1, passed / size) : undefined);
  raw.on('error', (error: Error) => counted.destroy(error));
  const bytes = new Peeked(raw.pipe(counted));
  const isPacked = (await bytes.start(2)).equals(Buffer.from([0x1f, 0x8b]));
  const plain = isPacked ? new Peeked(unpacked(bytes, nameOf(path))) : bytes;
  const start = (await plain.start(1024)).toString('utf8').replace(/^\ufeff/, '');
  if (start.trim() === '') throw new Stop(EXIT.usage, `${nameOf(path)} is empty.`);
  if (start.startsWith('\ufffd\ufffd') || start.split('\n', 1)[0]?.includes('\0')) {
    throw new Stop(EXIT.usage, `${nameOf(path)} is no text: neither what sacct prints nor gzip of it.`);
  }
  return { name: nameOf(path), plain, isJson: /^[{[]/.test(start.trimStart()), progress };
}

const nameOf = (path: string): string => (path === '-' ? 'standard input' : path);

function sizeOf(path: string): number | undefined {
  try {
    const file = openSync(path, 'r');
    try {
      const stat = fstatSync(file);
      if (stat.isDirectory()) throw new Stop(EXIT.usage, `${path} is a folder.`);
      if (stat.isFile()) readSync(file, Buffer.alloc(1));
      return stat.isFile() ? stat.size : undefined;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (error instanceof Stop) throw error;
    throw new Stop(EXIT.usage, `The log cannot be read: ${error instanceof Error ? error.message : path}.`);
  }
}

/** A stream whose first bytes can be looked at. */
class Peeked implements AsyncIterable<Buffer> {
  private readonly iterator: AsyncIterator<Buffer>;
  private held: Buffer[] = [];

  constructor(stream: AsyncIterable<Buffer>) {
    this.iterator = stream[Symbol.asyncIterator]();
  }

  async start(bytes: number): Promise<Buffer> {
    while (Buffer.concat(this.held).length < bytes) {
      const next = await this.iterator.next();
      if (next.done) break;
      this.held.push(next.value);
    }
    return Buffer.concat(this.held).subarray(0, bytes);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    yield* this.held.splice(0);
    for (let next = await this.iterator.next(); !next.done; next = await this.iterator.next()) yield next.value;
  }
}

async function* unpacked(bytes: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: 1 << 20 });
  void (async () => {
    try {
      for await (const chunk of bytes) {
        if (!gunzip.write(chunk)) await new Promise((resolve) => gunzip.once('drain', resolve));
      }
      gunzip.end();
    } catch (error) {
      gunzip.destroy(error instanceof Error ? error : undefined);
    }
  })();
  try {
    yield* gunzip;
  } catch (error) {
    if (!isOfZlib(error)) throw error;
    throw new Stop(EXIT.usage, `${name} is gzip that is broken or cut off (${error.message}).`, {
      hints: ['Fetch or write it again; what was imported is not imported twice.'],
    });
  }
}

const isOfZlib = (error: unknown): error is { code: string; message: string } =>
  typeof error === 'object' && error !== null && 'code' in error && String(error.code).startsWith('Z_');

// Text ------------------------------------------------------------------------------------------------------------------

/** Cut at the first end of a line after so many bytes, so that the same log always gives the same chunks. */
export async function* textChunks(
  bytes: AsyncIterable<Buffer>,
  progress: () => number | undefined,
): AsyncGenerator<LogChunk> {
  let line = 1;
  const chunkOf = (block: Buffer): LogChunk => {
    const text = block.toString('utf8');
    const rows = (line === 1 ? text.replace(/^\ufeff/, '') : text).split('\n');
    if (rows.at(-1) === '') rows.pop();
    const at = progress();
    const chunk = { digest: createHash('sha256').update(block).digest(), line, rows };
    line += rows.length;
    return at === undefined ? chunk : { ...chunk, progress: at };
  };
  let held: Buffer[] = [];
  let length = 0;
  for await (const block of bytes) {
    let rest = block;
    while (length + rest.length > CHUNK_BYTES) {
      const from = Math.max(0, CHUNK_BYTES - length);
      const end = rest.indexOf(10, from);
      if (end < 0) break;
      yield chunkOf(Buffer.concat([...held, rest.subarray(0, end + 1)]));
      held = [];
      length = 0;
      rest = rest.subarray(end + 1);
    }
    if (rest.length === 0) continue;
    held.push(rest);
    length += rest.length;
    if (length > CHUNK_BYTES + LINE_BYTES_MAX) {
      throw new Stop(EXIT.usage, `Line ${line} or one behind it has more than 16 MiB; this is no log of sacct.`);
    }
  }
  if (length > 0) yield chunkOf(Buffer.concat(held));
}

// JSON ------------------------------------------------------------------------------------------------------------------

async function* jsonChunks(bytes: AsyncIterable<Buffer>, progress: () => number | undefined): AsyncGenerator<LogChunk> {
  let line = 1;
  let rows: (string[] | Fault)[] = [];
  let hash = createHash('sha256');
  const chunkOf = (): LogChunk => {
    const at = progress();
    const chunk = { digest: hash.digest(), line, rows, ...(at !== undefined && { progress: at }) };
    line += rows.length;
    rows = [];
    hash = createHash('sha256');
    return chunk;
  };
  for await (const job of cutJobs(bytes)) {
    hash.update(job);
    rows.push(rowOfJob(job, line + rows.length));
    if (rows.length === JOBS_AT_ONCE) yield chunkOf();
  }
  if (rows.length > 0) yield chunkOf();
}

/** Logs: one JSON line an event, with an event name and fields instead of sentences with values in them. */
import { write, writeSync } from 'node:fs';
import pino, { type Logger } from 'pino';
import { buildFacts } from './build-facts';
import { consoleLines } from './log-format';

export type Log = Logger;

export interface LogOptions {
  /** Which process speaks: 'api', 'worker', 'dispatcher'. */
  service: string;
  level: string;
  /** Default json. */
  format?: 'json' | 'console';
  /** Default: standard output. */
  destination?: pino.DestinationStream;
}

const STDOUT = 1;

/** One, however many logs a process opens: pages of two would be written into each other. */
let standardOutput: PagedOutput | undefined;

/** Fields that never reach a log, wherever they turn up. */
const SECRETS = ['password', 'secret', 'token', 'apiKey', 'authorization', 'cookie', 'databaseUrl'];

export function openLog({ service, level, format, destination }: LogOptions): Log {
  const options: pino.LoggerOptions = {
    level,
    base: { service, version: buildFacts().version, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`]), censor: '***' },
    serializers: { err: pino.stdSerializers.errWithCause },
  };
  const output = destination ?? (standardOutput ??= new PagedOutput(STDOUT));
  return pino(options, format === 'console' ? consoleLines(output) : output);
}

/** Longer and a `kill -9` would lose more than the last moment; shorter and a busy API writes a line at a time. */
const FLUSH_EVERY_MS = 100;

const PAGE_CHARS = 4096;

/** What cannot be written at the moment is kept up to here; after that, lines are lost. */
const WAITING_CHARS_MAX = 1_048_576;

/** How long the end of a process waits for a reader that is slow. */
const LAST_WORDS_MS = 1_000;

/**
 * Standard output in pages. One call to the system a line was a tenth of what a budget check costs.
 *
 * A full disk or a closed pipe never reaches the service: what could not be written is tried again with the next page, and
 * given up at the end. (pino's own destination throws such an error where nobody catches it, and tries for ever at the end.)
 */
class PagedOutput implements pino.DestinationStream {
  private waiting = '';
  private page = Buffer.alloc(0);
  private isWriting = false;

  constructor(private readonly fd: number) {
    setInterval(() => this.flush(), FLUSH_EVERY_MS).unref();
    process.on('exit', () => this.flushSync());
  }

  write(line: string): void {
    if (this.waiting.length + line.length > WAITING_CHARS_MAX) return;
    this.waiting += line;
    if (this.waiting.length >= PAGE_CHARS) this.flush();
  }

  flush(): void {
    if (this.isWriting) return;
    if (this.page.length === 0) this.turnPage();
    if (this.page.length === 0) return;
    this.isWriting = true;
    write(this.fd, this.page, (error, written) => {
      this.isWriting = false;
      if (error) return;
      this.page = this.page.subarray(written);
      if (this.page.length > 0 || this.waiting.length >= PAGE_CHARS) this.flush();
    });
  }

  private turnPage(): void {
    this.page = Buffer.from(this.waiting);
    this.waiting = '';
  }

  /** For the last words of a process. A page that is under way is left to the system. */
  flushSync(): void {
    const giveUpAt = Date.now() + LAST_WORDS_MS;
    let rest = Buffer.concat([this.isWriting ? Buffer.alloc(0) : this.page, Buffer.from(this.waiting)]);
    if (!this.isWriting) this.page = Buffer.alloc(0);
    this.waiting = '';
    while (rest.length > 0) {
      try {
        rest = rest.subarray(writeSync(this.fd, rest));
      } catch (error) {
        if (!isBusy(error) || Date.now() > giveUpAt) return;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
      }
    }
  }
}

const isBusy = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'EAGAIN';

/**
 * The line by which a child of the supervisor says that it does its work now ('listening' for the API, 'ready' for the
 * worker). The supervisor waits for it, at any log level, so it is written past the level.
 */
export function announce(log: Log, event: 'listening' | 'ready', fields: Record<string, unknown> = {}): void {
  const told = log.isLevelEnabled('info') ? log : log.child({}, { level: 'info' });
  told.info({ ...fields, event }, event);
  told.flush();
}

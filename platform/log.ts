/** Logs: one JSON line an event, with an event name and fields instead of sentences with values in them. */
import pino, { type Logger } from 'pino';
import { buildFacts } from './build-facts';

export type Log = Logger;

export interface LogOptions {
  /** Which process speaks: 'api', 'worker', 'dispatcher'. */
  service: string;
  level: string;
  /** Default: standard output. */
  destination?: pino.DestinationStream;
}

/** Fields that never reach a log, wherever they turn up. */
const SECRETS = ['password', 'secret', 'token', 'apiKey', 'authorization', 'cookie', 'databaseUrl'];

export function openLog({ service, level, destination }: LogOptions): Log {
  const options: pino.LoggerOptions = {
    level,
    base: { service, version: buildFacts().version, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`]), censor: '***' },
    serializers: { err: pino.stdSerializers.errWithCause },
  };
  return pino(options, destination ?? bufferedOutput());
}

/** Longer and a `kill -9` would lose more than the last moment; shorter and a busy API writes a line at a time. */
const FLUSH_EVERY_MS = 100;

/** Standard output in pages. One call to the system a line was a tenth of what a budget check costs. */
const bufferedOutput = () => pino.destination({ dest: 1, sync: false, minLength: 4096, periodicFlush: FLUSH_EVERY_MS });

/**
 * The line by which a child of the supervisor says that it does its work now ('listening' for the API, 'ready' for the
 * worker). The supervisor waits for it, at any log level, so it is written past the level.
 */
export function announce(log: Log, event: 'listening' | 'ready', fields: Record<string, unknown> = {}): void {
  if (log.isLevelEnabled('info')) {
    log.info({ ...fields, event }, event);
    log.flush();
  } else
    process.stdout.write(`${JSON.stringify({ level: 'info', ...log.bindings(), ...fields, event, msg: event })}\n`);
}

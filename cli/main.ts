#!/usr/bin/env node
/** `bursar`, also installed as `asbb`. */
import { basename } from 'node:path';
import { childEnvironment } from '../platform/config';
import type { Output } from './io';
import { runCli } from './program';

/** Where nobody reads any more. */
const closed = new Set<NodeJS.WriteStream>();

const output = (stream: NodeJS.WriteStream): Output => ({
  write: (text) => void (closed.has(stream) || stream.write(text)),
  isTerminal: stream.isTTY === true,
  width: () => (stream.isTTY ? Math.max(40, stream.columns ?? 80) : undefined),
});

const args = process.argv.slice(2);
/** Only these have something to put in order before they end. */
const longRunning =
  args.some((arg) => arg === 'up' || arg === 'demo' || arg === 'watch' || arg === 'replay') ||
  (args.includes('service') && args.includes('start'));
const interruption = new AbortController();
const insistence = new AbortController();

// `bursar … | head` ends our output, and so does a terminal that is closed; neither is an error, and neither is a reason to
// forget the result: what is said after it is dropped, and the command ends as it would have ended.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
    closed.add(stream);
    if (longRunning) interruption.abort(error.code);
  });
}

let interruptions = 0;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    interruptions += 1;
    interruption.abort(signal);
    if (longRunning && interruptions === 1) return;
    // The second time, nobody waits. Who listens acts at once, or not at all.
    insistence.abort(signal);
    process.exit(130);
  });
}

const name = basename(process.argv[1] ?? '', '.js') === 'asbb' ? 'asbb' : 'bursar';

void runCli(name, args, {
  out: output(process.stdout),
  err: output(process.stderr),
  env: childEnvironment(),
  interrupted: interruption.signal,
  insisted: insistence.signal,
  now: () => new Date(),
}).then((code) => {
  process.exitCode = code;
});

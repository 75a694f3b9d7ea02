#!/usr/bin/env node
/** `bursar`, also installed as `asbb`. */
import { basename } from 'node:path';
import { childEnvironment } from '../platform/config';
import type { Output } from './io';
import { runCli } from './program';

const output = (stream: NodeJS.WriteStream): Output => ({
  write: (text) => void stream.write(text),
  isTerminal: stream.isTTY === true,
  width: () => (stream.isTTY ? Math.max(40, stream.columns ?? 80) : undefined),
});

// `bursar … | head` ends our output, not with an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const interruption = new AbortController();
let interruptions = 0;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    interruptions += 1;
    interruption.abort(signal);
    // Only `up` and `demo` have something to put in order first; the second time nobody waits for them.
    if (!longRunning || interruptions > 1) process.exit(130);
  });
}

const args = process.argv.slice(2);
const longRunning = args.some((arg) => arg === 'up' || arg === 'demo');
const name = basename(process.argv[1] ?? '', '.js') === 'asbb' ? 'asbb' : 'bursar';

void runCli(name, args, {
  out: output(process.stdout),
  err: output(process.stderr),
  env: childEnvironment(),
  interrupted: interruption.signal,
  now: () => new Date(),
}).then((code) => {
  process.exitCode = code;
});

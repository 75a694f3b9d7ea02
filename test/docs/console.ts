/**
 * Documents that run. Every ```console block is a session of `bursar`: lines that begin with `$ ` are commands, what
 * follows each is its output, as an 88-column terminal without colours shows it.
 */
import { serve } from '@hono/node-server';
import type { AddressInfo } from 'node:net';
import { createApp } from '../../api/app';
import type { Io } from '../../cli/io';
import { runCli } from '../../cli/program';
import { openLedger } from '../../ledger';
import { openLog } from '../../platform/log';
import { createMetrics } from '../../platform/metrics';
import type { Ledger } from '../../ledger/contract';
import { freshDatabase } from '../helpers/database';
import { eventually } from '../helpers/eventually';

const COLUMNS = 88;

export interface Step {
  /** Line of the document, counted from 1. */
  line: number;
  command: string;
  output: string;
}

/** The sessions of a document, cut into commands; `write` gives back the document with other outputs. */
export function readConsole(text: string): { steps: Step[]; write(outputs: readonly string[]): string } {
  const steps: Step[] = [];
  const rest: (string | number)[] = []; // The lines around the outputs; a number stands for the output of that step.
  let step: { line: number; command: string; output: string[] } | undefined;
  let inside = false;
  const finish = () => {
    if (!step) return;
    rest.push(steps.length);
    steps.push({ ...step, output: step.output.join('\n').trimEnd() });
    step = undefined;
  };
  for (const [index, line] of text.split('\n').entries()) {
    if (!inside) {
      inside = line === '```console';
      rest.push(line);
    } else if (line === '```') {
      finish();
      inside = false;
      rest.push(line);
    } else if (step && step.command.endsWith('\\')) {
      step.command = `${step.command}\n${line}`;
      rest.push(line);
    } else if (line.startsWith('$ ')) {
      if (step) finish();
      step = { line: index + 1, command: line.slice(2), output: [] };
      rest.push(line);
    } else step?.output.push(line);
  }
  if (inside) throw new Error('a console block is not closed');
  return {
    steps,
    write: (outputs) =>
      rest
        .map((part, index) => {
          if (typeof part === 'string') return part;
          const output = outputs[part] ?? '';
          const isLast = rest[index + 1] === '```';
          return output === '' ? undefined : isLast ? output : `${output}\n`;
        })
        .filter((part) => part !== undefined)
        .join('\n'),
  };
}

/** `a "b c" 'd'` -> [a, b c, d]; no variables, no pipes. A backslash at the end of a line continues it. */
export function words(command: string): string[] {
  return [...command.replaceAll('\\\n', ' ').matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  );
}

export interface Prompt {
  /** What a terminal shows: both streams in the order they were written, then how it ended if not well. */
  run(command: string): Promise<string>;
  stop(): Promise<void>;
}

/** What the API's sweep does every minute. Other suites share the server, and their transactions hold the fence back. */
async function isSealed({ audit }: Ledger): Promise<boolean> {
  await audit.seal();
  return (await audit.verify()).unsealed === 0;
}

/** A `bursar` beside a real API over a database of its own. */
export async function openPrompt(): Promise<Prompt> {
  const database = await freshDatabase();
  const ledger = openLedger(database.sql, { defaultCluster: 'pinewood' });
  await ledger.catalog.putCluster('pinewood', { timeZone: 'UTC' }, { principal: 'test' });
  const app = createApp({
    ledger,
    metrics: createMetrics({ accountsMax: 2 }),
    log: openLog({ service: 'test', level: 'silent' }),
    temporal: { namespace: 'default' },
    defaultCluster: 'pinewood',
    timeZone: 'UTC',
  });
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 });
  await new Promise<void>((resolve) => server.once('listening', () => resolve()));
  const { port } = server.address() as AddressInfo; // It listens on a port, not on a pipe.
  return {
    run: async (command) => {
      const [name = '', ...args] = words(command);
      if (name !== 'bursar') throw new Error(`not a command of ours: ${command}`);
      if (args.includes('verify')) await eventually('everything is sealed', () => isSealed(ledger));
      let shown = '';
      const output = { write: (text: string) => void (shown += text), isTerminal: false, width: () => COLUMNS };
      const io: Io = {
        out: output,
        err: output,
        env: { BURSAR_URL: `http://127.0.0.1:${port}` },
        interrupted: new AbortController().signal,
        insisted: new AbortController().signal,
        now: () => new Date(),
      };
      const code = await runCli(name, args, io);
      const lines = shown.split('\n').map((line) => line.trimEnd());
      return [lines.join('\n').trimEnd(), ...(code === 0 ? [] : [`(exit code ${code})`])].join('\n');
    },
    stop: async () => {
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await database.drop();
    },
  };
}

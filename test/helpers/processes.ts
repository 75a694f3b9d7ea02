/** Programs of ours as processes of their own: started with settings, read by what they log, and none left behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../platform/paths';
import { ensureBuilt } from './built';
import { eventually } from './eventually';

export const API = join(PACKAGE_ROOT, 'dist/api/main.js');

export type LogLine = Record<string, unknown>;

export interface StartedProcess {
  child: ChildProcess;
  /** What it has logged so far. */
  lines(): LogLine[];
  /** Of that, what has this message. */
  said(message: string): LogLine[];
  /** Its exit code, once all that it has logged is read; null where a signal ended it, which `child.signalCode` names. */
  ended: Promise<number | null>;
}

export interface Processes {
  /** Runs Node with these arguments. Its log is read, unless `log` says which file it goes into. */
  start(args: readonly string[], settings?: Record<string, string>, log?: number): StartedProcess;
  /** The API, once it listens. */
  api(settings: Record<string, string>): Promise<StartedProcess & { url: string }>;
  /** Ends what is left. */
  kill(): void;
}

/** For `beforeAll`: what they run from is built first. */
export function openProcesses(): Processes {
  ensureBuilt();
  const children = new Set<ChildProcess>();

  const start: Processes['start'] = (args, settings = {}, log) => {
    const child = spawn(process.execPath, args, {
      env: { ...process.env, BURSAR_PORT: '0', ...settings },
      stdio: ['ignore', log ?? 'pipe', log ?? 'inherit'],
    });
    children.add(child);
    let output = '';
    child.stdout?.on('data', (bytes: Buffer) => (output += bytes.toString()));
    const lines = () =>
      output
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as LogLine);
    const ended = new Promise<number | null>((resolve) =>
      child.once('close', (code: number | null) => {
        children.delete(child);
        resolve(code);
      }),
    );
    return { child, lines, said: (message) => lines().filter(({ msg }) => msg === message), ended };
  };

  return {
    start,
    async api(settings) {
      const api = start([API], settings);
      const listening = await eventually('it listens', () => api.lines().find(({ event }) => event === 'listening'));
      return { ...api, url: String(listening.url) };
    },
    kill: () => {
      for (const child of children) child.kill('SIGKILL');
    },
  };
}

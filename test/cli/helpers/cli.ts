/** The command line against the real API on a free port and a database of its own. */
import { serve } from '@hono/node-server';
import type { AddressInfo } from 'node:net';
import type { ExitCode } from '../../../cli/exit';
import type { Io, Output } from '../../../cli/io';
import { runCli } from '../../../cli/program';
import type { ProgramName } from '../../../cli/session';
import { startApi, type TestApi } from '../../api/helpers/api';

export interface Ended {
  code: ExitCode;
  out: string;
  err: string;
  /** What it printed with --json. */
  readonly json: unknown;
}

export interface Terminal {
  /** Columns; undefined is a pipe. */
  width?: number;
  env?: Record<string, string>;
  /** Used in place of the test's API. */
  endpoint?: string;
  /** What it was called by. */
  name?: ProgramName;
  /** The person's Ctrl-C. */
  interrupted?: AbortSignal;
}

/** Runs one command line in this process. */
export async function runBursar(args: readonly string[], terminal: Terminal = {}): Promise<Ended> {
  let [out, err] = ['', ''];
  const output = (write: (text: string) => void): Output => ({
    write,
    isTerminal: terminal.width !== undefined,
    width: () => terminal.width,
  });
  const io: Io = {
    out: output((text) => (out += text)),
    err: output((text) => (err += text)),
    env: { BURSAR_HOME: '/nowhere', ...(terminal.endpoint && { BURSAR_URL: terminal.endpoint }), ...terminal.env },
    interrupted: terminal.interrupted ?? new AbortController().signal,
    insisted: new AbortController().signal,
    now: () => new Date(),
  };
  const code = await runCli(terminal.name ?? 'bursar', args, io);
  return {
    code,
    out,
    err,
    get json(): unknown {
      return JSON.parse(out);
    },
  };
}

export interface TestCli {
  api: TestApi;
  url: string;
  bursar(...args: string[]): Promise<Ended>;
  inTerminal(width: number, ...args: string[]): Promise<Ended>;
  /** The same program, called by its other name. */
  asbb(...args: string[]): Promise<Ended>;
  /** Fails with what the command said if it did not end with 0. */
  works(...args: string[]): Promise<Ended>;
  stop(): Promise<void>;
}

export async function startCli(options: Parameters<typeof startApi>[0] = {}): Promise<TestCli> {
  const api = await startApi(options);
  const server = serve({ fetch: api.app.fetch, hostname: '127.0.0.1', port: 0 });
  await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const bursar = (...args: string[]) => runBursar(args, { endpoint: url });
  return {
    api,
    url,
    bursar,
    asbb: (...args) => runBursar(args, { endpoint: url, name: 'asbb' }),
    inTerminal: (width, ...args) => runBursar(args, { endpoint: url, width }),
    works: async (...args) => {
      const ended = await bursar(...args);
      if (ended.code !== 0) throw new Error(`bursar ${args.join(' ')} ended with ${ended.code}: ${ended.err}`);
      return ended;
    },
    stop: async () => {
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await api.stop();
    },
  };
}

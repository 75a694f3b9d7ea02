/** One hook in Lua 5.1 (or what BURSAR_TEST_LUA names) with a `slurm` table that plays the controller, and a service that answers as a test wants. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PACKAGE_ROOT } from '../../../../platform/paths';

export const HOOKS = join(PACKAGE_ROOT, 'hooks/slurm');

export interface Asked {
  path: string;
  authorization: string | undefined;
  // oxlint-disable-next-line typescript/no-explicit-any -- what a hook sent, to be looked at by a matcher
  body: any;
}

export interface Service {
  url: string;
  asked: Asked[];
  /** Connections that were ever made to it. */
  connections: Socket[];
  /** What it answers from now on: a body, or a function that does whatever it likes. */
  answer: object | ((asked: Asked, response: ServerResponse) => void);
  stop(): Promise<void>;
}

export async function startService(): Promise<Service> {
  const service: Service = { url: '', asked: [], connections: [], answer: {}, stop: async () => undefined };
  const server = createServer((request, response) => {
    const answer = (text: string) => {
      const asked: Asked = {
        path: request.url ?? '',
        authorization: request.headers.authorization,
        body: text === '' ? undefined : JSON.parse(text),
      };
      service.asked.push(asked);
      if (typeof service.answer === 'function') service.answer(asked, response);
      else respond(response, 200, service.answer);
    };
    // Of whoever is killed while he asks there is nothing to answer.
    void bodyOf(request).then(answer, () => undefined);
  });
  server.on('connection', (connection: Socket) => service.connections.push(connection));
  // A kept connection is closed by whom a test says, not by the time that a busy machine needs between two questions.
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  service.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  service.stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return service;
}

export function respond(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of request) text += String(piece);
  return text;
}

export interface Came {
  code: number;
  told: string;
  logged: string;
  comment?: string;
  /** What the hooks read in a comment. */
  stamp?: string;
  ms: number;
}

export interface Hook {
  call(call: object): Promise<Came>;
  stop(): void;
}

/** Starts a hook; its `slurm.json` (or `cli.json`) is `config` in `folder`. */
export function startHook(name: string, folder: string, config: object, script = join(HOOKS, name)): Hook {
  mkdirSync(join(folder, 'spool'), { recursive: true });
  const file = join(folder, 'slurm.json');
  writeFileSync(file, JSON.stringify(config));
  const child = spawn(process.env.BURSAR_TEST_LUA ?? 'lua5.1', [join(__dirname, 'slurm.lua'), script], {
    env: {
      PATH: process.env.PATH,
      USER: 'rkaur',
      BURSAR_SLURM_HOOKS: HOOKS,
      BURSAR_SLURM_CONFIG: file,
      BURSAR_CLI_CONFIG: file,
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async call(call) {
      child.stdin.write(`${JSON.stringify(call)}\n`);
      const { value, done } = await lines.next();
      if (done === true) throw new Error('the hook is dead');
      return JSON.parse(value) as Came;
    },
    stop: () => void child.kill(),
  };
}

/** The lines that hooks have left in the spool. */
export const spooled = (folder: string, name: string): unknown[] =>
  readFileSync(join(folder, 'spool', `${name}.ndjson`), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);

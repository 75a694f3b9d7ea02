/** Ports of this machine: which are free, and which we had the last time. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const HOST = '127.0.0.1';

/** Tries to listen, because that is the only question whose answer is true. */
export function isPortFree(port: number, host = HOST): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Below those that a system gives to whoever asks for any, so that one which is free now is nobody's until it is listened on. */
const FREE = { first: 20_000, count: 10_000 };

export async function freePort(host = HOST): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = FREE.first + randomInt(FREE.count);
    if (await isPortFree(port, host)) return port;
  }
  throw new Error(`no free port on ${host}`);
}

/** The first of these that is free, else any free one; never one of `taken`, which are given away but not listened on yet. */
export async function pickPort(candidates: readonly number[], taken: ReadonlySet<number> = new Set()): Promise<number> {
  for (const port of candidates) {
    if (!taken.has(port) && (await isPortFree(port))) return port;
  }
  for (;;) {
    const port = await freePort();
    if (!taken.has(port)) return port;
  }
}

const PORTS_FILE = 'ports.json';

/** The ports that a stack in this home had before, so that addresses people wrote down stay good. */
export function rememberedPorts(home: string): Record<string, number> {
  try {
    const ports: unknown = JSON.parse(readFileSync(join(home, PORTS_FILE), 'utf8'));
    if (typeof ports !== 'object' || ports === null) return {};
    return Object.fromEntries(Object.entries(ports).filter(([, port]) => Number.isInteger(port)));
  } catch {
    return {};
  }
}

export const rememberPorts = (home: string, ports: Record<string, number>): void =>
  writeFileSync(join(home, PORTS_FILE), `${JSON.stringify(ports, null, 2)}\n`);

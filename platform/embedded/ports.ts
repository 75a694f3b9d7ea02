/** Ports of this machine: which are free, and which we had the last time. */
import { createServer } from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const HOST = '127.0.0.1';

/** Tries to listen, because that is the only question whose answer is true. 0 takes any free port. */
function listenOn(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === 'object' && address !== null ? address.port : undefined;
      server.close(() => resolve(bound));
    });
  });
}

export const isPortFree = async (port: number, host = HOST): Promise<boolean> =>
  (await listenOn(port, host)) !== undefined;

export async function freePort(host = HOST): Promise<number> {
  const port = await listenOn(0, host);
  if (port === undefined) throw new Error(`no free port on ${host}`);
  return port;
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

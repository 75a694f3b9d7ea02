/**
 * How the command on the machine of the server gets in once keys are needed: by a token in the home of the server, which only
 * its owner can read. Nobody locks himself out who can still read his own files.
 *
 * Each API process writes a new one when it starts, and takes whatever stands in the file; so does the command.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = 'own-token';

/** Replaces the token of a home; readers find the one or the other, whole. */
export function writeOwnToken(home: string): void {
  mkdirSync(home, { recursive: true });
  const path = join(home, FILE);
  const part = `${path}.${process.pid}`;
  writeFileSync(part, `bursar_local_${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  renameSync(part, path);
}

/** Undefined where there is none, or none that we may read. */
export function readOwnToken(home: string): string | undefined {
  try {
    return readFileSync(join(home, FILE), 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}

/** For what asks nobody for a key: it listens on this machine, wherever the API does. */
export const loopbackOf = (host: string): string => (isLoopbackHost(host) ? host : '127.0.0.1');

/** Is this an address that only this machine reaches? */
export const isLoopbackHost = (host: string): boolean => /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);

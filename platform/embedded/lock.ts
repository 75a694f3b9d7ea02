/** One supervisor a home. The lock is a file that names its holder; a holder that is gone holds nothing. */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { identify, isAlive, type ProcessIdentity } from './processes';

export interface Lock {
  release(): void;
}

/** The lock, or who has it. */
export async function takeLock(path: string): Promise<Lock | { heldBy: ProcessIdentity }> {
  const me = identify(process.pid);
  if (!me) throw new Error('this process cannot be identified');
  const mine = JSON.stringify(me);
  for (;;) {
    if (create(path, mine)) {
      // Somebody who saw the holder before us dead may still be about to move our file away.
      await sleep(20);
      if (read(path) === mine) return { release: () => release(path, mine) };
      continue;
    }
    const found = read(path);
    const holder = found === undefined ? undefined : parse(found);
    if (holder && isAlive(holder)) return { heldBy: holder };
    if (found !== undefined) moveAway(path, found);
  }
}

function create(path: string, content: string): boolean {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, content);
  try {
    linkSync(draft, path); // The file appears with its content, or not at all.
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes a dead holder's lock, and only that: what turns out to be a new one is put back. */
function moveAway(path: string, found: string): void {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
    if (read(aside) !== found) linkSync(aside, path);
  } catch {
    // Another process was quicker; the next look tells.
  } finally {
    rmSync(aside, { force: true });
  }
}

function release(path: string, mine: string): void {
  if (read(path) === mine) rmSync(path, { force: true });
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function parse(text: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(text) as ProcessIdentity;
  } catch {
    return undefined;
  }
}

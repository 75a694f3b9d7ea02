/** Folders for servers that tests start. What a killed run left behind is ended and removed by the next one. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, rememberPorts } from '../../platform/embedded/ports';
import { endProcess, identify, isAlive, type ProcessIdentity } from '../../platform/embedded/processes';

const PREFIX = 'bursar-test-';
const OWNER = 'owner.json';
const SERVERS = 'servers.json';

/** A new folder that belongs to this process: when it is gone, `sweepScratch` of any later run removes the folder. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), PREFIX));
  writeFileSync(join(folder, OWNER), JSON.stringify(identify(process.pid)));
  return folder;
}

/** The same as the home of a stack, with ports that no other stack of this run is about to take. */
export async function scratchHome(): Promise<string> {
  const home = scratchFolder();
  const [postgres, temporal, temporalUi, api] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  rememberPorts(home, { postgres, temporal, temporalUi, api });
  return home;
}

/** Writes down a server that lives in the folder, to be ended should this process not do it. */
export function noteServer(folder: string, server: ProcessIdentity): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, SERVERS), JSON.stringify([...readList(join(folder, SERVERS)), server]));
}

export async function removeScratch(folder: string): Promise<void> {
  for (const server of readList(join(folder, SERVERS))) await endProcess(server, [['SIGQUIT', 3_000]]);
  // Again where something was still written into it, as by a server whose last words come late.
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

/** Clears up after runs that were killed. */
export async function sweepScratch(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const folder = join(tmpdir(), name);
    const [owner] = readList(join(folder, OWNER));
    if (owner && !isAlive(owner)) await removeScratch(folder);
  }
}

function readList(path: string): ProcessIdentity[] {
  try {
    const content = JSON.parse(readFileSync(path, 'utf8')) as ProcessIdentity | ProcessIdentity[];
    return Array.isArray(content) ? content : [content];
  } catch {
    return [];
  }
}

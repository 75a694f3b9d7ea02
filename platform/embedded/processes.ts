/** Processes as the operating system knows them: alive or not, the same one or another with a recycled number, and ending them. */
import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process number is recycled; together with the moment it began it names one process for ever. */
export interface ProcessIdentity {
  pid: number;
  began: string;
}

export function identify(pid: number): ProcessIdentity | undefined {
  const began = beginningOf(pid);
  return began === undefined ? undefined : { pid, began };
}

/** Is this very process still there? A zombie, which nobody has reaped yet, is not. */
export const isAlive = ({ pid, began }: ProcessIdentity): boolean => beginningOf(pid) === began;

function beginningOf(pid: number): string | undefined {
  if (process.platform !== 'linux') return beginningByPs(pid);
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the name in parentheses, may contain anything; counting starts behind it.
    const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : `${bootId()}/${rest[18]}`;
  } catch {
    return undefined;
  }
}

let boot: string | undefined;
const bootId = (): string => (boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());

function beginningByPs(pid: number): string | undefined {
  try {
    const line = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    return line === '' || line.startsWith('Z') ? undefined : line.slice(line.indexOf(' ') + 1).trim();
  } catch {
    return undefined;
  }
}

/** The folder a process works in, where the system tells. */
export function workingFolderOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

/** The name of the program a process runs, without its folder. */
export function programOf(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
    const path = execFileSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    return path.slice(path.lastIndexOf('/') + 1) || undefined;
  } catch {
    return undefined;
  }
}

/** A signal and how long to wait for it to work. */
export type StopStep = readonly [signal: NodeJS.Signals, waitMs: number];

/** Ends a process, ever less politely. SIGKILL comes last whatever the steps. Returns when it is gone. */
export async function endProcess(identity: ProcessIdentity, steps: readonly StopStep[]): Promise<void> {
  for (const [signal, waitMs] of [...steps, ['SIGKILL', 10_000] as const]) {
    if (!isAlive(identity)) return;
    sendSignal(identity.pid, signal);
    if (await isGone(identity, waitMs)) return;
  }
  throw new Error(`process ${identity.pid} does not end, not even by SIGKILL`);
}

/** Does not wait for it to be gone: for who is about to end himself. */
export function killProcess(identity: ProcessIdentity): void {
  if (isAlive(identity)) sendSignal(identity.pid, 'SIGKILL');
}

async function isGone(identity: ProcessIdentity, waitMs: number): Promise<boolean> {
  for (const deadline = Date.now() + waitMs; Date.now() < deadline; await sleep(25)) {
    if (!isAlive(identity)) return true;
  }
  return !isAlive(identity);
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // Gone between the look and the signal: what we wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

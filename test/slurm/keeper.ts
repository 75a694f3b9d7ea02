/** Talks to `keeper.py`, the process that all of a cluster's daemons live under and die with. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PACKAGE_ROOT } from '../../platform/paths';

export interface Order {
  argv: readonly string[];
  env: Record<string, string>;
  cwd: string;
  /** What it prints is appended here. */
  log: string;
}

export interface Keeper {
  readonly pid: number;
  /** Resolves with the number of the process. */
  start(order: Order): Promise<number>;
  /** Undefined while it runs; a negative number is the signal that ended it. */
  statusOf(pid: number): number | undefined;
  /** Kills all of it and removes the folder; resolves when that is done. */
  end(): Promise<void>;
}

type Fact = { started: number } | { failed: string } | { exited: number; status: number };

export function startKeeper(folder: string): Keeper {
  const child = spawn('/usr/bin/python3', [join(PACKAGE_ROOT, 'test/slurm/keeper.py'), folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true, // Ctrl-C is for the test; this one ends when the test has gone.
  });
  const waiting: { resolve: (pid: number) => void; reject: (error: Error) => void }[] = [];
  const exited = new Map<number, number>();
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  void gone.then(() => waiting.splice(0).forEach(({ reject }) => reject(new Error('keeper.py has died'))));
  createInterface({ input: child.stdout }).on('line', (line) => {
    const fact = JSON.parse(line) as Fact; // Ours: main() of keeper.py lists them.
    if ('exited' in fact) exited.set(fact.exited, fact.status);
    else if ('started' in fact) waiting.shift()?.resolve(fact.started);
    else waiting.shift()?.reject(new Error(fact.failed));
  });

  return {
    pid: child.pid ?? 0,
    start: (order) =>
      new Promise((resolve, reject) => {
        waiting.push({
          resolve: (pid) => {
            exited.delete(pid);
            resolve(pid);
          },
          reject,
        });
        child.stdin.write(`${JSON.stringify(order)}\n`);
      }),
    statusOf: (pid) => exited.get(pid),
    end: () => {
      child.stdin.end();
      return gone;
    },
  };
}

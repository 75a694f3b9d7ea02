/** Running a command as one of the people of a machine, with nothing of our own environment. */
import { execFileSync, spawn } from 'node:child_process';

export type Person = 'alice' | 'bob' | 'root' | 'slurm';

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
  tookMs: number;
}

export interface RunOptions {
  user?: Person;
  /** What it reads. */
  input?: string;
  env?: Record<string, string>;
  /** Killed after this long; then the code is 124, as timeout(1) has it. */
  withinMs?: number;
}

/** The numbers of a user and of his own group. */
export function idsOf(user: string): { uid: number; gid: number } {
  const number = (flag: string) => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }));
  return { uid: number('-u'), gid: number('-g') };
}

const known = new Map<string, string[]>([['root', []]]);

/** Makes a command one of another user. */
export function asUser(user: string, argv: readonly string[], options: readonly string[] = []): string[] {
  if (!known.has(user)) {
    const { uid, gid } = idsOf(user);
    known.set(user, [`--reuid=${uid}`, `--regid=${gid}`, '--init-groups']);
  }
  return ['/usr/bin/setpriv', ...(known.get(user) ?? []), ...options, '--', ...argv];
}

export function runAs(
  command: string,
  args: readonly string[],
  { user = 'alice', input = '', env = {}, withinMs = 60_000, cwd }: RunOptions & { cwd: string },
): Promise<Ran> {
  // It dies with us, also when it waits for a job, as srun does.
  const [program = '', ...rest] = asUser(user, [command, ...args], ['--pdeathsig=KILL']);
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, withinMs);
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code: late ? 124 : (code ?? 128), stdout, stderr, tookMs: performance.now() - began });
    });
    child.stdin.on('error', () => {}); // It need not read what it is given.
    child.stdin.end(input);
  });
}

/** Runs a program of the scheduler's: bounded in time and in what it prints, in an environment of its own. */
import { execFile } from 'node:child_process';
import { codeOf } from '../../domain/code-of';

export interface CommandOptions {
  timeoutMs: number;
  env: Readonly<Record<string, string>>;
  /** Default 128 MiB, which is half a million jobs. */
  bytesMax?: number;
}

/** What it printed; an error with a sentence otherwise. */
export function runCommand(
  program: string,
  args: readonly string[],
  { timeoutMs, env, bytesMax = 128 * 1_048_576 }: CommandOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      // Nothing of ours: neither secrets nor a library that somebody preloads for us.
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', ...env },
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: bytesMax,
      encoding: 'utf8',
    } as const;
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      reject(new Error(`${program}: ${whyNot(error, stderr, timeoutMs, bytesMax)}`));
    });
    child.stdin?.end();
  });
}

function whyNot(error: Error, stderr: string, timeoutMs: number, bytesMax: number): string {
  const code = codeOf(error);
  if (code === 'ENOENT') return 'there is no such program';
  if (code === 'EACCES') return 'may not be run';
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return `printed more than ${bytesMax} bytes`;
  if (Reflect.get(error, 'killed') === true) return `did not end within ${timeoutMs} ms`;
  const said = stderr.trim().split('\n').at(-1) ?? '';
  return said === '' ? `failed (${String(Reflect.get(error, 'code'))})` : said.slice(0, 300);
}

/** Runs a program of the scheduler's: bounded in time and in what it prints, in an environment of its own. */
import { execFile, type ExecFileException } from 'node:child_process';

export interface CommandOptions {
  timeoutMs: number;
  env: NodeJS.ProcessEnv;
  /** Default 128 MiB, which is half a million jobs. */
  bytesMax?: number;
}

/** The message is a sentence. */
export class CommandFailed extends Error {
  override name = 'CommandFailed';

  constructor(
    program: string,
    /** What follows the name of the program. */
    readonly why: string,
    /** All that it said before it failed by itself; '' where it was never there, or was ended. */
    readonly said: string,
    readonly isMissing: boolean,
  ) {
    super(`${program}: ${why}`);
  }
}

/** What it printed; `CommandFailed` otherwise. */
export function runCommand(
  program: string,
  args: readonly string[],
  { timeoutMs, env, bytesMax = 128 * 1_048_576 }: CommandOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      // Nothing of ours that is not given on purpose: neither secrets nor a library that somebody preloads for us.
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', ...env },
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: bytesMax,
      encoding: 'utf8',
    } as const;
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const cut = whyCut(error, timeoutMs, bytesMax);
      const why = cut ?? (stderr.trim().split('\n').at(-1)?.slice(0, 300) || `failed (${String(error.code)})`);
      const said = cut === undefined ? stderr.trim() || stdout.trim() : '';
      reject(new CommandFailed(program, why, said, error.code === 'ENOENT'));
    });
    child.stdin?.end();
  });
}

/** Why it did not come to its own end; undefined: it did. */
function whyCut({ code, killed }: ExecFileException, timeoutMs: number, bytesMax: number): string | undefined {
  if (code === 'ENOENT') return 'there is no such program';
  if (code === 'EACCES') return 'may not be run';
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return `printed more than ${bytesMax} bytes`;
  return killed === true ? `did not end within ${timeoutMs} ms` : undefined;
}

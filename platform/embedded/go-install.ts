/** Programs that are built from a Go module, at a pinned version, where there is a Go that can. */
import { execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { childEnvironment } from '../config';
import { GO_MIN, isAtLeast } from '../versions';

const run = promisify(execFile);

export interface GoInstallOptions {
  /** For sentences: `the Temporal CLI 1.5.1`. */
  what: string;
  /** As `go install` takes it: `example.org/module/cmd/program@v1.2.3`. */
  target: string;
  /** How long that is on a machine with two cores: `about three minutes`. */
  takes: string;
  /** Where the program goes. */
  folder: string;
  searchPath: readonly string[];
  onProgress: (text: string) => void;
  /** Gives up when aborted. */
  signal?: AbortSignal;
}

const BUILD_MS_MAX = 30 * 60_000;

/** Builds it and says where it is; throws with the reason where that cannot be done here. */
export async function goInstall(options: GoInstallOptions): Promise<string> {
  const { what, target, takes, folder, searchPath, onProgress, signal } = options;
  const go = findProgram('go', searchPath);
  if (go === undefined) throw new Error(`there is no Go on PATH to build ${what} with`);
  const env = childEnvironment({
    GOBIN: folder,
    CGO_ENABLED: '0',
    GOWORK: 'off',
    GOOS: undefined,
    GOARCH: undefined,
    PATH: searchPath.join(':'),
  });
  await assertNewEnough(what, go, env);

  onProgress(`building ${what} with Go: ${takes}, once`);
  const startedAt = Date.now();
  const lines: string[] = [];
  const say = every(10_000, () => {
    const seconds = Math.floor((Date.now() - startedAt) / 1000);
    const packages = lines.filter((line) => !line.startsWith('go: ')).length;
    onProgress(
      `still building (${seconds} s; ${lines.length - packages} modules fetched, ${packages} packages compiled)`,
    );
  });
  // Without symbol tables: 213 MB instead of 252, of the Temporal CLI.
  const child = spawn(go, ['install', '-v', '-ldflags=-s -w', target], {
    env,
    cwd: tmpdir(),
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(signal && { signal }),
  });
  // Go says nothing while it compiles one large package; the clock must move all the same.
  const ticker = setInterval(say, 10_000);
  const giveUp = setTimeout(() => child.kill('SIGKILL'), BUILD_MS_MAX);
  try {
    createInterface({ input: child.stderr }).on('line', (line) => lines.push(line));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code !== 0) throw new Error(lines.slice(-5).join('\n    '));
    return join(folder, basename(target.replace(/@.*/, '')));
  } catch (error) {
    throw new Error(`${what} cannot be built with ${go}: ${messageOf(error)}`, { cause: error });
  } finally {
    clearInterval(ticker);
    clearTimeout(giveUp);
  }
}

/** Go 1.21 and newer fetch the toolchain that a module asks for, unless GOTOOLCHAIN forbids it. */
async function assertNewEnough(what: string, go: string, env: NodeJS.ProcessEnv): Promise<void> {
  const { stdout } = await run(go, ['env', 'GOVERSION', 'GOTOOLCHAIN'], { env, cwd: tmpdir(), timeout: 20_000 });
  const [version = '', toolchain = ''] = stdout.trim().split('\n');
  const number = version.replace(/^go/, '');
  if (isAtLeast(number, GO_MIN) || (isAtLeast(number, '1.21.0') && /auto|path/.test(toolchain))) return;
  throw new Error(`${what} needs Go ${GO_MIN} or newer to be built, and ${go} is ${number || 'older'}`);
}

export function findProgram(name: string, folders: readonly string[]): string | undefined {
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Calls `act` at most once in that many milliseconds, and not at the very start. */
export function every<A extends unknown[]>(ms: number, act: (...args: A) => void): (...args: A) => void {
  let last = Date.now();
  return (...args) => {
    if (Date.now() - last < ms - 100) return;
    last = Date.now();
    act(...args);
  };
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * Finds the Temporal CLI, whose dev server is our embedded Temporal, or fetches it once.
 *
 * In this order: TEMPORAL_CLI_PATH or `temporal` on PATH; the user's cache folder; the vendor's download of the pinned
 * version; `go install` of the pinned version, where there is a Go that can. Else an error that says what to install.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { promisify } from 'node:util';
import { GO_MIN, isAtLeast, TEMPORAL_CLI_VERSION, TEMPORAL_SERVER_MIN } from '../versions';
import { every, findProgram, goInstall, messageOf } from './go-install';

const run = promisify(execFile);

export interface TemporalCli {
  path: string;
  /** The server inside it, `1.29.1`. */
  serverVersion: string;
  found: 'by TEMPORAL_CLI_PATH' | 'on PATH' | 'in the cache' | 'by download' | 'by go install';
}

export interface TemporalCliOptions {
  /** TEMPORAL_CLI_PATH */
  cliPath?: string | undefined;
  searchPath: readonly string[];
  cacheFolder: string;
  onProgress: (text: string) => void;
  /** Where the archive comes from; for tests. */
  downloadUrl?: string;
  /** Gives up fetching when aborted. */
  signal?: AbortSignal;
}

/** Throws with everything that was tried and what to do. */
export async function findTemporalCli(options: TemporalCliOptions): Promise<TemporalCli> {
  const { cliPath, searchPath, cacheFolder, onProgress } = options;
  if (cliPath !== undefined) {
    return { path: cliPath, serverVersion: await serverVersionOf(cliPath), found: 'by TEMPORAL_CLI_PATH' };
  }
  const onPath = findProgram('temporal', searchPath);
  if (onPath !== undefined) {
    try {
      return { path: onPath, serverVersion: await serverVersionOf(onPath), found: 'on PATH' };
    } catch (error) {
      onProgress(`${messageOf(error)}; looking further`);
    }
  }

  const cached = join(cacheFolder, `temporal-cli-${TEMPORAL_CLI_VERSION}`, 'temporal');
  if (existsSync(cached)) {
    try {
      return { path: cached, serverVersion: await serverVersionOf(cached), found: 'in the cache' };
    } catch (error) {
      onProgress(`${messageOf(error)}; fetching it again`);
    }
  }
  return fetchInto(cached, options);
}

async function fetchInto(cached: string, options: TemporalCliOptions): Promise<TemporalCli> {
  const ways = [
    { found: 'by download' as const, fetch: download },
    { found: 'by go install' as const, fetch: buildWithGo },
  ];
  const failures: string[] = [];
  mkdirSync(dirname(cached), { recursive: true });
  for (const { found, fetch } of ways) {
    // In the folder it ends up in: the last step is a rename, so that the cache never holds half a program.
    const folder = mkdtempSync(join(dirname(cached), 'unfinished-'));
    try {
      const path = await fetch(folder, options);
      const serverVersion = await serverVersionOf(path);
      renameSync(path, cached);
      return { path: cached, serverVersion, found };
    } catch (error) {
      options.signal?.throwIfAborted();
      failures.push(messageOf(error));
      options.onProgress(messageOf(error));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  throw new Error(
    `Bursar needs the Temporal CLI and could not get it:\n${failures.map((text) => `  - ${text}`).join('\n')}\n` +
      `Install it (https://docs.temporal.io/cli, version ${TEMPORAL_CLI_VERSION}) so that "temporal" is on PATH or TEMPORAL_CLI_PATH ` +
      `names it; or install Go ${GO_MIN} or newer and start again; or set TEMPORAL_ADDRESS to a Temporal of yours.`,
  );
}

// Looking --------------------------------------------------------------------------------------------------------------

/** A build by `go install` calls itself 0.0.0-DEV, so what counts is the server that it says it carries. */
async function serverVersionOf(path: string): Promise<string> {
  let stdout: string;
  try {
    ({ stdout } = await run(path, ['--version'], { timeout: 20_000 }));
  } catch (error) {
    throw new Error(`${path} is no Temporal CLI that runs here (${messageOf(error).split('\n')[0]})`, { cause: error });
  }
  const version = /\(Server (\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`${path} is no Temporal CLI with a server (it says "${stdout.trim()}")`);
  if (!isAtLeast(version, TEMPORAL_SERVER_MIN)) {
    throw new Error(`${path} carries the Temporal server ${version}, and we need ${TEMPORAL_SERVER_MIN} or newer`);
  }
  return version;
}

// The vendor's download ------------------------------------------------------------------------------------------------

const ARCH: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };

/** A host that cannot be reached must not cost minutes: Go may be the next to try, or the reader. */
const DOWNLOAD_LIMITS = { answerMs: 10_000, silenceMs: 20_000 };

const vendorUrl = (): string =>
  `https://temporal.download/cli/archive/v${TEMPORAL_CLI_VERSION}?platform=${process.platform}&arch=${ARCH[process.arch] ?? process.arch}`;

async function download(folder: string, { onProgress, downloadUrl, signal }: TemporalCliOptions): Promise<string> {
  const url = downloadUrl ?? vendorUrl();
  onProgress(`fetching the Temporal CLI ${TEMPORAL_CLI_VERSION} from ${new URL(url).host}`);
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), DOWNLOAD_LIMITS.answerMs);
  try {
    const given = signal ? [signal, silence.signal] : [silence.signal];
    const response = await fetch(url, { signal: AbortSignal.any(given), redirect: 'follow' });
    if (!response.ok || !response.body) throw new Error(`it answered ${response.status}`);
    const total = Number(response.headers.get('content-length') ?? 0);
    const tar = spawn('tar', ['-xzf', '-', '-C', folder, 'temporal'], { stdio: ['pipe', 'ignore', 'pipe'] });
    const unpacked = new Promise<void>((resolve, reject) => {
      tar.once('error', reject);
      tar.once('close', (code) => (code === 0 ? resolve() : reject(new Error('its archive cannot be unpacked'))));
    });
    unpacked.catch(() => {}); // Reported below; a broken download fails first.
    tar.stdin.on('error', () => {}); // tar went away; `unpacked` says why.
    const say = every(5_000, (bytes: number) => {
      const all = total > 0 ? ` of ${megabytes(total)}` : '';
      onProgress(`fetched ${megabytes(bytes)}${all} MB`);
    });
    let received = 0;
    for await (const chunk of Readable.fromWeb(response.body as ReadableStream<Uint8Array>)) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), DOWNLOAD_LIMITS.silenceMs);
      received += (chunk as Uint8Array).length;
      if (!tar.stdin.write(chunk))
        await new Promise((resolve) => tar.stdin.once('drain', resolve).once('close', resolve));
      say(received);
    }
    tar.stdin.end();
    await unpacked;
    return join(folder, 'temporal');
  } catch (error) {
    const reason = silence.signal.aborted ? 'no answer' : deepest(error);
    throw new Error(`the Temporal CLI cannot be downloaded from ${new URL(url).host} (${reason})`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

const megabytes = (bytes: number): string => String(Math.floor(bytes / 1_000_000));

// Go -------------------------------------------------------------------------------------------------------------------

const buildWithGo = (folder: string, { onProgress, searchPath, signal }: TemporalCliOptions): Promise<string> =>
  goInstall({
    what: `the Temporal CLI ${TEMPORAL_CLI_VERSION}`,
    target: `github.com/temporalio/cli/cmd/temporal@v${TEMPORAL_CLI_VERSION}`,
    takes: 'about three minutes',
    folder,
    searchPath,
    onProgress,
    ...(signal && { signal }),
  });

// Small things ---------------------------------------------------------------------------------------------------------

/** `fetch failed` says nothing; its cause does. */
const deepest = (error: unknown): string =>
  error instanceof Error && error.cause !== undefined ? deepest(error.cause) : messageOf(error);

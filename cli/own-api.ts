/**
 * An API for one piece of work: on this machine's loopback alone, with a home that is gone afterwards. It is how a site gets its
 * first key, for an API that listens beyond its machine does not start without one.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { childEnvironment, type Config } from '../platform/config';
import { readOwnToken } from '../platform/own-token';
import { PACKAGE_ROOT } from '../platform/paths';
import type { Client } from './client';
import { EXIT, Stop } from './exit';
import type { Session } from './session';
import { settings } from './settings';

const LISTENS_WITHIN_MS = 30_000;

/** Starts one on the database of the configuration, does the work, and ends it. */
export async function withOwnApi<T>(session: Session, work: (client: Client) => Promise<T>): Promise<T> {
  const config = settings(session);
  if (config.databaseUrl === undefined) {
    throw new Stop(EXIT.usage, 'No database is named.', {
      hints: ['Set DATABASE_URL, or database.dsn in the configuration file, as for the API itself.'],
    });
  }
  const home = mkdtempSync(join(tmpdir(), 'bursar-api-'));
  const api = spawn(process.execPath, [join(PACKAGE_ROOT, 'dist', 'api', 'main.js')], {
    env: environmentOf(config, home),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = new Promise<void>((resolve) => api.once('exit', () => resolve()).once('error', () => resolve()));
  try {
    const url = await listening(api);
    await requireReady(url);
    const token = readOwnToken(home);
    return await work(session.connect(url, token === undefined ? {} : { token }));
  } finally {
    api.kill('SIGTERM');
    await gone;
    rmSync(home, { recursive: true, force: true });
  }
}

/** In its own words: the database is away, or `bursar database migrate` was not run. */
async function requireReady(url: string): Promise<void> {
  const answer = await fetch(`${url}/readyz`);
  if (answer.ok) return;
  const { detail } = (await answer.json()) as { detail?: unknown };
  throw new Stop(EXIT.unreachable, `The ledger is not ready: ${typeof detail === 'string' ? detail : answer.status}.`);
}

/** The configuration of the API, but for where it listens: on loopback, where nobody needs a certificate. */
const environmentOf = ({ databaseUrl, file }: Config, home: string): NodeJS.ProcessEnv =>
  childEnvironment({
    BURSAR_HOME: home,
    BURSAR_CONFIG: file === undefined ? '' : resolve(file),
    DATABASE_URL: databaseUrl,
    BURSAR_HOST: '127.0.0.1',
    BURSAR_PORT: '0',
    BURSAR_SERVICE_TLS_ENABLED: 'false',
    BURSAR_LOG_LEVEL: 'fatal',
    BURSAR_LOGGING_FORMAT: 'json',
  });

function listening(api: ChildProcess): Promise<string> {
  const said: string[] = [];
  return new Promise((resolve, reject) => {
    const fail = (what: string) =>
      reject(new Stop(EXIT.failure, `The API ${what}.`, { hints: said.slice(-3).map((line) => line.slice(0, 500)) }));
    const timer = setTimeout(() => fail(`did not listen within ${LISTENS_WITHIN_MS / 1000} s`), LISTENS_WITHIN_MS);
    const ended = (what: string) => {
      clearTimeout(timer);
      fail(what);
    };
    api.once('error', (error) => ended(`could not be started: ${error.message}`));
    api.once('exit', () => ended('ended before it listened'));
    if (!api.stdout) throw new Error('its output is not piped');
    createInterface({ input: api.stdout }).on('line', (line) => {
      said.push(line);
      const url = urlIn(line);
      if (url === undefined) return;
      clearTimeout(timer);
      resolve(url);
    });
  });
}

/** `announce` in platform/log.ts writes it. */
function urlIn(line: string): string | undefined {
  try {
    const { event, url } = JSON.parse(line) as { event?: unknown; url?: unknown };
    return event === 'listening' && typeof url === 'string' ? url : undefined;
  } catch {
    return undefined;
  }
}

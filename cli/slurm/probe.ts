/** What the doctor tries things with: HTTP with somebody's key, `scontrol`, and the hooks run by a Lua beside Slurm's. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Session } from '../session';
import type { HookName } from './hook-files';
import { CLI_CONFIG, CONFIG, HOOKS_FOLDER, onDisk, type Layout } from './layout';

const run = promisify(execFile);

const PATIENCE_MS = 5_000;

export interface Answered {
  /** Undefined: nobody answered. */
  status: number | undefined;
  detail: string;
  /** The service's clock, in milliseconds. */
  date?: number;
  tookMs: number;
  /** What an answer says of itself. */
  version?: string;
}

export async function askAs(
  session: Session | undefined,
  url: string,
  token: string,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
): Promise<Answered> {
  const began = performance.now();
  const tookMs = () => Math.round(performance.now() - began);
  try {
    const answer = await fetch(`${url.replace(/\/+$/, '')}${path}`, {
      method,
      headers: {
        ...(token !== '' && { authorization: `Bearer ${token}` }),
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
      redirect: 'manual',
      signal: AbortSignal.any([AbortSignal.timeout(PATIENCE_MS), ...(session ? [session.io.interrupted] : [])]),
    });
    const text = await answer.text();
    const date = Date.parse(answer.headers.get('date') ?? '');
    const said = fieldIn(text, 'version');
    return {
      status: answer.status,
      detail: fieldIn(text, 'detail') ?? '',
      tookMs: tookMs(),
      ...(said !== undefined && { version: said }),
      ...(Number.isNaN(date) ? {} : { date }),
    };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    return { status: undefined, detail: cause, tookMs: tookMs() };
  }
}

function fieldIn(text: string, field: string): string | undefined {
  try {
    const body: unknown = JSON.parse(text);
    const value = typeof body === 'object' && body !== null ? Reflect.get(body, field) : undefined;
    return typeof value === 'string' ? value : undefined;
  } catch {
    return field === 'detail' ? 'what answers there is not Bursar' : undefined;
  }
}

/** What the controller that runs has read, by key in lower case; or why that is not known. */
export async function askController(layout: Layout, session: Session): Promise<ReadonlyMap<string, string> | string> {
  try {
    const { stdout } = await run('scontrol', ['show', 'config'], {
      env: {
        PATH: session.io.env.PATH ?? '/usr/bin:/bin',
        SLURM_CONF: onDisk(layout, layout.conf),
      },
      timeout: 2 * PATIENCE_MS,
      maxBuffer: 4 << 20,
    });
    return new Map(
      stdout
        .split('\n')
        .map((line) => /^(\w+)\s+=\s*(.*)$/.exec(line))
        .filter((found) => found !== null)
        .map(([, key = '', value = '']) => [key.toLowerCase(), value.trim()]),
    );
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return 'there is no scontrol here';
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim().split('\n')[0] : '';
    return `scontrol does not reach it: ${said === '' ? String(code) : said}`;
  }
}

/** A Lua that has what slurmctld's needs; any 5.x, as Slurm may be built with any. */
export const findLua = (): string | undefined =>
  ['lua5.1', 'luajit', 'lua', 'lua5.3', 'lua5.4'].find(
    (name) => spawnSync(name, ['-e', 'require("socket") require("cjson")'], { stdio: 'ignore' }).status === 0,
  );

export interface Tried {
  code: number;
  told: string;
  logged: string;
  comment?: string;
  ms: number;
  /** It did not even run. */
  failure?: string;
}

/** Runs the installed hook once. What it writes down goes to a folder of its own: the real spool gets nothing. */
export async function tryHook(
  lua: string,
  layout: Layout,
  name: HookName,
  act: 'submit' | 'record' | 'estimate',
  fields: readonly string[],
): Promise<Tried> {
  const folder = mkdtempSync(join(tmpdir(), 'bursar-doctor-'));
  try {
    const own = JSON.parse(
      readFileSync(onDisk(layout, join(layout.etc, name === 'cli_filter' ? CLI_CONFIG : CONFIG)), 'utf8'),
    ) as object;
    const config = join(folder, 'config.json');
    writeFileSync(config, JSON.stringify({ ...own, spool: folder, hour_file: join(folder, 'hour') }), { mode: 0o600 });
    const { stdout } = await run(
      lua,
      [join(HOOKS_FOLDER, 'try.lua'), onDisk(layout, join(layout.slurm, `${name}.lua`)), act, ...fields],
      {
        env: { PATH: '/usr/bin:/bin', BURSAR_SLURM_CONFIG: config, BURSAR_CLI_CONFIG: config },
        timeout: 2 * PATIENCE_MS,
      },
    );
    return JSON.parse(stdout) as Tried;
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim().split('\n')[0] : '';
    return { code: -1, told: '', logged: '', ms: 0, failure: said || String(error) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs an installed prolog or epilog once, with a spool of its own. What it wrote; or why it wrote nothing. */
export async function tryScript(layout: Layout, name: 'prolog' | 'epilog'): Promise<{ failure?: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'bursar-doctor-'));
  try {
    const installed = readFileSync(onDisk(layout, join(layout.library, `${name}.sh`)), 'utf8');
    const script = join(folder, `${name}.sh`);
    writeFileSync(
      script,
      installed.replace(/^spool=.*$/m, () => `spool='${folder}'`),
      { mode: 0o700 },
    );
    await run(script, [], { env: { PATH: '/usr/bin:/bin', SLURM_JOB_ID: '0' }, timeout: PATIENCE_MS });
    const record: unknown = JSON.parse(readFileSync(join(folder, `${name}.ndjson`), 'utf8'));
    const isRight = typeof record === 'object' && record !== null && Reflect.get(record, 'source') === name;
    return isRight ? {} : { failure: 'it wrote something else than a record' };
  } catch (error) {
    return { failure: `it wrote no record: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Schemathesis (https://schemathesis.io), of one version, installed from PyPI into the user cache the first time. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheFolder } from '../../platform/config';

const VERSION = '4.32.5';

/** The part of its JSON report that is read here. */
export interface WalkReport {
  complete: boolean;
  operations: { total: number; tested: number; errored: number };
  test_cases: { generated: number };
  failures: unknown[];
  errors: unknown[];
  valid_rates: Record<string, Record<string, { accepted: number }>>;
}

/** Walks an OpenAPI document by `schemathesis.toml`; what it printed and whether it ended with 0. */
export function walk(url: string, report: string, env: Record<string, string>): Promise<{ out: string; ok: boolean }> {
  const config = join(__dirname, 'schemathesis.toml');
  const key = ['-H', `Authorization: Bearer ${env.WALK_KEY}`];
  const args = ['--config-file', config, 'run', url, ...key, '--report', 'json', '--report-json-path', report];
  return new Promise((resolve) => {
    execFile(
      program(),
      args,
      { env: { ...process.env, ...env }, cwd: dirname(report), maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => resolve({ out: stdout + stderr, ok: error === null }),
    );
  });
}

function program(): string {
  const folder = join(cacheFolder(), `schemathesis-${VERSION}`);
  const path = join(folder, 'bin/schemathesis');
  if (existsSync(path)) return path;
  mkdirSync(dirname(folder), { recursive: true });
  rmSync(folder, { recursive: true, force: true });
  try {
    execFileSync('python3', ['-m', 'venv', folder], { stdio: 'pipe' });
    execFileSync(join(folder, 'bin/pip'), ['install', '--quiet', `schemathesis==${VERSION}`], { stdio: 'pipe' });
  } catch (error) {
    rmSync(folder, { recursive: true, force: true }); // Half of it would be taken for the whole the next time.
    throw new Error(`schemathesis ${VERSION} cannot be installed; it takes Python 3.10 with venv, and PyPI`, {
      cause: error,
    });
  }
  return path;
}

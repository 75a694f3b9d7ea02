/** For tests of processes: they run from dist/, which is built again if a source is newer. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../platform/paths';

export function ensureBuilt(): void {
  execFileSync(process.execPath, [
    '-e',
    `require(${JSON.stringify(join(PACKAGE_ROOT, 'scripts/build.js'))}).ensureBuilt()`,
  ]);
}

/** Where this installation of Bursar keeps what it ships, whether it runs from source, from `dist/` or from a package. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

function findPackageRoot(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json')) && existsSync(join(folder, 'migrations'))) return folder;
    if (folder === dirname(folder)) throw new Error(`no Bursar installation above ${from}`);
  }
}

export const PACKAGE_ROOT = findPackageRoot(__dirname);

export const MIGRATIONS_FOLDER = join(PACKAGE_ROOT, 'migrations');

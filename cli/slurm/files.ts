/** Files that are written whole or not at all, and what was written by whom. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { codeOf } from '../../domain/code-of';
import { EXIT, Stop } from '../exit';

export interface Owner {
  uid: number;
  gid: number;
  user: string;
  group: string;
}

/** A user of this machine and his group. */
export function ownerOf(user: string): Owner {
  const ask = (flag: string) =>
    execFileSync('id', [flag, user], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return { uid: Number(ask('-u')), gid: Number(ask('-g')), user, group: ask('-gn') };
  } catch {
    throw new Stop(EXIT.usage, `There is no user ${user} on this machine, which SlurmUser says slurmctld runs as.`, {
      hints: ['Run this where slurmctld runs, or say --slurm-user.'],
    });
  }
}

export const textOf = (path: string): string | undefined => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);

export const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Replaces a file in one step; a link stays a link. Without power of root files belong to whoever calls. */
export function writeWhole(path: string, text: string, mode: number, owner: { uid: number; gid: number }): void {
  const target = existsSync(path) && lstatSync(path).isSymbolicLink() ? realpathSync(path) : path;
  const half = `${target}.bursar-new`;
  orSay(path, () => {
    const file = openSync(half, 'w', 0o600);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    chmodSync(half, mode);
    own(half, owner);
    renameSync(half, target);
  });
}

export function own(path: string, { uid, gid }: { uid: number; gid: number }): void {
  if (process.getuid?.() === 0) chownSync(path, uid, gid);
}

/** As it was: who owns it and who may read it. */
export const standing = (path: string): { mode: number; owner: { uid: number; gid: number } } => {
  const { mode, uid, gid } = statSync(path);
  return { mode: mode & 0o7777, owner: { uid, gid } };
};

export function orSay<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const code = codeOf(error);
    if (code === '') throw error;
    throw new Stop(EXIT.failure, `${path} cannot be written (${code}).`, {
      hints:
        code === 'EACCES' || code === 'EPERM' ? ['Run it as root: the files belong to root and to SlurmUser.'] : [],
    });
  }
}

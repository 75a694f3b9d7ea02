/** Wherever a slurm.conf is named, its folder may be named in its stead. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The file; `root` is in front of it where it is looked for. */
export const slurmConfFile = (named: string, root = ''): string =>
  isFile(root + named) || (named.endsWith('.conf') && !existsSync(root + named)) ? named : join(named, 'slurm.conf');

const isFile = (path: string): boolean => existsSync(path) && !statSync(path).isDirectory();

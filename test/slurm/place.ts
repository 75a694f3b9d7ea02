/** Where a test cluster lives: its folder with everybody's rights, its secrets, its ports, its configuration. */
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ownPort } from '../helpers/ports';
import { idsOf } from './people';
import { gresConf, mariadbConf, slurmConf, slurmdbdConf, type NodeName, type Place, type Ports } from './slurm-conf';

/** Who owns which folder, as a site has it. */
const FOLDERS: readonly [path: string, owner: string, mode: number][] = [
  ['etc', 'root', 0o755],
  ['log', 'slurm', 0o755],
  ['state', 'slurm', 0o755],
  ['state/ctld', 'slurm', 0o700],
  ['slurmd', 'root', 0o755],
  ['gpu', 'root', 0o755],
  ['munge', 'munge', 0o755],
  ['mariadb', 'mysql', 0o755],
  ['home', 'root', 0o755],
  ['home/root', 'root', 0o700],
  ['home/slurm', 'slurm', 0o700],
  ['home/alice', 'alice', 0o700],
  ['home/bob', 'bob', 0o700],
];

export async function choosePlace(folder: string, name: string): Promise<Place> {
  const ports: Ports = {
    slurmctld: await ownPort(),
    slurmdbd: await ownPort(),
    mariadb: await ownPort(),
    slurmrestd: await ownPort(),
    c1: await ownPort(),
    c2: await ownPort(),
    g1: await ownPort(),
    g2: await ownPort(),
  };
  const host = hostname().split('.')[0] ?? 'localhost';
  return { name, host, folder, ports, password: randomBytes(12).toString('hex') };
}

export function makeFolders({ folder }: Place): void {
  chmodSync(folder, 0o755);
  for (const [path, owner, mode] of FOLDERS) {
    mkdirSync(join(folder, path));
    give(join(folder, path), owner, mode);
  }
  for (const number of [0, 1, 2, 3]) writeFileSync(join(folder, `gpu/gpu${number}`), '');
  const secret = (path: string, owner: string, bytes: number) => {
    writeFileSync(join(folder, path), randomBytes(bytes));
    give(join(folder, path), owner, 0o600);
  };
  secret('munge/munge.key', 'munge', 128);
  secret('state/jwt_hs256.key', 'slurm', 32);
}

/** `extra` stands at the end of slurm.conf. */
export function writeConfiguration(place: Place, nodes: readonly NodeName[], extra: string): void {
  const write = (file: string, text: string) => writeFileSync(join(place.folder, 'etc', file), text.trimStart());
  write('slurm.conf', slurmConf(place, nodes, extra));
  write('gres.conf', gresConf(place, nodes));
  write('my.cnf', mariadbConf(place));
  write('slurmdbd.conf', slurmdbdConf(place));
  give(join(place.folder, 'etc/slurmdbd.conf'), 'slurm', 0o600);
}

function give(path: string, owner: string, mode: number): void {
  const { uid, gid } = idsOf(owner);
  chownSync(path, uid, gid);
  chmodSync(path, mode);
}

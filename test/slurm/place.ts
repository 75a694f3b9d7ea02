/** Where a test cluster lives: its folder with everybody's rights, its secrets, its ports, its configuration. */
import { randomBytes, randomInt } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isPortFree } from '../../platform/embedded/ports';
import { idsOf } from './people';
import { gresConf, mariadbConf, slurmConf, slurmdbdConf, type NodeName, type Place, type Ports } from './slurm-conf';

/** Below where systems take ports for connections from, so that a daemon that was killed finds its own again. */
const PORTS = { from: 20_000, below: 32_000 };

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
  const taken = new Set<number>();
  const port = async (): Promise<number> => {
    const candidate = randomInt(PORTS.from, PORTS.below);
    if (taken.has(candidate) || !(await isPortFree(candidate, '0.0.0.0'))) return port();
    taken.add(candidate);
    return candidate;
  };
  const ports: Ports = {
    slurmctld: await port(),
    slurmdbd: await port(),
    mariadb: await port(),
    slurmrestd: await port(),
    c1: await port(),
    c2: await port(),
    g1: await port(),
    g2: await port(),
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

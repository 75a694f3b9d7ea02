/** What SlurmUser, who runs the hooks and the relay, may do with their files. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ownerOf, type Owner } from '../files';
import { HOOK_NAMES } from '../hook-files';
import { CONFIG, onDisk, type Layout } from '../layout';
import { failed, INSTALL, ok, type Finding, type HookConfig } from './finding';

type Right = 'r' | 'w' | 'x';

const VERBS: Record<Right, string> = { r: 'read', w: 'written', x: 'executed' };

/** Asked of the system itself: modes alone know nothing of lists of rights, of folders above and of file systems. */
function may(owner: Owner, right: Right, path: string): boolean {
  const as = process.getuid?.() === 0 ? { uid: owner.uid, gid: owner.gid } : {};
  return spawnSync('test', [`-${right}`, path], { ...as, stdio: 'ignore' }).status === 0;
}

export function rights(layout: Layout, config: HookConfig, slurmUser: string): Finding[] {
  const owner = ownerOf(slurmUser);
  const shared = (path: string) => `chown root:${owner.group} ${path} && chmod 0640 ${path}`;
  const own = (path: string) => `chown ${owner.user}:${owner.group} ${path} && chmod 0750 ${path}`;
  const needed: [right: Right, path: string | undefined, mend: (path: string) => string][] = [
    ['r', onDisk(layout, join(layout.etc, CONFIG)), shared],
    ['r', config.token_file, shared],
    ...HOOK_NAMES.map((name): [Right, string, (path: string) => string] => [
      'r',
      onDisk(layout, join(layout.slurm, `${name}.lua`)),
      (path) => `chmod 0644 ${path}`,
    ]),
    ...['prolog.sh', 'epilog.sh'].map((name): [Right, string, (path: string) => string] => [
      'x',
      onDisk(layout, join(layout.library, name)),
      (path) => `chmod 0755 ${path}`,
    ]),
    ['w', config.spool, own],
    ['w', config.policy_file && dirname(config.policy_file), own],
  ];
  const paths = needed.flatMap(([, path]) => (path === undefined ? [] : [path]));
  const closed = [...new Set(paths.flatMap(foldersTo))]
    .filter((folder) => existsSync(folder) && !may(owner, 'x', folder))
    .filter((folder, _index, all) => !all.some((other) => folder !== other && foldersTo(folder).includes(other)));
  const findings = [
    ...closed.map((folder) => failed('rights', `${slurmUser} may not enter ${folder}`, `chmod a+x ${folder}`)),
    ...needed.flatMap(([right, path, mend]): Finding[] => {
      if (path === undefined || foldersTo(path).some((folder) => closed.includes(folder))) return [];
      if (!existsSync(path)) return right === 'w' ? [failed('rights', `${path} is not there`, INSTALL)] : [];
      if (may(owner, right, path)) return [];
      return [failed('rights', `${path} cannot be ${VERBS[right]} by ${slurmUser}`, mend(path))];
    }),
  ];
  return findings.length > 0 ? findings : [ok('rights', `${slurmUser} may use every file that the hooks need`)];
}

/** Those around it, the outer ones first. */
const foldersTo = (path: string): string[] =>
  path === dirname(path) ? [] : [...foldersTo(dirname(path)), dirname(path)];

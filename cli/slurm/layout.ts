/** Where the parts of Bursar's hooks lie on a machine of Slurm's. */
import { dirname, join, resolve } from 'node:path';
import { PACKAGE_ROOT } from '../../platform/paths';
import { slurmConfFile } from '../../platform/slurm-conf-file';
import { EXIT, Stop } from '../exit';

export interface Layout {
  /** In front of every path when something is written, and in nothing that is written: where a package is put together. */
  root: string;
  /** slurm.conf, whatever it is called. */
  conf: string;
  /** Its folder, where Slurm looks for its Lua scripts. */
  slurm: string;
  /** slurm.json, cli.json and the keys. */
  etc: string;
  /** The relay, prolog and epilog. */
  library: string;
  spool: string;
  /** The policy file, and what the relay says of itself. */
  state: string;
  units: string;
}

export interface PlaceOptions {
  slurmConf?: string;
  prefix?: string;
  root?: string;
}

export function layoutOf(options: PlaceOptions, env: Readonly<Record<string, string | undefined>>): Layout {
  const { prefix = '', root = '' } = options;
  for (const [name, value] of Object.entries({ prefix, root })) {
    if (value !== '' && !value.startsWith('/')) {
      throw new Stop(EXIT.usage, `--${name} takes a whole path, not "${value}".`);
    }
  }
  const below = (path: string) => join(prefix, path);
  const conf = slurmConfFile(resolve(options.slurmConf ?? env.SLURM_CONF ?? below('/etc/slurm')), root);
  return {
    root,
    conf,
    slurm: dirname(conf),
    etc: below('/etc/bursar'),
    library: below('/usr/lib/bursar/slurm'),
    spool: below('/var/spool/bursar'),
    state: below('/var/lib/bursar'),
    units: below('/etc/systemd/system'),
  };
}

/** Where a path of the layout really is. */
export const onDisk = (layout: Layout, path: string): string => layout.root + path;

export const CONFIG = 'slurm.json';
export const CLI_CONFIG = 'cli.json';
export const HOOK_KEY = 'hook.key';
export const MANIFEST = 'slurm-installed.json';
export const UNIT = 'bursar-relay.service';
export const RELAY = 'bursar-relay.py';
export const RELAY_MODULES = 'relay';

export const HOOKS_FOLDER = join(PACKAGE_ROOT, 'hooks/slurm');
export const UNITS_FOLDER = join(PACKAGE_ROOT, 'deploy/systemd');

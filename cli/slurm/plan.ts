/** What an installation would write, worked out before anything is. */
import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { given } from '../../domain/given';
import { EXIT, Stop } from '../exit';
import { ownerOf, textOf, type Owner } from './files';
import {
  HOOK_NAMES,
  relayFiles,
  renderHook,
  renderProlog,
  renderUnit,
  siteName,
  siteScript,
  type HookName,
} from './hook-files';
import {
  CLI_CONFIG,
  CONFIG,
  HOOK_KEY,
  onDisk,
  RELAY,
  RELAY_MODULES,
  UNIT,
  UNITS_FOLDER,
  type Layout,
  type PlaceOptions,
} from './layout';
import type { Asked, Manifest } from './manifest';
import { compare, PARTS, readSlurmConf, wantedLines, withBlock, type Conflict, type Part } from './slurm-conf';

export interface InstallOptions extends PlaceOptions {
  cluster?: string;
  hookUrl?: string;
  slurmUser?: string;
  with?: string[];
  without?: string[];
  cliFilter?: boolean;
  dryRun?: boolean;
}

export interface PlannedFile {
  path: string;
  text: string;
  mode: number;
  /** Root's, readable by SlurmUser's group; or SlurmUser's own. */
  owner: { uid: number; gid: number; name: string };
}

export interface Plan {
  layout: Layout;
  cluster: string;
  /** Where the hooks ask; its host's addresses, for they look nothing up. */
  url: string;
  addresses: readonly string[];
  slurmUser: Owner;
  parts: ReadonlySet<Part>;
  folders: { path: string; mode: number; owner: PlannedFile['owner'] }[];
  files: PlannedFile[];
  moves: { from: string; to: string }[];
  slurmConf: { path: string; before: string; after: string; lines: string[] };
  conflicts: Conflict[];
  asked: Asked;
}

const HOOK_OF: Partial<Record<HookName, Part>> = { jobcomp: 'jobcomp', cli_filter: 'cli-filter' };

/** `before`: what an earlier installation was told goes on, until something else is said. */
export async function planInstallation(
  layout: Layout,
  endpoint: string,
  options: InstallOptions,
  before: Manifest | undefined,
): Promise<Plan> {
  const slurmConf = layout.conf;
  const text = textOf(onDisk(layout, slurmConf));
  if (text === undefined) {
    throw new Stop(EXIT.usage, `There is no ${onDisk(layout, slurmConf)}.`, {
      hints: ['Run this where slurmctld runs; --slurm-conf names its slurm.conf, or the folder of it.'],
    });
  }
  const settings = readSlurmConf(onDisk(layout, slurmConf));
  const asked: Asked = {
    ...before?.asked,
    ...given({ cluster: options.cluster, hook_url: options.hookUrl, slurm_user: options.slurmUser }),
  };
  const cluster = asked.cluster ?? settings.get('clustername')?.value;
  if (cluster === undefined) {
    throw new Stop(EXIT.usage, `${slurmConf} has no ClusterName, so that --cluster must say which cluster this is.`);
  }
  const url = hookUrl(endpoint, asked.hook_url);
  const slurmUser = ownerOf(asked.slurm_user ?? settings.get('slurmuser')?.value ?? 'root');
  const parts = partsOf(options, before);
  const { lines, conflicts } = compare(wantedLines(layout.library, parts), settings);
  const config = await renderConfig(layout, { endpoint, url, cluster });
  return {
    layout,
    cluster,
    url,
    addresses: config.addresses,
    slurmUser,
    parts,
    ...foldersAndFiles(layout, parts, slurmUser, config),
    slurmConf: { path: slurmConf, before: text, after: withBlock(text, lines), lines },
    conflicts,
    asked,
  };
}

function partsOf(
  { with: more = [], without = [], cliFilter }: InstallOptions,
  before: Manifest | undefined,
): Set<Part> {
  const had = before?.parts ?? ['jobcomp', 'prolog'];
  const wanted = new Set([...had, ...more, ...(cliFilter ? ['cli-filter'] : [])]);
  return new Set(PARTS.filter((part) => wanted.has(part) && !without.includes(part)));
}

/** Lua in the controller speaks no TLS. */
function hookUrl(endpoint: string, said: string | undefined): string {
  const url = said ?? endpoint;
  if (!URL.canParse(url)) throw new Stop(EXIT.usage, `"${url}" is not an address.`);
  if (new URL(url).protocol !== 'http:') {
    throw new Stop(EXIT.usage, `The hooks inside Slurm speak plain HTTP, and ${url} is not that.`, {
      hints: [
        'Give --hook-url http://…: an address of the API in a network that only the cluster sees, or a TLS tunnel (stunnel, nginx) on this machine.',
        'The relay goes on to use the https address.',
      ],
    });
  }
  return url.replace(/\/+$/, '');
}

interface Texts {
  config: string;
  cli(token: string): string;
  addresses: readonly string[];
  spoolBytes: number;
}

/** What a site has set in slurm.json stays; addresses are looked up here, for the hooks never do. */
async function renderConfig(
  layout: Layout,
  { endpoint, url, cluster }: { endpoint: string; url: string; cluster: string },
): Promise<Texts> {
  const place = (name: string) => textOf(onDisk(layout, join(layout.etc, name)));
  const kept = parsed(place(CONFIG), join(layout.etc, CONFIG));
  const keptCli = parsed(place(CLI_CONFIG), join(layout.etc, CLI_CONFIG));
  const host = new URL(url).hostname;
  const addresses =
    isIP(host) !== 0 ? [host] : (await lookup(host, { all: true }).catch(() => [])).map(({ address }) => address);
  const found = addresses.length > 0 ? { addresses } : {};
  const config = {
    deadline_ms: 500,
    breaker: { failures: 2, seconds: 10 },
    spares: 32,
    spool_bytes: 1_073_741_824,
    policy_seconds: 30,
    queue_seconds: 30,
    history_seconds: 600,
    ...kept,
    url,
    ...found,
    ...(endpoint.replace(/\/+$/, '') === url ? {} : { relay_url: endpoint }),
    token_file: join(layout.etc, HOOK_KEY),
    cluster,
    spool: layout.spool,
    policy_file: join(layout.state, 'policy.json'),
    state_file: join(layout.state, 'relay.json'),
    slurm_conf: layout.conf,
  };
  const bytes = Number(config.spool_bytes);
  return {
    addresses,
    config: `${JSON.stringify(config, null, 2)}\n`,
    cli: (token) =>
      `${JSON.stringify({ deadline_ms: 300, show: true, ...keptCli, url, ...found, token, cluster }, null, 2)}\n`,
    spoolBytes: Number.isSafeInteger(bytes) && bytes > 0 ? bytes : 1_073_741_824,
  };
}

function parsed(text: string | undefined, path: string): Record<string, unknown> {
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Said below.
  }
  throw new Stop(EXIT.failure, `${path} is there and is no JSON object.`, {
    hints: ['Mend it or take it away, then install again.'],
  });
}

const ROOT = { uid: 0, gid: 0, name: 'root:root' };

function foldersAndFiles(
  layout: Layout,
  parts: ReadonlySet<Part>,
  slurmUser: Owner,
  texts: Texts,
): Pick<Plan, 'folders' | 'files' | 'moves'> {
  const shared = { uid: 0, gid: slurmUser.gid, name: `root:${slurmUser.group}` };
  const slurm = { ...slurmUser, name: `${slurmUser.user}:${slurmUser.group}` };
  const files: PlannedFile[] = [];
  const moves: Plan['moves'] = [];
  const file = (path: string, text: string, mode: number, owner: PlannedFile['owner']) =>
    files.push({ path, text, mode, owner });

  file(join(layout.etc, CONFIG), texts.config, 0o640, shared);
  for (const { name, text } of relayFiles()) {
    file(join(layout.library, name), text, name === RELAY ? 0o755 : 0o644, ROOT);
  }
  if (parts.has('prolog')) {
    for (const name of ['prolog.sh', 'epilog.sh']) {
      file(join(layout.library, name), renderProlog(layout, texts.spoolBytes), 0o755, ROOT);
    }
  }
  file(
    join(layout.units, UNIT),
    renderUnit(readFileSync(join(UNITS_FOLDER, UNIT), 'utf8'), layout, slurmUser.user, slurmUser.group),
    0o644,
    ROOT,
  );
  for (const name of HOOK_NAMES) {
    const part = HOOK_OF[name];
    if (part !== undefined && !parts.has(part)) continue;
    const site = siteScript(onDisk(layout, layout.slurm), name);
    if (site && !site.isMoved) {
      moves.push({ from: join(layout.slurm, `${name}.lua`), to: join(layout.slurm, siteName(name)) });
    }
    file(join(layout.slurm, `${name}.lua`), renderHook(name, layout, site !== undefined), 0o644, ROOT);
  }
  return {
    files,
    moves,
    folders: [
      { path: layout.etc, mode: 0o755, owner: ROOT },
      { path: layout.library, mode: 0o755, owner: ROOT },
      { path: join(layout.library, RELAY_MODULES), mode: 0o755, owner: ROOT },
      { path: layout.units, mode: 0o755, owner: ROOT },
      { path: layout.spool, mode: 0o750, owner: slurm },
      { path: layout.state, mode: 0o750, owner: slurm },
    ],
  };
}

/** With the estimate key in it, which is made only when something is written. */
export async function renderCliConfig(plan: Plan, endpoint: string, token: string): Promise<PlannedFile> {
  const texts = await renderConfig(plan.layout, { endpoint, url: plan.url, cluster: plan.cluster });
  return { path: join(plan.layout.etc, CLI_CONFIG), text: texts.cli(token), mode: 0o644, owner: ROOT };
}

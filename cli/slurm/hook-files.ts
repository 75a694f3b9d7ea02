/** The hooks as they are put beside slurm.conf: one file each, with the library inside and this site's paths. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLI_CONFIG, CONFIG, HOOKS_FOLDER, RELAY, RELAY_MODULES, type Layout } from './layout';

export const HOOK_NAMES = ['job_submit', 'jobcomp', 'cli_filter'] as const;
export type HookName = (typeof HOOK_NAMES)[number];

const read = (name: string): string => readFileSync(join(HOOKS_FOLDER, name), 'utf8');

/** Every hook begins with this line; what does not is the site's own. */
export const isOurs = (text: string): boolean => /^-- Bursar in \w+\/lua: /.test(text);

/** What the site's own script of a hook is called once ours stands in its place. */
export const siteName = (name: HookName): string => `${name}.site.lua`;

/**
 * One file, because Slurm reads a script again when that file changes and knows of no other; and on submit hosts there is then
 * nothing else to bring along.
 */
export function renderHook(name: HookName, layout: Layout, hasSite: boolean): string {
  const config = join(layout.etc, name === 'cli_filter' ? CLI_CONFIG : CONFIG);
  return read(`${name}.lua`)
    .replace(/^local PLACE = .*\n/m, '')
    .replace(/^(local CONFIG = os\.getenv\("\w+"\) or ).*$/m, (_line, getenv: string) => getenv + quoted(config))
    .replace(
      /^local SITE = false$/m,
      () => `local SITE = ${hasSite ? quoted(join(layout.slurm, siteName(name))) : 'false'}`,
    )
    .replace(
      /^( *)local (\w+) = dofile\(PLACE \.\. "\/(\w+\.lua)"\)$/gm,
      (_line, indent: string, variable: string, file: string) =>
        `${indent}local ${variable} = (function()\n${read(file)}${indent}end)()`,
    );
}

/** Shell, with the spool of this site in it. */
export const renderProlog = (layout: Layout, spoolBytes: number): string =>
  read('prolog.sh')
    .replace(/^spool=.*$/m, () => `spool=${shellQuoted(layout.spool)}`)
    .replace(/^bytes_max=.*$/m, () => `bytes_max=${spoolBytes}`);

/** The program, and the modules that Python finds in the folder beside it. */
export const relayFiles = (): { name: string; text: string }[] =>
  [
    RELAY,
    ...readdirSync(join(HOOKS_FOLDER, RELAY_MODULES))
      .filter((name) => name.endsWith('.py'))
      .map((name) => join(RELAY_MODULES, name)),
  ].map((name) => ({ name, text: read(name) }));

export const renderUnit = (text: string, layout: Layout, user: string, group: string): string =>
  text
    .replace(/^User=.*$/m, () => `User=${user}`)
    .replace(/^Group=.*$/m, () => `Group=${group}`)
    .replace(/^Environment=.*$/m, () => `Environment=BURSAR_SLURM_CONFIG=${join(layout.etc, CONFIG)}`)
    .replace(
      /^(ExecStart=\/usr\/bin\/python3 -B ).*$/m,
      (_line, head: string) => `${head}${join(layout.library, RELAY)}`,
    )
    .replace(/^ReadWritePaths=.*$/m, () => `ReadWritePaths=${layout.spool} ${layout.state}`);

/** Is there a script of the site's own, under its first name or the one that it was given? */
export function siteScript(folder: string, name: HookName): { path: string; isMoved: boolean } | undefined {
  const moved = join(folder, siteName(name));
  if (existsSync(moved)) return { path: moved, isMoved: true };
  const first = join(folder, `${name}.lua`);
  return existsSync(first) && !isOurs(readFileSync(first, 'utf8')) ? { path: first, isMoved: false } : undefined;
}

const quoted = (path: string): string => JSON.stringify(path);
const shellQuoted = (path: string): string => `'${path.replaceAll("'", `'\\''`)}'`;

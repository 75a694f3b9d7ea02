/**
 * slurm.conf as far as the hooks need it: which lines they take, which stand in their way, and a block between two marks that
 * is all that is ever written into it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

export const BEGIN = '# BEGIN bursar: written by `bursar slurm install`, taken out by `bursar slurm uninstall`';
export const END = '# END bursar';

export interface Setting {
  value: string;
  file: string;
  line: number;
}

/** Parts that a site may leave out. What is not named here is always installed. */
export const PARTS = ['jobcomp', 'prolog', 'cli-filter'] as const;
export type Part = (typeof PARTS)[number];

interface Wanted {
  key: string;
  value: string;
  part?: Part;
  /** Is what stands there already enough? */
  suffices(value: string): boolean;
  /** What to do where something else stands there. */
  advice(value: string): string;
}

const listed = (list: string, word: string): boolean =>
  list
    .split(',')
    .map((each) => each.trim().replace(/^(job_submit|cli_filter)\//, ''))
    .includes(word);

export const wantedLines = (library: string, parts: ReadonlySet<Part>): Wanted[] =>
  allLines(library).filter(({ part }) => part === undefined || parts.has(part));

const allLines = (library: string): Wanted[] => [
  {
    key: 'JobSubmitPlugins',
    value: 'lua',
    suffices: (value) => listed(value, 'lua'),
    advice: (value) => `write JobSubmitPlugins=${value},lua there, and install again`,
  },
  {
    key: 'JobCompType',
    value: 'jobcomp/lua',
    part: 'jobcomp',
    suffices: (value) => value === 'jobcomp/lua',
    advice: (value) =>
      value === 'jobcomp/none'
        ? 'take that line out, and install again'
        : 'Slurm has one of them at a time: take that line out and install again, or install with --without jobcomp (the ends of jobs then come from the epilog, squeue and sacct)',
  },
  ...(['Prolog', 'Epilog'] as const).map((name): Wanted => {
    const script = `${library}/${name.toLowerCase()}.sh`;
    return {
      key: `${name}Slurmctld`,
      value: script,
      part: 'prolog',
      suffices: (value) => value === script,
      advice: () =>
        `let that script run ${script} before it ends, and install with --without prolog; or do without (starts then come from squeue)`,
    };
  }),
  {
    key: 'CliFilterPlugins',
    value: 'lua',
    part: 'cli-filter',
    suffices: (value) => listed(value, 'lua'),
    advice: (value) => `write CliFilterPlugins=${value},lua there, and install again`,
  },
];

/** The settings of the file and of what it includes, our block left out. Keys in lower case; the last of a key counts. */
export function readSlurmConf(path: string, depth = 0): Map<string, Setting> {
  const settings = new Map<string, Setting>();
  if (depth > 10 || !existsSync(path)) return settings;
  let [line, isOurs, before] = [0, false, ''];
  for (const raw of readFileSync(path, 'utf8').split('\n')) {
    line += 1;
    if (raw.trim() === BEGIN) isOurs = true;
    if (!isOurs) {
      // A backslash at the end goes on in the next line.
      const text = before + raw.replace(/(^|[^\\])#.*$/, '$1').trimEnd();
      before = text.endsWith('\\') ? text.slice(0, -1) : '';
      if (before === '') readLine(text, { file: path, line }, settings, depth);
    }
    if (raw.trim() === END) isOurs = false;
  }
  return settings;
}

function readLine(text: string, at: Omit<Setting, 'value'>, settings: Map<string, Setting>, depth: number): void {
  const included = /^\s*include\s+(\S+)/i.exec(text)?.[1];
  if (included !== undefined) {
    const path = resolve(dirname(at.file), included);
    for (const [key, setting] of readSlurmConf(path, depth + 1)) settings.set(key, setting);
    return;
  }
  const [, key, quoted, plain] = /^\s*(\w+)\s*=\s*(?:"([^"]*)"|(\S*))/.exec(text) ?? [];
  if (key !== undefined) settings.set(key.toLowerCase(), { value: quoted ?? plain ?? '', ...at });
}

export interface Conflict extends Setting {
  key: string;
  advice: string;
}

/** Which lines the block needs, and what of the site's own stands in the way. */
export function compare(
  wanted: readonly Wanted[],
  settings: ReadonlyMap<string, Setting>,
): { lines: string[]; conflicts: Conflict[] } {
  const lines: string[] = [];
  const conflicts: Conflict[] = [];
  for (const { key, value, suffices, advice } of wanted) {
    const there = settings.get(key.toLowerCase());
    if (there === undefined || there.value === '') lines.push(`${key}=${value}`);
    else if (!suffices(there.value)) conflicts.push({ key, ...there, advice: advice(there.value) });
  }
  return { lines, conflicts };
}

/** The block with its marks; undefined where there is none. */
export const blockIn = (text: string): string | undefined => {
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END, from);
  return from === -1 || to === -1 ? undefined : text.slice(from, to + END.length);
};

/** The text with this block and no other; without lines, with none. */
export function withBlock(text: string, lines: readonly string[]): string {
  const old = blockIn(text);
  const block = lines.length === 0 ? undefined : [BEGIN, ...lines, END].join('\n');
  if (old !== undefined) {
    if (block !== undefined) return text.replace(old, () => block);
    return text.replace(`\n${old}\n`, () => '').replace(old, () => '');
  }
  if (block === undefined) return text;
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}\n${block}\n`;
}

/** What changes between two texts, as people read it. Only a block ever changes, so the common ends are enough. */
export function diffOf(path: string, before: string, after: string): string[] {
  if (before === after) return [];
  const [old, now] = [before.split('\n'), after.split('\n')];
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head += 1;
  let tail = 0;
  const room = Math.min(old.length, now.length) - head;
  while (tail < room && old[old.length - 1 - tail] === now[now.length - 1 - tail]) tail += 1;
  return [
    `--- ${path}`,
    `+++ ${path}`,
    `@@ line ${head + 1} @@`,
    ...old.slice(head, old.length - tail).map((line) => `-${line}`),
    ...now.slice(head, now.length - tail).map((line) => `+${line}`),
  ];
}

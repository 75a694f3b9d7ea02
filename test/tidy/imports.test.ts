/** Who may import whom (CONTRIBUTING.md). A test remembers it so that nobody has to. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';

const ROOT = resolve(__dirname, '../..');

interface Rule {
  /** Folders or files of ours that may be imported; `type:` in front allows types only. */
  ours: string[];
  /** Packages and Node modules that may be imported; undefined allows all. */
  packages?: RegExp;
}

const PACKAGES: Record<string, RegExp> = {
  domain: /^temporal-polyfill$/,
  ledger: /^(?!@temporalio|hono|@hono)/,
  workflows: /^@temporalio\/(workflow|common)$/,
  'workflows/contracts': /^@temporalio\/(workflow|common)$/,
};

/** The table of CONTRIBUTING.md; a row without limits has no rule. */
const RULES: Record<string, Rule> = Object.fromEntries(
  readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8')
    .split('## Where things live')[1]
    ?.split('## ')[0]
    ?.split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter(([, folders, , allowed]) => folders?.startsWith('`') && allowed !== 'anything')
    .flatMap(([, folders = '', , allowed = '']) => {
      const own = [...folders.matchAll(/`([^`]+)`/g)].map(([, folder]) => folder as string);
      const others = [...allowed.matchAll(/(types of )?`([^`]+)`/g)].map(([, type, folder]) =>
        type ? `type:${folder}` : (folder as string),
      );
      return own.map((folder): [string, Rule] => {
        const packages = PACKAGES[folder];
        return [folder, { ours: [...own, ...others], ...(packages && { packages }) }];
      });
    }) ?? [],
);

const sourcesBelow = (folder: string): string[] =>
  (existsSync(folder) ? readdirSync(folder) : []).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sourcesBelow(path);
    return /\.tsx?$/.test(name) ? [path] : [];
  });

interface Import {
  file: string;
  target: string;
  typeOnly: boolean;
}

const IMPORT = /^(?:import|export)\s+(type\s)?[^;]*?from\s+'([^']+)'|import\('([^']+)'\)|require\('([^']+)'\)/gm;

const importsOf = (file: string): Import[] =>
  [...readFileSync(file, 'utf8').matchAll(IMPORT)].map(([, type, from, dynamic, required]) => ({
    file,
    target: from ?? dynamic ?? required ?? '',
    typeOnly: type !== undefined,
  }));

const inside = (path: string, folder: string) => path === folder || path.startsWith(folder + sep);

/** The most specific row that has a rule. */
const rowOf = (path: string): string | undefined =>
  Object.keys(RULES)
    .filter((folder) => inside(path.replace(/\.tsx?$/, ''), folder))
    .sort((a, b) => b.length - a.length)[0];

function complaint({ file, target, typeOnly }: Import): string | undefined {
  const here = relative(ROOT, file);
  const row = rowOf(here);
  if (row === undefined || here.endsWith(`${sep}main.ts`)) return undefined;
  const rule = RULES[row] as Rule;
  if (!target.startsWith('.')) {
    return rule.packages && !typeOnly && !rule.packages.test(target) ? `${here} imports ${target}` : undefined;
  }
  const path = relative(ROOT, resolve(dirname(file), target));
  const targetRow = rowOf(path);
  const allowed = rule.ours.some((entry) => {
    const folder = entry.replace(/^type:/, '');
    if (entry !== folder && !typeOnly) return false;
    // A folder of ours does not bring the rows below it along, unless it is somebody else's who names it.
    return inside(path, folder) && (folder !== row || targetRow === row);
  });
  return allowed ? undefined : `${here} imports ${path}${typeOnly ? ' (type)' : ''}`;
}

test('the table names every folder that holds code', () => {
  const rows = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8');
  const folders = readdirSync(ROOT).filter(
    (name) => !name.startsWith('.') && !/^(node_modules|dist|coverage|bin|scripts)$/.test(name),
  );
  const withCode = folders.filter(
    (name) => statSync(join(ROOT, name)).isDirectory() && sourcesBelow(join(ROOT, name)).length > 0,
  );
  expect(withCode.filter((name) => !new RegExp(`^\\| [^|]*\`${name}\`[^|]*\\|`, 'm').test(rows))).toEqual([]);
  expect(Object.keys(RULES)).toEqual(expect.arrayContaining(['domain', 'ledger', 'workflows/contracts', 'cli/stack']));
});

test('every folder imports only what its row allows', () => {
  const complaints = Object.keys(RULES)
    .filter((folder) => !folder.includes('/'))
    .flatMap((folder) => sourcesBelow(join(ROOT, folder)))
    .flatMap(importsOf)
    .map(complaint)
    .filter((text) => text !== undefined);
  expect(complaints).toEqual([]);
});

test('nothing imports an entry point', () => {
  const complaints = sourcesBelow(ROOT.concat('/api'))
    .concat(['cli', 'worker', 'ledger', 'platform'].flatMap((folder) => sourcesBelow(join(ROOT, folder))))
    .flatMap(importsOf)
    .filter(({ target }) => /(^|\/)main$/.test(target))
    .map(({ file, target }) => `${relative(ROOT, file)} imports ${target}`);
  expect(complaints).toEqual([]);
});

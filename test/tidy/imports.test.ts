/** Who may import whom (CONTRIBUTING.md). A test remembers it so that nobody has to. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';

const ROOT = resolve(__dirname, '../..');

interface Rule {
  /** Folders of ours that may be imported; `type:` in front allows types only. */
  ours: string[];
  /** Packages and Node modules that may be imported; undefined allows all. */
  packages?: RegExp;
}

const RULES: Record<string, Rule> = {
  domain: { ours: ['domain'], packages: /^temporal-polyfill$/ },
  platform: { ours: ['domain', 'platform'] },
  migrations: { ours: ['migrations', 'platform'] },
  ledger: { ours: ['domain', 'platform', 'ledger', 'migrations'], packages: /^(?!@temporalio|hono|@hono)/ },
  activities: {
    ours: ['domain', 'platform', 'ledger', 'activities', 'type:workflows/contracts', 'workflows/contracts'],
  },
  'workflows/contracts': { ours: ['domain', 'workflows/contracts'], packages: /^@temporalio\/(workflow|common)$/ },
  workflows: {
    ours: ['domain', 'workflows', 'workflows/contracts', 'type:activities'],
    packages: /^@temporalio\/(workflow|common)$/,
  },
  api: { ours: ['domain', 'platform', 'ledger', 'api', 'workflows/contracts', 'migrations'] },
  cli: { ours: ['domain', 'cli', 'platform', 'migrations', 'type:api'] },
  web: { ours: ['web', 'type:api'] },
};

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

/** The most specific folder that has a rule. */
const folderOf = (path: string): string | undefined =>
  Object.keys(RULES)
    .filter((folder) => inside(path, folder))
    .sort((a, b) => b.length - a.length)[0];

function complaint({ file, target, typeOnly }: Import): string | undefined {
  const here = relative(ROOT, file);
  const folder = folderOf(here);
  if (folder === undefined || here.endsWith(`${sep}main.ts`)) return undefined;
  const rule = RULES[folder] as Rule;
  if (!target.startsWith('.')) {
    return rule.packages && !typeOnly && !rule.packages.test(target) ? `${here} imports ${target}` : undefined;
  }
  const path = relative(ROOT, resolve(dirname(file), target));
  const allowed = rule.ours.some((entry) =>
    entry.startsWith('type:') ? typeOnly && inside(path, entry.slice(5)) : inside(path, entry),
  );
  return allowed ? undefined : `${here} imports ${path}${typeOnly ? ' (type)' : ''}`;
}

test('every folder imports only what its rule allows', () => {
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

/**
 * The package: built from what the Dockerfile is given and nothing else, installed where no checkout is, and run there.
 */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { migrationFiles, latestSchemaVersion } from '../../migrations/migrate';
import { cacheFolder } from '../../platform/config';
import { PACKAGE_ROOT } from '../../platform/paths';
import { removeScratch, scratchFolder, sweepScratch } from '../helpers/scratch';

jest.setTimeout(10 * 60_000);
const run = promisify(execFile);

const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const { version } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string };

interface Packed {
  filename: string;
  size: number;
  unpackedSize: number;
  files: { path: string }[];
}

let folder: string;
let packed: Packed;
let prefix: string;

beforeAll(async () => {
  await sweepScratch();
  folder = scratchFolder();
  const context = join(folder, 'context');
  copyContext(context);
  symlinkSync(join(PACKAGE_ROOT, 'node_modules'), join(context, 'node_modules'));
  execFileSync(process.execPath, ['scripts/build.js'], { cwd: context, env: { ...process.env, GIT_COMMIT: COMMIT } });
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json'], { cwd: context });
  packed = (JSON.parse(stdout) as Packed[])[0] as Packed;

  // As the page about installing says it.
  prefix = join(folder, 'opt');
  const tarball = join(context, packed.filename);
  await run('npm', ['install', '--global', '--prefix', prefix, '--no-audit', '--no-fund', tarball], { cwd: folder });
});
afterAll(() => removeScratch(folder));

/** What .dockerignore lets through of what is in the repository. */
function copyContext(context: string): void {
  const rules = readFileSync(join(PACKAGE_ROOT, '.dockerignore'), 'utf8').split('\n');
  const allowed = rules.filter((rule) => rule.startsWith('!')).map((rule) => rule.slice(1));
  const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: PACKAGE_ROOT,
    encoding: 'utf8',
  });
  for (const path of tracked.split('\n')) {
    const source = join(PACKAGE_ROOT, path);
    if (!allowed.some((rule) => path === rule || path.startsWith(`${rule}/`)) || !existsSync(source)) continue;
    mkdirSync(dirname(join(context, path)), { recursive: true });
    cpSync(source, join(context, path));
  }
}

/** Somebody without a checkout, a configuration or data. */
const bursar = (args: string[], env: NodeJS.ProcessEnv = {}) =>
  run(join(prefix, 'bin/bursar'), args, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: join(folder, 'home'), ...env },
  });

test('it holds what runs and every page that explains it: no tests, no sources, no benchmarks', () => {
  const paths = packed.files.map(({ path }) => path);
  expect([...new Set(paths.map((path) => path.split('/')[0]))].sort()).toEqual(
    [
      'CONTRIBUTING.md',
      'LICENSE',
      'README.md',
      'bench',
      'bin',
      'deploy',
      'dist',
      'docs',
      'examples',
      'hooks',
      'migrations',
      'package.json',
    ].sort(),
  );
  expect(paths.filter((path) => /\.ts$|(^|\/)test\/|^dist\/(bench|cli)\/|^bench\/(?!README)/.test(path))).toEqual([]);
  for (const { name } of migrationFiles()) expect(paths).toContain(`migrations/${name}`);
  for (const name of readdirSync(join(PACKAGE_ROOT, 'deploy/systemd')))
    expect(paths).toContain(`deploy/systemd/${name}`);
  const dead = paths
    .filter((path) => path.endsWith('.md'))
    .flatMap((page) => {
      const links = readFileSync(join(PACKAGE_ROOT, page), 'utf8').matchAll(/\]\(([^:)#]+)[)#]/g);
      return [...links].map(([, link = '']) => ({ page, target: join(dirname(page), link) }));
    })
    .filter(({ target }) => !paths.some((path) => path === target || path.startsWith(`${target.replace(/\/$/, '')}/`)));
  // These take a checkout.
  expect(dead.filter(({ target }) => !/^(docker-compose\.yml|bench\/[\w-]+\.ts)$/.test(target))).toEqual([]);
  for (const name of [
    'api/main.js',
    'worker/main.js',
    'worker/dispatcher-main.js',
    'bursar.js',
    'workflow-bundle.js',
  ]) {
    expect(paths).toContain(`dist/${name}`);
  }
  expect(packed.size).toBeLessThan(2_500_000);
  expect(packed.unpackedSize).toBeLessThan(8_000_000);
});

test('nothing in it knows where it was built', () => {
  const installed = join(prefix, 'lib/node_modules/bursar');
  const search = ['-rl', '--exclude-dir=node_modules', '--', folder, installed];
  // 1: found nowhere.
  expect(spawnSync('grep', search, { encoding: 'utf8' })).toMatchObject({ status: 1, stdout: '', stderr: '' });
});

test('installed, the command says its version, the commit it was built from and its schema', async () => {
  const { stdout } = await bursar(['version', '--json']);
  expect(JSON.parse(stdout)).toMatchObject({ version, git_commit: COMMIT, schema_version: latestSchemaVersion() });
  expect((await run(join(prefix, 'bin/asbb'), ['version'], { cwd: folder })).stdout).toContain(COMMIT);
});

test('the demo runs where no checkout is, and keeps its data in the folder of the user', async () => {
  const { stdout } = await bursar(['demo', '--once', '--jobs', '8'], {
    // What is fetched once for a machine is taken from there.
    XDG_CACHE_HOME: dirname(cacheFolder()),
    BURSAR_PORT: '0',
  });
  expect(stdout).toMatch(/8 jobs in \d+ rows/);
  expect(stdout).toMatch(/The books balance/);
  const data = readdirSync(join(folder, 'home/.local/share/bursar'));
  expect(data).toEqual(expect.arrayContaining(['postgres-18', 'logs']));
});

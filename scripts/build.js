#!/usr/bin/env node
/**
 * Turns the sources into dist/: what API and worker run from, the command line as one file, the workflows as another.
 *
 *   node scripts/build.js            builds
 *   node scripts/build.js --prepare  the same for npm; without the compiler (`npm ci --omit=dev`) it leaves it for later
 *
 * Plain JavaScript, because it runs before anything is compiled. Types are checked by `npm run check`, not here: a user who
 * installs Bursar should not wait for it.
 */
const { execFileSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } = require('node:fs');
const { dirname, join, relative } = require('node:path');

const ROOT = dirname(__dirname);
const DIST = join(ROOT, 'dist');
const FACTS = join(DIST, 'build.json');
const LOCK = join(ROOT, 'dist', '.building');

/** What is compiled. The tests run from their sources; the benchmarks use the cluster of theirs. */
const FOLDERS = [
  'activities',
  'api',
  'bench',
  'cli',
  'domain',
  'ledger',
  'migrations',
  'platform',
  'test/slurm',
  'worker',
  'workflows',
];

/** Small packages that go into the command line's file: looking each of them up costs more than reading it. */
const INLINED = new Set(['commander', 'lossless-json']);

const hasCompiler = () => existsSync(join(ROOT, 'node_modules/typescript/package.json'));

/** @returns {string[]} */
function sourcesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sourcesBelow(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}

const sources = () => FOLDERS.flatMap((folder) => sourcesBelow(join(ROOT, folder)));

/** Changes whenever a source, the build or an installed package does. */
function stampOfSources() {
  const hash = createHash('sha256');
  for (const path of [...sources(), __filename, join(ROOT, 'package-lock.json')]) {
    if (!existsSync(path)) continue;
    const { mtimeMs, size } = statSync(path);
    hash.update(`${relative(ROOT, path)} ${mtimeMs} ${size}\n`);
  }
  return hash.digest('hex');
}

function isFresh() {
  try {
    return JSON.parse(readFileSync(FACTS, 'utf8')).stamp === stampOfSources();
  } catch {
    return false;
  }
}

function build() {
  const stamp = stampOfSources();
  mkdirSync(DIST, { recursive: true });
  compile();
  removeStale();
  bundleCommandLine();
  execFileSync(process.execPath, [join(DIST, 'worker/build-bundle.js')], { cwd: ROOT, stdio: 'inherit' });
  const facts = { gitCommit: gitCommit(), buildTime: new Date().toISOString(), stamp };
  writeFileSync(FACTS, `${JSON.stringify(facts, null, 2)}\n`);
  // The first that runs keeps what V8 has made of it for those that follow.
  execFileSync(process.execPath, [join(ROOT, 'bin/bursar.js'), 'version'], { stdio: 'ignore' });
}

function compile() {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '--project', join(ROOT, 'tsconfig.build.json'), '--noCheck'], {
    cwd: ROOT,
    stdio: 'inherit',
  });
}

/** What a source that is gone has left in dist/. */
function removeStale() {
  const wanted = new Set(sources().map((path) => join(DIST, relative(ROOT, path)).replace(/\.ts$/, '')));
  for (const folder of FOLDERS) {
    for (const path of outputsBelow(join(DIST, folder))) {
      if (!wanted.has(path.replace(/\.js(\.map)?$/, ''))) rmSync(path);
    }
  }
}

/** @returns {string[]} */
function outputsBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? outputsBelow(path) : [path];
  });
}

function bundleCommandLine() {
  rmSync(join(DIST, 'bursar.cache'), { force: true });
  require('esbuild').buildSync({
    entryPoints: [join(ROOT, 'cli/main.ts')],
    outfile: join(DIST, 'bursar.js'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    // bin/bursar.js runs it as a script, which has no `import()`.
    supported: { 'dynamic-import': false },
    // Everything from node_modules is looked up when a command needs it, if ever.
    external: packagesUsed().filter((name) => !INLINED.has(name)),
    logLevel: 'warning',
  });
}

/** @returns {string[]} */
function packagesUsed() {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  return Object.keys(dependencies);
}

function gitCommit() {
  if (process.env.GIT_COMMIT) return process.env.GIT_COMMIT; // Where there is no repository: in an image.
  try {
    const git = (...args) =>
      execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    if (git('rev-parse', '--show-toplevel') !== ROOT) return 'unknown'; // Unpacked inside somebody else's repository.
    return git('rev-parse', 'HEAD');
  } catch {
    return 'unknown';
  }
}

/** Builds if anything changed since the last time. Several at once: one builds, the others wait for it. */
function ensureBuilt() {
  if (isFresh()) return;
  mkdirSync(DIST, { recursive: true });
  for (;;) {
    try {
      writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (isAlive(LOCK)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
      else rmSync(LOCK, { force: true });
    }
  }
  try {
    if (!isFresh()) build();
  } finally {
    rmSync(LOCK, { force: true });
  }
}

function isAlive(lock) {
  try {
    const pid = Number(readFileSync(lock, 'utf8'));
    return pid === 0 || process.kill(pid, 0); // 0: made, and not yet written.
  } catch (error) {
    return error.code === 'EPERM';
  }
}

module.exports = { ensureBuilt, isFresh, hasCompiler };

if (require.main === module) {
  if (process.argv.includes('--prepare') && !hasCompiler())
    console.log('no compiler installed: dist/ is left as it is');
  else {
    rmSync(FACTS, { force: true });
    ensureBuilt();
  }
}

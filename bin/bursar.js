#!/usr/bin/env node
/** `bursar` (and `asbb`): the built command line, built first where it is missing because npm was told to run no scripts. */
const { existsSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const Module = require('node:module');
const { basename, dirname, join } = require('node:path');
const { Script } = require('node:vm');

const built = join(__dirname, '../dist/bursar.js');
if (!existsSync(built)) {
  process.stderr.write('bursar: building, once\n');
  require('../scripts/build.js').ensureBuilt();
}
runWithCache(built, built.replace(/js$/, 'cache'));

/**
 * Runs a file as `require` would, from what V8 made of it before: compiling all of it takes longer than anything that most
 * commands do (`npm run bench -- startup`). V8 refuses a cache of another version, and then it is made anew where somebody
 * runs this who may write there.
 *
 * Of the source V8 compares no more than its length, so whoever builds the file removes the cache first. It keeps the file's
 * name, which therefore says nothing of where that is.
 */
function runWithCache(file, cacheFile) {
  const cachedData = readIfThere(cacheFile);
  // What follows `#!` is no JavaScript, and the lines keep their numbers without it.
  const source = Module.wrap(readFileSync(file, 'utf8').replace(/^#!.*/, ''));
  const script = new Script(source, { filename: basename(file), cachedData });
  const isOrdinary = process.execArgv.length === 0 && !process.env.NODE_OPTIONS;
  if ((cachedData === undefined || script.cachedDataRejected) && isOrdinary) {
    process.once('exit', () => keep(cacheFile, script));
  }
  const module = new Module(file, null);
  module.filename = file;
  module.paths = Module._nodeModulePaths(dirname(file));
  const run = script.runInThisContext();
  run.call(module.exports, module.exports, Module.createRequire(file), module, file, dirname(file));
}

function readIfThere(path) {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** With what has been compiled by now, which is what a command needs. */
function keep(path, script) {
  try {
    const own = `${path}.${process.pid}`;
    writeFileSync(own, script.createCachedData());
    renameSync(own, path);
  } catch {
    // Read-only, or somebody else's: it goes without.
  }
}

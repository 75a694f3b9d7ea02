/**
 * Runs a program of dist/ after making sure that dist/ is as new as the sources: `npm start` after `git pull` must not run
 * yesterday's code. In this very process, so that signals and exit codes need no forwarding.
 *
 *   node scripts/run.js bursar up
 *   node scripts/run.js bench/main check
 */
const { join } = require('node:path');
const { ensureBuilt, hasCompiler, isFresh } = require('./build.js');

const [, , program, ...args] = process.argv;
if (hasCompiler() && !isFresh()) {
  process.stderr.write('building …\n');
  ensureBuilt();
}
const path = join(__dirname, '../dist', `${program}.js`);
process.argv.splice(1, process.argv.length - 1, path, ...args);
require(path);

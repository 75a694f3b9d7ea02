#!/usr/bin/env node
/** `bursar` (and `asbb`): the built command line, built first where it is missing because npm was told to run no scripts. */
const { existsSync } = require('node:fs');
const { join } = require('node:path');

const built = join(__dirname, '../dist/bursar.js');
if (!existsSync(built)) {
  process.stderr.write('bursar: building, once\n');
  require('../scripts/build.js').ensureBuilt();
}
require(built);

/** The package as a site gets it: `npm run test:package`. It asks the npm registry for what the package depends on. */
const { globalSetup: _servers, globalTeardown: _ending, ...config } = require('./jest.config.js');

/** @type {import('jest').Config} */
module.exports = { ...config, roots: ['<rootDir>/test/package'], testPathIgnorePatterns: ['/node_modules/'] };

/** A whole site in its production shape, and what becomes of it: `npm run test:production`. It brings its own servers. */
const { globalSetup: _servers, globalTeardown: _ending, ...config } = require('./jest.config.js');

/** @type {import('jest').Config} */
module.exports = {
  ...config,
  roots: ['<rootDir>/test/production'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 600_000,
};

/** What walks the running API with a tool of others (Python 3.10 and PyPI): `npm run test:walk`. */
const { globalSetup: _, globalTeardown: __, ...config } = require('./jest.config.js');

/** @type {import('jest').Config} */
module.exports = { ...config, roots: ['<rootDir>/test/walk'], testPathIgnorePatterns: ['/node_modules/'] };

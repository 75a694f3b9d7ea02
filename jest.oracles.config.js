/** What needs recorded data from outside: `npm run test:oracles`, with its folder in BURSAR_TEST_DATA (rulings 31). */
const config = require('./jest.config.js');

/** @type {import('jest').Config} */
module.exports = { ...config, roots: ['<rootDir>/test/oracles'], testPathIgnorePatterns: ['/node_modules/'] };

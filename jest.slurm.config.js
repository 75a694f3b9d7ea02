/** Bursar inside a real Slurm, from Debian's packages: `npm run test:slurm`, as root. */
const config = require('./jest.config.js');

/** @type {import('jest').Config} */
module.exports = {
  ...config,
  roots: ['<rootDir>/test/slurm'],
  testPathIgnorePatterns: ['/node_modules/'],
  globalSetup: '<rootDir>/test/slurm/global-setup.ts',
  testTimeout: 400_000,
};

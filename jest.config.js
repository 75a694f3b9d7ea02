/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  // What needs more than the repository has a configuration of its own: jest.oracles, jest.package, jest.production, jest.slurm,
  // jest.walk.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/(oracles|package|production|slurm|walk)/'],
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/.bursar'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'commonjs' },
        sourceMaps: 'inline',
      },
    ],
    // Packages that ship ES modules only: Node requires them as they are, jest does not.
    '/node_modules/(temporal-(polyfill|utils)|jose)/.+\\.js$': [
      '@swc/jest',
      { jsc: { target: 'es2022' }, module: { type: 'commonjs' } },
    ],
  },
  transformIgnorePatterns: ['/node_modules/(?!(temporal-(polyfill|utils)|jose)/)'],
  globalSetup: '<rootDir>/test/helpers/global-setup.ts',
  globalTeardown: '<rootDir>/test/helpers/global-teardown.ts',
  // For what hangs. A test waits for several things one after the other, each of which may take a minute on a busy machine.
  testTimeout: 300_000,
  // Side by side even on two cores: most tests wait for a server. In processes of their own, because Temporal's native part
  // keeps the process alive that many files with workers ran in, now and then; the last word on that is forceExit's.
  maxWorkers: 2,
  forceExit: true,
};

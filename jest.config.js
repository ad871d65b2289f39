import { availableParallelism } from 'node:os';

/**
 * Tests of whole programs: browsers, other runtimes, checkouts that are built, processes that are killed or whose memory is measured.
 * `npm test` leaves them to `npm run check:programs`, unless it is asked for files: `npm test -- test/sample/page.spec.ts`.
 */
export const PROGRAMS = [
  'beside/(commonjs|hosts)',
  'chaos/(chaos|presence|runs|sqlite)',
  'client/(firefox|page-lifecycle|react|restart|runtimes|service-worker|tabs[\\w-]*)',
  'docs/(browser|compiled)',
  'examples/(ai-chat|jobs|reopening|run)',
  'inspector/page',
  'log/memory',
  'metrics/http-instrumentation',
  'model/slow-clients',
  'package/scripts',
  'redis/(killed|rolling-restart)',
  'runs/lost',
  'sample/[\\w-]+',
  'sqlite/(full-disk|processes|rolling-restart)',
].map((name) => `<rootDir>/test/${name}\\.spec\\.ts$`);

const isAskedForFiles = process.argv
  .slice(2)
  .some((argument) => /^[^-].*(\/|\.ts$)/.test(argument));

/** @type {import('jest').Config} */
export default {
  globalSetup: '<rootDir>/test/support/dependencies.mjs',
  resolver: '<rootDir>/test/support/resolver.mjs',
  testEnvironment: '<rootDir>/test/support/environment.mjs',
  roots: ['<rootDir>/test', '<rootDir>/examples'],
  testRegex: '\\.spec\\.ts$',
  testPathIgnorePatterns: isAskedForFiles ? [] : PROGRAMS,
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^nestjs-event-stream$': '<rootDir>/src/index.ts',
    '^nestjs-event-stream/(.+)$': '<rootDir>/src/$1/index.ts',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          target: 'es2022',
        },
        module: { type: 'es6' },
      },
    ],
  },
  // One publishes its tests with its sources: test/ai/assistant-ui.spec.ts runs them.
  transformIgnorePatterns: ['/node_modules/(?!assistant-stream/src/)'],
  // Node counts: what a test starts in another process, such as an instance that is killed, is not in it.
  coverageProvider: 'v8',
  collectCoverageFrom: ['src/**/*.ts'],
  coverageReporters: ['text', 'lcov'],
  testTimeout: 20_000,
  // A file waits longer than it works; by default two cores would get one worker. Where a machine is shared, as it is in
  // CI, too many of them would wait for each other until they are too late.
  maxWorkers: availableParallelism() + (process.env.CI ? 1 : 3),
  // What Node 20 keeps of the modules of each file adds up; a new worker is cheaper than collecting its garbage.
  workerIdleMemoryLimit: '600MB',
};

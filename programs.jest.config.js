import { availableParallelism } from 'node:os';
import base, { PROGRAMS } from './jest.config.js';

// A browser has processes of its own, for which a core may have little time.
process.env.TEST_PATIENCE ??= '3';

/** @type {import('jest').Config} */
export default {
  ...base,
  testRegex: PROGRAMS.map((pattern) => pattern.replace('<rootDir>/', '')),
  testPathIgnorePatterns: [],
  testTimeout: 120_000,
  maxWorkers: availableParallelism(),
};

import base from './jest.config.js';

// So many runs, and all planted mistakes, unless the environment says otherwise.
process.env.MODEL_RUNS ??= '10000';
process.env.MODEL_MUTATIONS ??= 'all';

/** @type {import('jest').Config} */
export default {
  ...base,
  testRegex: 'model/(model|mutations)\\.spec\\.ts$',
  testPathIgnorePatterns: [],
  testTimeout: 300_000,
};

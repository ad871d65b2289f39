import base from './jest.config.js';

// So many runs, unless the environment says otherwise.
process.env.MODEL_RUNS ??= '10000';

/** @type {import('jest').Config} */
export default {
  ...base,
  testRegex: 'model/model\\.spec\\.ts$',
  testPathIgnorePatterns: [],
  testTimeout: 300_000,
};

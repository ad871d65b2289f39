import base from './jest.config.js';

// Ten minutes for Redis, and so many rounds for SQLite, unless the environment says otherwise; CHAOS_SEED
// repeats a run. `npm run chaos -- sqlite`, or `-- runs`, is one of them.
process.env.CHAOS_SECONDS ??= '600';
process.env.CHAOS_ROUNDS ??= '200';

/** @type {import('jest').Config} */
export default {
  ...base,
  testRegex: 'chaos/(chaos|presence|runs|sqlite)\\.spec\\.ts$',
  testPathIgnorePatterns: [],
};

import base from './jest.config.js';

// Ten minutes for Redis, and so many rounds for SQLite, unless the environment says otherwise; CHAOS_SEED
// repeats a run. `npm run chaos -- sqlite`, or `-- runs`, is one of them.
process.env.CHAOS_SECONDS ??= '600';
process.env.CHAOS_ROUNDS ??= '200';

// By its name alone: the path of the checkout may have the same word in it.
const names = ['chaos', 'presence', 'runs', 'sqlite'];
const asked = names.filter((name) => process.argv.includes(name));

/** @type {import('jest').Config} */
export default {
  ...base,
  testRegex: `chaos/(${(asked.length > 0 ? asked : names).join('|')})\\.spec\\.ts$`,
  testPathIgnorePatterns: [],
};

import base from './jest.config.js';

// Ten minutes in all, unless the environment says otherwise; CHAOS_SEED repeats a run.
process.env.CHAOS_SECONDS ??= '600';

/** @type {import('jest').Config} */
export default { ...base, testRegex: 'chaos/chaos\\.spec\\.ts$' };

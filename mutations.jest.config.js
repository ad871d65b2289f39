import { availableParallelism } from 'node:os';
import base from './jest.config.js';

/** Each mistake is a copy of the package that jest never lets go of: so many fit into a process. */
const PARTS = 6;

const { globalSetup, resolver, testEnvironment, roots } = base;
const { extensionsToTreatAsEsm, moduleNameMapper, transform } = base;
const loading = { extensionsToTreatAsEsm, moduleNameMapper, transform };
const project = { globalSetup, resolver, testEnvironment, roots, ...loading };

/** @type {import('jest').Config} */
export default {
  projects: Array.from({ length: PARTS }, (_, at) => ({
    ...project,
    displayName: `part ${at + 1}`,
    testRegex: 'model/mutations\\.spec\\.ts$',
    globals: { part: { at, of: PARTS } },
  })),
  testTimeout: 300_000,
  maxWorkers: availableParallelism(),
};

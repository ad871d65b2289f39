import base, { PROGRAMS } from './jest.config.js';

/** @type {import('jest').Config} */
export default {
  ...base,
  testRegex: PROGRAMS.map((pattern) => pattern.replace('<rootDir>/', '')),
  testPathIgnorePatterns: [],
};

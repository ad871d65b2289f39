module.exports = {
  testRegex: '\\.test\\.ts$',
  // Nest 12 and this package are ES modules: what Jest loads as CommonJS has to be transformed, too.
  transformIgnorePatterns: [],
  transform: {
    '\\.[jt]s$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          target: 'es2022',
        },
        module: { type: 'commonjs' },
      },
    ],
  },
};

import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** For JavaScript, which no compiler looks at. */
const basics = {
  eqeqeq: 'error',
  'no-const-assign': 'error',
  'no-dupe-keys': 'error',
  'no-empty': ['error', { allowEmptyCatch: true }],
  'no-fallthrough': 'error',
  'no-self-assign': 'error',
  'no-unreachable': 'error',
  'no-unsafe-finally': 'error',
  'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
  'no-var': 'error',
  'object-shorthand': 'error',
  'prefer-const': 'error',
  'valid-typeof': 'error',
};

export default defineConfig(
  globalIgnores(['dist/', 'build/', 'coverage/', 'test/.mutant-*/', '**/node_modules/']),
  // A rule that is wrong here is changed here, not switched off where it hurts.
  { linterOptions: { noInlineConfig: true } },
  { files: ['**/*.{js,mjs,cjs}'], rules: basics },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      // `!= null` is for both of JavaScript's nothings.
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'object-shorthand': 'error',
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // An empty string is as good as none, in a query for instance.
      '@typescript-eslint/prefer-nullish-coalescing': [
        'error',
        { ignorePrimitives: { string: true } },
      ],
      // An explicit check of undefined is often what narrows the lines below it.
      '@typescript-eslint/prefer-optional-chain': 'off',
      // `text.match(pattern)` reads better; what it returns is the same.
      '@typescript-eslint/prefer-regexp-exec': 'off',
      // `async` without `await` turns what is thrown into a rejection, which several contracts ask for.
      '@typescript-eslint/require-await': 'off',
      // Listeners and ports with nothing to do are common; a comment in each would say just that.
      '@typescript-eslint/no-empty-function': 'off',
      // Nest declares the options of an application as a class, and everybody gives a literal.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // A Nest module is a class without members.
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // `expect` and test doubles refer to methods without calling them.
      '@typescript-eslint/unbound-method': 'off',
    },
  },
);

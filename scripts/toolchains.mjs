// Compiles and runs test/package/application.ts and greeting.test.ts with each module system, test runner and builder.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './entries.mjs';

const NODE = { module: 'nodenext', moduleResolution: 'nodenext' };
// What `module: commonjs` resolves with: it knows `typesVersions`, not `exports`.
const NODE10 = { module: 'commonjs', moduleResolution: 'node10', ignoreDeprecations: '6.0' };
const BUNDLER = { module: 'esnext', moduleResolution: 'bundler' };

const inFolder = (file) => join('../node_modules', file);
const BUILT = 'dist/application.js';

/** What they need beside TypeScript, Jest and swc. */
export const TOOLCHAIN_PACKAGES = [
  ...['@swc/cli@^0.8.0', 'swc-loader@^0.2.0', 'unplugin-swc@^2.0.0', 'vitest@^4.1.0'],
  ...['webpack@^5.100.0', 'webpack-cli@^7.0.0'],
];

/** Each with what it does in a folder that has the packages; it throws if that does not work. */
export const TOOLCHAINS = {
  'tsc, ESM': (folder) => runCompiled(folder, 'module', 'module', NODE),
  'tsc, CommonJS': (folder) => runCompiled(folder, 'commonjs', 'commonjs', NODE),
  'tsc, CommonJS, node10': (folder) => runCompiled(folder, 'node10', 'commonjs', NODE10),
  'types for a bundler': (folder) => compile(folder, 'bundler', 'module', BUNDLER),
  'Jest, CommonJS': (folder) => runProject(folder, 'jest-cjs', [inFolder('jest/bin/jest.js')]),
  'Jest, ESM': (folder) =>
    runProject(folder, 'jest-esm', ['--experimental-vm-modules', inFolder('jest/bin/jest.js')]),
  Vitest: (folder) => runProject(folder, 'vitest', [inFolder('vitest/vitest.mjs'), 'run']),
  swc: (folder) => {
    const swc = [inFolder('@swc/cli/bin/swc.js'), 'application.ts', '-d', 'dist'];
    return runProject(folder, 'swc', swc, [BUILT]);
  },
  webpack: (folder) => runProject(folder, 'webpack', [inFolder('webpack-cli/bin/cli.js')], [BUILT]),
};

/** Likewise, of a Nest whose packages are CommonJS. */
export const TOOLCHAINS_OF_NEST_11 = {
  'ts-jest': (folder) => runProject(folder, 'ts-jest', [inFolder('jest/bin/jest.js')]),
};

/** Runs a project of `test/package/projects`, with the test and the application in its folder. */
function runProject(folder, project, ...commands) {
  const directory = join(folder, project);
  cpSync(join(root, 'test/package/projects', project), directory, { recursive: true });
  for (const file of ['application.ts', 'greeting.test.ts']) {
    cpSync(join(root, 'test/package', file), join(directory, file));
  }
  for (const command of commands) run(process.execPath, command, directory);
}

function runCompiled(folder, place, type, resolution) {
  compile(folder, place, type, resolution);
  const application = join(folder, place, 'application.js');
  run(process.execPath, ['--disable-warning=ExperimentalWarning', application], folder);
}

/** Compiles the application in a folder of its own, with the types of everything it uses checked. */
function compile(folder, place, type, resolution) {
  const application = readFileSync(join(root, 'test/package/application.ts'), 'utf8');
  compileText(folder, place, type, resolution, application);
}

/** Has the types of modules resolved as TypeScript does it with each kind of module. */
export function resolveTypes(folder, specifiers) {
  const text = specifiers
    .map((specifier, index) => `export type * as Entry${index} from '${specifier}';`)
    .join('\n');
  compileText(folder, 'entries-esm', 'module', NODE, text);
  compileText(folder, 'entries-commonjs', 'commonjs', NODE, text);
  compileText(folder, 'entries-node10', 'commonjs', NODE10, text);
  compileText(folder, 'entries-bundler', 'module', BUNDLER, text);
}

function compileText(folder, place, type, resolution, text) {
  const directory = join(folder, place);
  mkdirSync(directory);
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ type }));
  const compilerOptions = {
    ...resolution,
    target: 'es2022',
    types: ['node'],
    strict: true,
    skipLibCheck: false,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
  };
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
  writeFileSync(join(directory, 'application.ts'), text);
  run(join(folder, 'node_modules/.bin/tsc'), ['-p', directory], folder);
}

/** @throws with what the program printed */
export function run(program, parameters, cwd, environment = {}, timeout = 300_000) {
  return execFileSync(program, parameters, {
    cwd,
    env: { ...process.env, ...environment },
    encoding: 'utf8',
    stdio: 'pipe',
    timeout,
  });
}

export function npmInstall(place, packages) {
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  run('npm', ['install', ...quiet, ...packages], place, {}, 900_000);
}

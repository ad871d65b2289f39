// Packs the package and uses it as an application would: next to a fresh Nest, as ESM and as CommonJS.
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const inFolder = (file) => join('../node_modules', file);
/** What each project runs. */
const PROJECTS = {
  'jest-cjs': [[inFolder('jest/bin/jest.js')]],
  'jest-esm': [['--experimental-vm-modules', inFolder('jest/bin/jest.js')]],
  vitest: [[inFolder('vitest/vitest.mjs'), 'run']],
  swc: [[inFolder('@swc/cli/bin/swc.js'), 'application.ts', '-d', 'dist'], ['dist/application.js']],
  webpack: [[inFolder('webpack-cli/bin/cli.js')], ['dist/application.js']],
};

const root = join(import.meta.dirname, '..');
const { name, devDependencies, exports } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
);
const folder = mkdtempSync(join(tmpdir(), 'check-package-'));

const REQUIRED = ['@nestjs/common', '@nestjs/core', 'reflect-metadata', 'rxjs'];
const OPTIONAL = [
  ...['@nestjs/terminus', '@opentelemetry/api', 'better-sqlite3', 'ioredis'],
  ...['prom-client', 'react'],
];
const TOOLS = [
  ...['@nestjs/platform-express', '@nestjs/testing', '@types/node', '@types/react', 'typescript'],
  ...['@swc/core', '@swc/jest', 'jest'],
];
/** Of runners and builders that this repository itself does not use. */
const OTHERS = [
  ...['@swc/cli@^0.8.0', 'swc-loader@^0.2.0', 'unplugin-swc@^2.0.0', 'vitest@^4.1.0'],
  ...['webpack@^5.100.0', 'webpack-cli@^7.0.0'],
];
const ENTRIES = Object.keys(exports).filter((entry) => entry !== './package.json');
const NODE = { module: 'nodenext', moduleResolution: 'nodenext' };
// What `module: commonjs` resolves with: it knows `typesVersions`, not `exports`.
const NODE10 = { module: 'commonjs', moduleResolution: 'node10', ignoreDeprecations: '6.0' };
const BUNDLER = { module: 'esnext', moduleResolution: 'bundler' };

try {
  const tarball = join(
    folder,
    run('npm', ['pack', '--silent', '--pack-destination', folder], root).trim(),
  );
  step('contains what it should and nothing else', () => checkContents(tarball));
  step('publint', () => run(bin('publint'), ['run', '--strict', tarball]));
  // CommonJS gets the ES modules by require(esm), which is tried below.
  step('arethetypeswrong', () =>
    run(bin('attw'), [tarball, '--profile', 'esm-only', '--no-color']),
  );
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  step('installs beside a fresh Nest', () => install([tarball, ...REQUIRED.map(atOurVersion)]));
  step("'.' needs no optional peer", () => {
    const present = OPTIONAL.filter((peer) => existsSync(join(folder, 'node_modules', peer)));
    if (present.length > 0) throw new Error(`npm has installed ${present.join(', ')}`);
    load('.');
  });
  step('optional peers, runners and builders install', () =>
    install([...[...OPTIONAL, ...TOOLS].map(atOurVersion), ...OTHERS]),
  );
  for (const entry of ENTRIES) step(`import and require of '${entry}'`, () => load(entry));
  step('an ESM application compiles and runs', () => tryApplication('module'));
  step('a CommonJS application compiles and runs', () => tryApplication('commonjs'));
  step('TypeScript with module commonjs and node10 resolution', () => tryApplication('node10'));
  for (const [project, work] of Object.entries(PROJECTS)) {
    step(`a project of ${project}`, () => tryProject(project, work));
  }
  step('types resolve for a bundler', () => compile('bundler', 'module', BUNDLER));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function checkContents(tarball) {
  const files = run('tar', ['-tzf', tarball])
    .trim()
    .split('\n')
    .map((path) => path.replace(/^package\//, ''));
  const allowed =
    /^(dist\/.+\.(js|d\.ts)|docs\/.+|package\.json|README\.md|CHANGELOG\.md|LICENSE)$/;
  const surplus = files.filter((path) => !allowed.test(path));
  const modules = ENTRIES.flatMap((entry) =>
    ['js', 'd.ts'].map((type) => join('dist', entry, `index.${type}`)),
  );
  const missing = ['README.md', 'CHANGELOG.md', 'LICENSE', ...modules].filter(
    (path) => !files.includes(path),
  );
  if (surplus.length > 0)
    throw new Error(`These files do not belong into it: ${surplus.join(', ')}`);
  if (missing.length > 0) throw new Error(`These files are missing: ${missing.join(', ')}`);
}

/** Loads an entry both ways; the two have to be one and the same module. */
function load(entry) {
  const specifier = join(name, entry);
  const program = `
    import { createRequire } from 'node:module';
    const imported = await import('${specifier}');
    const required = createRequire(import.meta.url)('${specifier}');
    if (Object.keys(imported).length === 0) throw new Error('It exports nothing');
    for (const key of Object.keys(imported)) {
      if (imported[key] !== required[key]) throw new Error(key + ' differs between import and require');
    }`;
  run(process.execPath, ['--input-type=module', '-e', program]);
}

function tryApplication(type) {
  if (type === 'node10') compile(type, 'commonjs', NODE10);
  else compile(type, type, NODE);
  run(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    join(folder, type, 'application.js'),
  ]);
}

/** Runs a project of `test/package/projects`, with the test and the application in its folder. */
function tryProject(project, commands) {
  const directory = join(folder, project);
  cpSync(join(root, 'test/package/projects', project), directory, { recursive: true });
  for (const file of ['application.ts', 'greeting.test.ts']) {
    cpSync(join(root, 'test/package', file), join(directory, file));
  }
  for (const command of commands) run(process.execPath, command, directory);
}

/** Compiles the application in a folder of its own, with the types of everything it uses checked. */
function compile(place, type, resolution) {
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
  cpSync(join(root, 'test/package/application.ts'), join(directory, 'application.ts'));
  run(join(folder, 'node_modules/.bin/tsc'), ['-p', directory]);
}

function install(packages) {
  run('npm', [
    'install',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    ...packages,
  ]);
}

function atOurVersion(dependency) {
  return `${dependency}@${devDependencies[dependency]}`;
}

function bin(program) {
  return join(root, 'node_modules/.bin', program);
}

function step(title, work) {
  try {
    work();
    console.log(`ok      ${title}`);
  } catch (error) {
    console.log(`failed  ${title}\n${error.stdout ?? ''}${error.stderr ?? ''}${error.message}`);
    process.exitCode = 1;
  }
}

function run(program, parameters, cwd = folder) {
  return execFileSync(program, parameters, {
    cwd,
    encoding: 'utf8',
    stdio: 'pipe',
    timeout: 300_000,
  });
}

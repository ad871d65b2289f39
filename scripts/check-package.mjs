// Packs the package and uses it as an application would: next to a fresh Nest, as ESM and as CommonJS.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './entries.mjs';
import { npmInstall, resolveTypes, run, TOOLCHAIN_PACKAGES, TOOLCHAINS } from './toolchains.mjs';

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
const ENTRIES = Object.keys(exports).filter((entry) => entry !== './package.json');

try {
  const tarball = join(
    folder,
    run('npm', ['pack', '--silent', '--pack-destination', folder], root).trim(),
  );
  step('contains what it should and nothing else', () => checkContents(tarball));
  step('publint', () => run(bin('publint'), ['run', '--strict', tarball], folder));
  // CommonJS gets the ES modules by require(esm), which is tried below.
  step('arethetypeswrong', () =>
    run(bin('attw'), [tarball, '--profile', 'esm-only', '--no-color'], folder),
  );
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  step('installs beside a fresh Nest', () =>
    npmInstall(folder, [tarball, ...REQUIRED.map(atOurVersion)]),
  );
  step("'.' needs no optional peer", () => {
    const present = OPTIONAL.filter((peer) => existsSync(join(folder, 'node_modules', peer)));
    if (present.length > 0) throw new Error(`npm has installed ${present.join(', ')}`);
    load('.');
  });
  step('optional peers, runners and builders install', () =>
    npmInstall(folder, [...[...OPTIONAL, ...TOOLS].map(atOurVersion), ...TOOLCHAIN_PACKAGES]),
  );
  for (const entry of ENTRIES) step(`import and require of '${entry}'`, () => load(entry));
  step('the types of every entry, for ESM, CommonJS, node10 and a bundler', () =>
    resolveTypes(
      folder,
      ENTRIES.map((entry) => join(name, entry)),
    ),
  );
  for (const [toolchain, tryIt] of Object.entries(TOOLCHAINS)) {
    step(`an application and a test with ${toolchain}`, () => tryIt(folder));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function checkContents(tarball) {
  const files = run('tar', ['-tzf', tarball], folder)
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
  run(process.execPath, ['--input-type=module', '-e', program], folder);
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

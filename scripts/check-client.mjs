// Runs the client against a scripted server in other runtimes: test/client/support/scenario.mjs, by test/client/runtimes.spec.ts.
//
//   npm run check:client
//
// What follows is for Jest, such as `-- --json --outputFile=FILE`. Each runtime is installed in a folder that is removed afterwards.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './entries.mjs';
import { npmInstall, run } from './toolchains.mjs';

const node = (major) => ({
  name: `node${major}`,
  package: `node${major}@npm:node-${process.platform}-${process.arch}@${major}`,
  command: `node${major}/bin/node`,
});

const RUNTIMES = [
  node(20),
  node(22),
  node(24),
  { name: 'bun', package: 'bun@^1.4.5', command: '.bin/bun' },
  { name: 'deno', package: 'deno@^2.9.6', command: '.bin/deno', options: ['run', '--allow-all'] },
];

const SUITE_TIMEOUT = 300_000;
const isInCi = ['true', '1'].includes(process.env.CI ?? '');
const folder = mkdtempSync(join(tmpdir(), 'check-client-'));

try {
  const commands = RUNTIMES.map(commandOf).filter((command) => command !== undefined);
  const suite = ['test', '--silent', '--', '-i', '--verbose', 'test/client/runtimes.spec.ts'];
  const { status } = spawnSync('npm', [...suite, ...process.argv.slice(2)], {
    cwd: root,
    env: { ...process.env, CLIENT_RUNTIMES: commands.join(',') },
    stdio: 'inherit',
    timeout: SUITE_TIMEOUT,
  });
  if (status !== 0) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** How it is started; undefined where it is not to be had, which CI takes for a failure. */
function commandOf({ name, package: wanted, command, options = [] }) {
  const place = mkdtempSync(join(folder, `${name}-`));
  try {
    writeFileSync(join(place, 'package.json'), '{ "private": true }');
    npmInstall(place, [wanted]);
    const program = join(place, 'node_modules', command);
    console.log(`${name}: ${run(program, ['--version'], place).trim().split('\n')[0]}`);
    return [program, ...options].join(' ');
  } catch (error) {
    console.log(`Not run: ${name}: ${wanted} could not be installed: ${error.stderr ?? error}`);
    if (isInCi) process.exitCode = 1;
    return undefined;
  }
}

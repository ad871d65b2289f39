import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const bench = fileURLToPath(new URL('..', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));

/** Installs what the benchmark compares with, and builds the package from its source as it is now. */
export function prepare() {
  if (!existsSync(`${root}node_modules`)) {
    console.error('First run `npm ci` in the root of the repository.');
    process.exit(1);
  }
  if (!existsSync(`${bench}node_modules/better-sse`)) {
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], bench);
  }
  const outDir = `${bench}node_modules/nestjs-event-stream/dist`;
  run('npx', ['tsc', '-p', 'tsconfig.build.json', '--outDir', outDir], root);
  copyFileSync(`${root}package.json`, `${outDir}/../package.json`);
}

function run(command, args, cwd) {
  console.error(`> ${command} ${args.join(' ').replaceAll(root, '')}`);
  const { status } = spawnSync(command, args, { cwd, stdio: ['ignore', 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}

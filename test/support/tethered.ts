import { type ChildProcess, spawn } from 'node:child_process';

/** It turns into the program, which a second process ends when there is nobody who could write to it any more. */
const SCRIPT = 'exec 3<&0; (cat <&3; kill -9 $$) >/dev/null 2>&1 & exec "$0" "$@" </dev/null 3<&-';

/** Starts a program that ends with the process of the test: one that fails, or is killed itself, leaves none behind. */
export function spawnTethered(path: string, args: readonly string[]): ChildProcess {
  const child = spawn('sh', ['-c', SCRIPT, path, ...args], { stdio: ['pipe', 'ignore', 'ignore'] });
  child.stdin.on('error', () => {});
  child.once('exit', () => child.stdin.destroy());
  return child;
}

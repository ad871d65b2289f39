import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Core, loadCore } from './core.js';

/** A mistake that somebody might make: in one file, one text becomes another. */
export interface Mutation {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/**
 * Calls `work` with a copy of the package in which the mistake is made, and removes the copy.
 *
 * @throws Error if the text is not there exactly once, because then nothing would be tested
 */
export async function withMutant<T>(
  mutation: Mutation,
  work: (core: Core) => Promise<T>,
): Promise<T> {
  // Beside the tests, so that the copy finds the same packages; hidden, so that no tool takes it for ours.
  const root = mkdtempSync(join(process.cwd(), 'test', '.mutant-'));
  try {
    for (const part of [
      'errors.ts',
      'options.ts',
      'wire',
      'log',
      'backplane',
      'reader',
      'bus',
      'delivery',
      'control',
      'nest',
    ]) {
      cpSync(join('src', part), join(root, part), { recursive: true });
    }
    mutate(join(root, mutation.file), mutation);
    return await work(await loadCore(root));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function mutate(path: string, { file, from, to }: Mutation): void {
  const source = readFileSync(path, 'utf8');
  const times = source.split(from).length - 1;
  if (times !== 1) throw new Error(`'${from}' is ${times} times in ${file}: the mutation is stale`);
  writeFileSync(
    path,
    source.replace(from, () => to),
  );
}

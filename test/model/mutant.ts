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
    cpSync('src', root, { recursive: true });
    mutate(join(root, mutation.file), mutation);
    return await work(await loadCore(root));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** @throws Error if the text is not there exactly once */
export function checkMutation({ file, from }: Mutation): void {
  soleIn(readFileSync(join('src', file), 'utf8'), file, from);
}

function mutate(path: string, { file, from, to }: Mutation): void {
  const source = readFileSync(path, 'utf8');
  soleIn(source, file, from);
  writeFileSync(
    path,
    source.replace(from, () => to),
  );
}

function soleIn(source: string, file: string, text: string): void {
  const times = source.split(text).length - 1;
  if (times !== 1) throw new Error(`'${text}' is ${times} times in ${file}: the mutation is stale`);
}

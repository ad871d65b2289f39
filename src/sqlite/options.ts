import { resolve } from 'node:path';
import { received, SseError } from '../errors.js';

/**
 * What an acknowledged event survives: `'process'`, that the process is killed; `'power'`, that the machine
 * loses its power.
 */
export type Durability = 'process' | 'power';

/** Options of `sqliteBackplane()`: times in milliseconds. */
export interface SqliteBackplaneOptions {
  /**
   * The file, made if it is not there, in a folder that is there. Two more, `…-wal` and `…-shm`, belong to
   * it and lie beside it. It has to be on a disk of this machine: not on NFS or SMB.
   */
  readonly path: string;
  /**
   * What an acknowledged event survives.
   *
   * @defaultValue `'process'`
   */
  readonly durability?: Durability | undefined;
  /**
   * How long a publish waits, for a lock that another program holds for instance, before it rejects.
   *
   * @defaultValue 5_000
   */
  readonly publishTimeout?: number | undefined;
  /**
   * How long an `idempotencyKey` is remembered.
   *
   * @defaultValue 300_000
   */
  readonly idempotencyWindow?: number | undefined;
}

/** {@link SqliteBackplaneOptions}, complete, checked and frozen. */
export interface SqliteOptions {
  /** Absolute. */
  readonly path: string;
  readonly durability: Durability;
  readonly publishTimeout: number;
  readonly idempotencyWindow: number;
}

const KNOWN = ['path', 'durability', 'publishTimeout', 'idempotencyWindow'];

/** @throws SseError `BAD_OPTION` */
export function resolveSqliteOptions(options: SqliteBackplaneOptions): SqliteOptions {
  const given: unknown = options;
  if (typeof given !== 'object' || given === null) {
    throw bad(`takes an object with 'path'; received ${received(given)}`);
  }
  const unknown = Object.keys(options).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) throw bad(`does not know '${unknown}'; it takes ${KNOWN.join(', ')}`);
  return Object.freeze({
    path: pathOf(options.path),
    durability: durabilityOf(options.durability),
    publishTimeout: wholeNumber('publishTimeout', options.publishTimeout ?? 5_000),
    idempotencyWindow: wholeNumber('idempotencyWindow', options.idempotencyWindow ?? 300_000),
  });
}

function pathOf(path: unknown): string {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw bad(`needs the path of a file as 'path'; received ${received(path)}`);
  }
  if (path.startsWith(':') || path.startsWith('file:')) {
    throw bad(
      `needs the path of a file as 'path', not a name of SQLite's; received ${received(path)}. A log in ` +
        'memory is the default backplane',
    );
  }
  return resolve(path);
}

function durabilityOf(durability: unknown = 'process'): Durability {
  if (durability === 'process' || durability === 'power') return durability;
  throw bad(`needs 'process' or 'power' as 'durability'; received ${received(durability)}`);
}

function wholeNumber(name: string, value: unknown): number {
  const isAllowed = typeof value === 'number' && Number.isInteger(value);
  if (isAllowed && value >= 1 && value <= 2 ** 31 - 1) return value;
  throw bad(
    `needs a whole number from 1 to ${2 ** 31 - 1} as '${name}'; received ${received(value)}`,
  );
}

function bad(message: string): SseError {
  return new SseError('BAD_OPTION', `sqliteBackplane() ${message}`);
}

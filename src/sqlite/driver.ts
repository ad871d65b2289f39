import { createRequire } from 'node:module';
import { messageOf, SseError } from '../errors.js';

export type Value = string | number | null;

/** What is used of `node:sqlite` and of `better-sqlite3`, in which they agree. */
export interface Statement {
  run(...values: readonly Value[]): unknown;
  get(...values: readonly Value[]): unknown;
  all(...values: readonly Value[]): unknown[];
}

export interface Database {
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  close(): unknown;
}

type Opener = (path: string) => Database;

/** What SQLite says in its result codes, as far as it matters here. */
const RESULT_CODES = {
  PERM: 3,
  BUSY: 5,
  LOCKED: 6,
  READONLY: 8,
  IOERR: 10,
  CORRUPT: 11,
  FULL: 13,
  CANTOPEN: 14,
  PROTOCOL: 15,
  NOTADB: 26,
} as const;

export type Result = keyof typeof RESULT_CODES;

/**
 * The driver to use: `node:sqlite` where Node has it, else `better-sqlite3`. SQLite before 3.51.3 has a bug
 * that may damage a file which several connections write and checkpoint at the same moment
 * (https://sqlite.org/wal.html, "The WAL-reset bug"), so a Node with such a version comes second.
 *
 * @throws SseError `BACKPLANE_UNAVAILABLE` if there is neither
 */
export function loadDriver(): Opener {
  const { sqlite } = process.versions;
  if (sqlite !== undefined && hasWalResetFix(sqlite)) {
    const own = loadNodeSqlite();
    if (own !== undefined) return own;
  }
  let reason: unknown;
  try {
    return loadBetterSqlite();
  } catch (error) {
    reason = error;
  }
  const own = loadNodeSqlite();
  if (own !== undefined) return own;
  const isMissing = codeOf(reason) === 'MODULE_NOT_FOUND';
  throw new SseError(
    'BACKPLANE_UNAVAILABLE',
    isMissing
      ? `sqliteBackplane() needs a driver, and Node.js ${process.version} has none: npm install better-sqlite3, ` +
          'or use Node.js 22.13 or later'
      : `better-sqlite3 is installed and cannot be loaded: ${messageOf(reason)}. npm rebuild better-sqlite3 ` +
          'builds it for this Node.js',
    { cause: reason },
  );
}

/** Whether a version of SQLite is free of the WAL-reset bug. */
export function hasWalResetFix(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  if (major !== 3) return major > 3;
  if (minor === 44) return patch >= 6;
  if (minor === 50) return patch >= 7;
  return minor > 51 || (minor === 51 && patch >= 3);
}

/** What SQLite says about a failure; undefined for an error that is not of SQLite. */
export function resultOf(error: unknown): Result | undefined {
  const code = codeOf(error);
  if (typeof code !== 'string') return undefined;
  const names = Object.keys(RESULT_CODES) as Result[];
  if (code === 'ERR_SQLITE_ERROR') {
    const { errcode } = error as { errcode?: unknown };
    return names.find((name) => RESULT_CODES[name] === (Number(errcode) & 0xff));
  }
  return names.find((name) => code === `SQLITE_${name}` || code.startsWith(`SQLITE_${name}_`));
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function loadNodeSqlite(): Opener | undefined {
  const emitWarning = process.emitWarning.bind(process);
  // In a thread of our own: that Node calls its SQLite experimental is nothing the application can act on.
  process.emitWarning = () => {};
  try {
    const loaded: unknown = process.getBuiltinModule('node:sqlite');
    if (loaded === undefined) return undefined;
    const { DatabaseSync } = loaded as { DatabaseSync: new (path: string) => Database };
    return (path) => new DatabaseSync(path);
  } finally {
    process.emitWarning = emitWarning;
  }
}

function loadBetterSqlite(): Opener {
  const loaded: unknown = createRequire(import.meta.url)('better-sqlite3');
  const BetterSqlite = loaded as new (path: string) => Database;
  // What it consists of besides JavaScript is loaded with the first database.
  new BetterSqlite(':memory:').close();
  return (path) => new BetterSqlite(path);
}

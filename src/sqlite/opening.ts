import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { newEpoch, randomDigits } from '../log/epoch.js';
import { currentBoot, isSameBoot } from './boot.js';
import { type Database, loadDriver } from './driver.js';
import { folderError, missingFolderError, NoLogError, noWalError } from './failures.js';
import { identityOf, inodeOf, isSameFile, realPathOf } from './file-identity.js';
import type { LogPlace, NewEpochReason, ThreadOptions } from './protocol.js';
import { createSchema, hasLog, valueOf } from './schema.js';

/** How long, in milliseconds, SQLite itself waits for a lock; then somebody else has a chance. */
const BUSY_TIMEOUT = 20;
/** Bytes that the write-ahead log is cut to when it starts over. */
const WAL_LIMIT = 16 * 2 ** 20;
/** Digits of an epoch that are its time. */
const TIME_DIGITS = 11;

interface LogRow {
  readonly epoch: string;
  readonly head: number;
  readonly boot: string;
  readonly file: string;
  readonly is_synced: number;
}

/** A database that is ready, and why its log goes on in another epoch, if it does. */
export interface OpenDatabase {
  readonly database: Database;
  /** The file that this is, wherever its path leads later: where it lies, and its inode. */
  readonly realPath: string;
  readonly inode: string;
  readonly because: NewEpochReason | undefined;
}

/**
 * Opens the file and settles which epoch its log is in.
 *
 * @param known how far this instance has followed the log that was there before
 * @param rules what a log that begins has to say of them; undefined if none may begin
 * @throws SseError, or what SQLite says
 */
export function openDatabase(
  options: ThreadOptions,
  known: LogPlace | undefined,
  rules: string | undefined,
): OpenDatabase {
  const { path, durability } = options;
  checkPath(path);
  // To open what is not there would make it.
  if (rules === undefined && !existsSync(path)) throw new NoLogError(path);
  const opened = realPathOf(path);
  // Whoever closes last removes it, when everything is in the file and synced.
  const wasLeftOpen = existsSync(`${opened}-wal`);
  const database = loadDriver()(opened);
  try {
    database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT}`);
    if (hasLog(database, path)) markCopy(database);
    else if (rules === undefined) throw new NoLogError(path);
    else database.exec('PRAGMA auto_vacuum = INCREMENTAL');
    const mode = String(valueOf(database, 'journal_mode = WAL'));
    if (mode !== 'wal') throw noWalError(path, mode);
    database.exec(`PRAGMA journal_size_limit = ${WAL_LIMIT}; PRAGMA wal_autocheckpoint = 0`);
    // What is settled here has to be on the disk before anybody is told of an event.
    database.exec('PRAGMA synchronous = FULL; BEGIN IMMEDIATE');
    // By now there is one also where a link led to none.
    const realPath = realPathOf(opened);
    const inode = inodeOf(realPath) ?? '';
    const identity = identityOf(realPath);
    const because = hasLog(database, path)
      ? goOn(database, { identity, wasLeftOpen, durability }, known)
      : begin(database, { identity, durability, rules }, known);
    database.exec('COMMIT');
    if (durability === 'process') database.exec('PRAGMA synchronous = NORMAL');
    return { database, realPath, inode, because };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** An epoch that is greater than another, also when the clock was set back. */
export function epochAfter(epoch: string): string {
  const next = newEpoch();
  if (next > epoch) return next;
  const time = Number.parseInt(epoch.slice(0, TIME_DIGITS), 16) + 1;
  return time.toString(16).padStart(TIME_DIGITS, '0') + randomDigits();
}

/**
 * What `VACUUM INTO` writes has no write-ahead log, and nobody closes a file that way: it is a copy, whatever inode it has.
 * That is written down before the file has one, or nobody would know it after a crash.
 */
function markCopy(database: Database): void {
  if (isInWalMode(database)) return;
  database.exec('BEGIN IMMEDIATE');
  // Somebody else may have opened it meanwhile, and begun a new epoch.
  if (!isInWalMode(database)) database.exec("UPDATE log SET file = ''");
  database.exec('COMMIT');
}

function isInWalMode(database: Database): boolean {
  return valueOf(database, 'journal_mode') === 'wal';
}

function begin(
  database: Database,
  {
    identity,
    durability,
    rules,
  }: { identity: string; durability: string; rules?: string | undefined },
  known: LogPlace | undefined,
): NewEpochReason | undefined {
  createSchema(database);
  const isSynced = durability === 'power' ? 1 : 0;
  database
    .prepare(
      'INSERT INTO log (id, epoch, first, head, bytes, boot, file, is_synced, rules) VALUES (1, ?, 1, 0, 0, ?, ?, ?, ?)',
    )
    .run(epochAfter(known?.epoch ?? ''), currentBoot(), identity, isSynced, rules ?? '');
  return known === undefined ? undefined : 'replaced';
}

/**
 * An epoch goes on only if nothing that was handed out in it can be gone: the file is the one that it was,
 * and what was written to it without a sync was not left to a machine that has lost its power since.
 */
function goOn(
  database: Database,
  now: { identity: string; wasLeftOpen: boolean; durability: string },
  known: LogPlace | undefined,
): NewEpochReason | undefined {
  const row = database
    .prepare('SELECT epoch, head, boot, file, is_synced FROM log')
    .get() as LogRow;
  const boot = currentBoot();
  let because: NewEpochReason | undefined;
  if (known !== undefined && isBehind(row, known)) because = 'replaced';
  else if (!isSameFile(row.file, now.identity)) because = 'copied';
  else if (now.wasLeftOpen && !isSameBoot(row.boot, boot) && row.is_synced === 0) because = 'power';
  const latest = known !== undefined && known.epoch > row.epoch ? known.epoch : row.epoch;
  const epoch = because === undefined ? row.epoch : epochAfter(latest);
  const isClean = !now.wasLeftOpen || because !== undefined;
  const isSynced = now.durability === 'power' && (isClean || row.is_synced === 1) ? 1 : 0;
  database
    .prepare('UPDATE log SET epoch = ?, boot = ?, file = ?, is_synced = ?')
    .run(epoch, boot, now.identity, isSynced);
  return because;
}

/** Whether a log does not have what was read of it, or has begun before the one that was read. */
export function isBehind(log: LogPlace, known: LogPlace): boolean {
  return log.epoch < known.epoch || (log.epoch === known.epoch && log.head < known.head);
}

function checkPath(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) throw folderError(path);
  const folder = dirname(path);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw missingFolderError(folder);
  }
}

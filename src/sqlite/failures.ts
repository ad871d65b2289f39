import { messageOf, SseError } from '../errors.js';
import { type Result, resultOf } from './driver.js';
import { realPathOf } from './file-identity.js';
import type { Failure, NewEpochReason } from './protocol.js';

const UNCHANGED = 'Nothing in it was changed.';

export function asSseError(error: unknown): SseError {
  if (error instanceof SseError) return error;
  return new SseError('BACKPLANE_BROKEN', messageOf(error), { cause: error });
}

/** There is no log in the file yet. The application may be about to begin one. */
export class NoLogError extends SseError {
  constructor(path: string) {
    super(
      'BACKPLANE_UNAVAILABLE',
      `There is no log at '${path}' to publish to, so the event was not published. The application begins one ` +
        "when it starts: start it once, or correct 'path'",
    );
  }
}

export function closedError(): SseError {
  return new SseError(
    'BACKPLANE_CLOSED',
    'Nothing can be published: the application has shut down, or close() was called',
  );
}

/** The file did not take the event in time; it is known not to have it. */
export function waitedError(path: string, timeout: number): SseError {
  return new SseError(
    'BACKPLANE_UNAVAILABLE',
    `'${path}' could not be written to for ${timeout} ms, so the event was not published. Publish it again ` +
      'later; look for a program that holds a transaction open on it, or for a slow disk',
  );
}

/** The event is on its way, and nobody knows how far it got. */
export function unknownError(path: string, what: string): SseError {
  return new SseError(
    'PUBLISH_OUTCOME_UNKNOWN',
    `Whether the event was published to '${path}' is not known: ${what}. Publish with an idempotencyKey, ` +
      'then publishing it again cannot add it twice',
  );
}

export function unreadableError(path: string, what: string): SseError {
  return new SseError('BACKPLANE_UNAVAILABLE', `'${path}' could not be read: ${what}`);
}

export function tooManyError(path: string, count: number): SseError {
  return new SseError(
    'BACKPLANE_UNAVAILABLE',
    `${count} events wait for '${path}' already, so this one was not published. Await what you publish`,
  );
}

export function openedTwiceError(): SseError {
  return new SseError(
    'BACKPLANE_BROKEN',
    'This sqliteBackplane() is in use already: every application needs one of its own',
  );
}

export function folderError(path: string): SseError {
  return new SseError(
    'BACKPLANE_UNAVAILABLE',
    `'${path}' is a folder, and sqliteBackplane() needs a file as 'path': add a name to it, as in ` +
      `'${path}/events.db'`,
  );
}

export function missingFolderError(folder: string): SseError {
  return new SseError(
    'BACKPLANE_UNAVAILABLE',
    `The folder '${folder}', in which sqliteBackplane() is to keep its file, does not exist. Create it, or ` +
      "correct 'path'",
  );
}

export function foreignError(path: string): SseError {
  return new SseError(
    'BACKPLANE_UNAVAILABLE',
    `'${path}' is a database of another program. ${UNCHANGED} Choose another 'path'`,
  );
}

export function newerError(path: string, version: number, known: number): SseError {
  return new SseError(
    'BACKPLANE_UNAVAILABLE',
    `'${path}' was written by a later version of nestjs-event-stream: its format is ${version}, and this one ` +
      `knows ${known}. ${UNCHANGED} Use that version, or another 'path'`,
  );
}

export function olderError(path: string, version: number): SseError {
  return new SseError(
    'BACKPLANE_UNAVAILABLE',
    `'${path}' was written before nestjs-event-stream/sqlite was released, in the format ${version}, which this ` +
      `version does not read. ${UNCHANGED} Move it away, and a new log begins`,
  );
}

export function noWalError(path: string, mode: string): SseError {
  return new SseError(
    'BACKPLANE_UNAVAILABLE',
    `SQLite cannot keep a write-ahead log beside '${path}' (it stays in mode '${mode}'). Choose a 'path' on a ` +
      'disk of this machine, not on NFS or SMB',
  );
}

/** Why clients are told of a gap, for whoever reads the log of the application. */
const REASONS: Readonly<Record<NewEpochReason, string>> = {
  copied: 'is a copy, or was restored from one, so what clients were told last may not be in it',
  power: 'was in use when the machine stopped, so what clients were told last may not be in it',
  replaced: 'does not have what was read from it before',
};

export function newEpochText(path: string, because: NewEpochReason): string {
  return `'${path}' ${REASONS[because]}: a new epoch begins, and clients that come back get a gap`;
}

/** What SQLite says, in words that name the fix. */
const MEANINGS: Readonly<Record<Result, (path: string) => string>> = {
  PERM: readOnly,
  READONLY: readOnly,
  CANTOPEN: readOnly,
  BUSY: (path) =>
    `Another program holds '${path}' locked. End it, or its transaction; a backup is made with ` +
    "'VACUUM INTO'",
  LOCKED: (path) => `Another connection holds '${path}' locked`,
  PROTOCOL: (path) => `Too many programs want to lock '${path}' at once`,
  FULL: (path) => `The disk that '${path}' is on is full. Free some space; publishing then goes on`,
  IOERR: (path) => `The disk that '${path}' is on reports an error`,
  CORRUPT: damaged,
  NOTADB: damaged,
};

function readOnly(path: string): string {
  return (
    `'${path}' cannot be opened for writing. sqliteBackplane() writes this file and two more beside it: give ` +
    "the user that runs the application write permission for the file and its folder, or choose another 'path'"
  );
}

function damaged(path: string): string {
  const realPath = realPathOf(path);
  return (
    `'${realPath}' is damaged, or is no SQLite file at all. ${UNCHANGED} Restore it from a backup, or move it ` +
    `away together with '${realPath}-wal' and '${realPath}-shm', and a new log begins; or correct 'path'`
  );
}

/** Results of SQLite after which a commit may have happened all the same. */
const IN_DOUBT: readonly (Result | undefined)[] = ['IOERR', undefined];

/**
 * An error in a form that crosses threads.
 *
 * @param isCommit whether it came up while events were being committed
 */
export function failureOf(error: unknown, path: string, isCommit: boolean): Failure {
  if (error instanceof SseError) return { code: error.code, message: error.message };
  const result = resultOf(error);
  const meaning = result === undefined ? `'${path}' failed` : MEANINGS[result](path);
  const message = `${meaning} (${messageOf(error)})`;
  if (isCommit && IN_DOUBT.includes(result)) {
    const unknown = unknownError(path, message);
    return { code: unknown.code, message: unknown.message };
  }
  return { code: 'BACKPLANE_UNAVAILABLE', message };
}

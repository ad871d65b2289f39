import type { Database, Statement } from './driver.js';
import { numberOf } from './schema.js';

/** Bytes written between two checkpoints. */
const CHECKPOINT_BYTES = 8 * 2 ** 20;
/** What a commit writes beside its events, in bytes: a few pages that it changes. */
const COMMIT_BYTES = 12_288;
/** Bytes in the write-ahead log that only a reader who never ends can have kept there. */
const WAL_WARNING = 256 * 2 ** 20;
const PAGE_SIZE = 4_096;
/** Pages given back to the file system at a time, and how many have to be free before any are. */
const VACUUM_STEP = 512;
const FREE_PAGES = 1_024;

interface Checkpoint {
  readonly log: number;
  readonly checkpointed: number;
}

/** Keeps the files small: moves what was written into the database, and gives back what is free. */
export class Upkeep {
  readonly #database: Database;
  readonly #walPath: string;
  readonly #checkpoint: Statement;
  #written = 0;
  #hasWarned = false;

  constructor(database: Database, walPath: string) {
    this.#database = database;
    this.#walPath = walPath;
    this.#checkpoint = database.prepare('PRAGMA wal_checkpoint(PASSIVE)');
  }

  /** One commit has written so many bytes of events. */
  note(bytes: number): void {
    this.#written += bytes + COMMIT_BYTES;
  }

  /**
   * Not after each commit beyond a size, as SQLite would by itself: while somebody reads an old state, each
   * attempt sorts the whole write-ahead log and moves nothing. Gives a warning, if there is something to say.
   */
  checkpointIfDue(): string | undefined {
    if (this.#written < CHECKPOINT_BYTES) return undefined;
    this.#written = 0;
    const { log, checkpointed } = this.#checkpoint.get() as Checkpoint;
    const isHeld = log - checkpointed > WAL_WARNING / PAGE_SIZE;
    if (!isHeld) this.#hasWarned = false;
    if (!isHeld || this.#hasWarned) return undefined;
    this.#hasWarned = true;
    return (
      `'${this.#walPath}' has ${Math.round((log * PAGE_SIZE) / 2 ** 20)} MiB and goes on growing, because a ` +
      'program keeps a transaction open on the file. End it'
    );
  }

  giveBackSpace(): void {
    const free = numberOf(this.#database, 'freelist_count');
    if (free < FREE_PAGES || free < numberOf(this.#database, 'page_count') / 4) return;
    this.#database.exec(`PRAGMA incremental_vacuum(${VACUUM_STEP})`);
    // The file is cut by the checkpoint, which nobody may write enough for.
    this.#written = CHECKPOINT_BYTES;
  }
}

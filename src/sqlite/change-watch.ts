import { watch as watchFile } from 'node:fs';

/** Milliseconds from the first sign that something is written to the first look. */
const FIRST_LOOK = 5;
/** Milliseconds between two looks while something is being written, or where nothing tells of that. */
const EAGER = 12;
/** The same while nothing is: what it costs then is a tenth of a per cent of a core. */
const IDLE = 100;
/** Milliseconds after a sign, or a write of one's own, during which something is being written: a commit ends with a sync. */
const WRITING = 250;
/** Changes that were found without a sign before looking is all that is relied on. */
const MISSES = 2;

/** What `node:fs` gives that tells of a file. */
interface Watcher {
  close(): void;
  on(event: 'error', listener: () => void): unknown;
}

/** Has somebody told whenever a file is written to. */
export type WatchFile = (path: string, onWrite: () => void) => Watcher;

/** What is looked at, and who is told. */
export interface Watched {
  /** Where others write first: the write-ahead log. */
  readonly path: string;
  /** Whether others have written since this was asked last; costs some 30 µs. */
  hasChanged(): boolean;
  /** Called when they have, or when that cannot be found out. */
  onChanged(): void;
}

/**
 * Notices that others have written to the file. The file system tells when a write begins; not of each, not when it is
 * committed, and on some volumes never: so it says only when to look often. It tells of one's own writes, too, at a
 * multiple of what they cost: so nobody asks it while there are any.
 */
export class ChangeWatch {
  readonly #watched: Watched;
  readonly #watch: WatchFile;
  #isTelling = true;
  #watcher: Watcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writtenAt = -Infinity;
  #misses = 0;
  #isClosed = false;

  constructor(watched: Watched, watch: WatchFile = watchFile) {
    this.#watched = watched;
    this.#watch = watch;
    this.#listen();
    this.#lookIn(FIRST_LOOK);
  }

  /** This connection is about to write, and sees then what others have written. */
  onOwnWrite(): void {
    if (!this.#isWriting) this.#lookIn(EAGER);
    this.#writtenAt = performance.now();
    this.#stopListening();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#stopListening();
  }

  get #isWriting(): boolean {
    return performance.now() - this.#writtenAt < WRITING;
  }

  #onWrite(): void {
    const isNews = !this.#isWriting;
    this.#writtenAt = performance.now();
    this.#misses = 0;
    if (isNews) this.#lookIn(FIRST_LOOK);
  }

  #listen(): void {
    try {
      this.#watcher = this.#watch(this.#watched.path, () => this.#onWrite());
      this.#watcher.on('error', () => this.#relyOnLooking());
    } catch {
      // There is no more room for one, or it is no such file system.
      this.#relyOnLooking();
    }
  }

  #stopListening(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #relyOnLooking(): void {
    this.#isTelling = false;
    this.#stopListening();
  }

  #lookIn(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (!this.#isClosed) this.#timer = setTimeout(() => this.#look(), milliseconds);
  }

  #look(): void {
    const hasListened = this.#watcher !== undefined;
    // Before the look, or what is written between the two is found late.
    if (this.#isTelling && !hasListened && !this.#isWriting) this.#listen();
    try {
      if (this.#watched.hasChanged()) {
        if (hasListened && !this.#isWriting) this.#misses++;
        this.#watched.onChanged();
      }
    } catch {
      // Whoever reads next is told what is wrong.
      this.#watched.onChanged();
    }
    const isTold = this.#isTelling && this.#misses < MISSES;
    this.#lookIn(isTold && !this.#isWriting ? IDLE : EAGER);
  }
}

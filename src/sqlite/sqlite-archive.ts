import {
  Archive,
  type ArchivedEvent,
  type ArchivePage,
  type ArchiveQuery,
  type ArchiveSize,
  type ArchiveStart,
  type ArchiveTopics,
} from '../backplane/archive.js';
import { eventsOf } from './blocks.js';
import { unreadableError } from './failures.js';
import type { FileThread } from './file-thread.js';
import type { Kind, Requests, Selection } from './protocol.js';

/** How long, in milliseconds, the thread may be late with the answer that its patience has ended. */
const GRACE = 250;

/** Kept topics in the file: see the schema's own comment for how they lie there. */
export class SqliteArchive extends Archive {
  readonly #thread: FileThread;
  readonly #path: string;
  readonly #timeout: number;

  /** @param timeout milliseconds */
  constructor(thread: FileThread, path: string, timeout: number) {
    super();
    this.#thread = thread;
    this.#path = path;
    this.#timeout = timeout;
  }

  override async read(query: ArchiveQuery): Promise<ArchivePage> {
    const { after, upTo, maxEvents, maxBytes } = query;
    const range = { ...selectionOf(query), after, upTo, maxEvents, maxBytes };
    const { values, ...page } = await this.#ask('readKept', { range });
    return { events: eventsOf(values), ...page };
  }

  override async seek(selected: ArchiveTopics, start: ArchiveStart): Promise<number> {
    const asked = { selection: selectionOf(selected), start };
    return (await this.#ask('seekKept', asked)).offset;
  }

  override async latest(selected: ArchiveTopics, upTo: number): Promise<ArchivedEvent | undefined> {
    const asked = { selection: selectionOf(selected), upTo };
    return eventsOf((await this.#ask('latestKept', asked)).values)[0];
  }

  override async size(): Promise<ArchiveSize> {
    return this.#ask('sizeKept', {});
  }

  async #ask<K extends Kind>(kind: K, request: Requests[K]['ask']): Promise<Requests[K]['answer']> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const what = `there was no answer within ${this.#timeout} ms`;
      timer = setTimeout(() => reject(unreadableError(this.#path, what)), this.#timeout + GRACE);
    });
    return Promise.race([this.#thread.ask(kind, request), late]).finally(() => clearTimeout(timer));
  }
}

/** What crosses threads: of a rule, its pattern is all that it is. */
function selectionOf({ topics, epoch }: ArchiveTopics): Selection {
  return { topics: 'matches' in topics ? { pattern: topics.pattern } : topics, epoch };
}

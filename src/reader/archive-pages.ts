import type { Archive, ArchivedEvent } from '../backplane/archive.js';
import { SseError } from '../errors.js';
import type { Entry } from '../log/entry.js';
import type { TopicRule } from '../log/topics.js';

/** What one question to the archive may bring: events, and bytes of their data, roughly. */
export const PAGE_EVENTS = 512;
export const PAGE_BYTES = 262_144;
/** Bytes of pages that are kept for other readers, roughly. */
const CACHE_BYTES = 8 * 1024 * 1024;
/** Milliseconds before the archive is asked again after a failure, doubled up to the longest. */
const SHORTEST_WAIT = 100;
const LONGEST_WAIT = 2_000;

/** A page of one topic, or of what one rule selects. */
export interface Page {
  readonly after: number;
  readonly upTo: number;
  readonly lost: number;
  readonly losses: number;
  readonly entries: readonly Entry[];
}

/** Told when a page has come. */
export interface PageReader {
  /** Whether it has gone: nobody asks again for its sake. */
  readonly isEnded: boolean;
  schedule(): void;
}

interface Request {
  readonly after: number;
  readonly readers: Set<PageReader>;
}

/** The pages of one topic that this instance holds, and those that it has asked for. */
interface Shelf {
  readonly topics: readonly [string] | TopicRule;
  pages: Page[];
  requests: Request[];
}

interface Context {
  readonly archive: Archive;
  /** Of the log, as it is now. */
  readonly epoch: () => string;
  readonly toEntry: (event: ArchivedEvent) => Entry;
  readonly warn: (message: string, error?: unknown) => void;
}

/**
 * What readers need of the archive, read once for all of them: however many clients come back to a topic,
 * and wherever they are in it, each page is asked for once.
 */
export class ArchivePages {
  readonly #context: Context;
  readonly #shelves = new Map<string, Shelf>();
  /** The one that was used last at the end, with what it counts for. */
  readonly #recent = new Map<Page, { readonly shelf: string; readonly bytes: number }>();
  /** The page that was used last: readers ask for each event of it. */
  #last: Page | undefined;
  #bytes = 0;
  #epoch = '';
  #isFailing = false;

  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * The page that has what comes after `after`, or says that nothing does up to `upTo`; undefined while it
   * is being read: then `reader` is told when it is there.
   */
  find(
    topics: readonly [string] | TopicRule,
    after: number,
    upTo: number,
    reader: PageReader,
  ): Page | undefined {
    this.#followEpoch();
    const name = 'matches' in topics ? `matching ${topics.pattern}` : `topic ${topics[0]}`;
    let shelf = this.#shelves.get(name);
    if (shelf === undefined) this.#shelves.set(name, (shelf = { topics, pages: [], requests: [] }));
    const page = shelf.pages.find((each) => each.after <= after && after < each.upTo);
    if (page === undefined) {
      this.#request(name, shelf, after, upTo, reader);
      return undefined;
    }
    if (page !== this.#last) this.#use(page);
    return page;
  }

  /** Asks the archive until it answers, or nobody waits for it any more: then it gives undefined. */
  async ask<T>(
    question: (archive: Archive) => Promise<T>,
    isWanted: () => boolean,
  ): Promise<{ readonly answer: T } | undefined> {
    for (let wait = SHORTEST_WAIT; isWanted(); wait = Math.min(wait * 2, LONGEST_WAIT)) {
      try {
        const answer = await question(this.#context.archive);
        this.#isFailing = false;
        return { answer };
      } catch (error) {
        this.#fail(error);
        await new Promise((resolve) => setTimeout(resolve, wait).unref());
      }
    }
    return undefined;
  }

  #followEpoch(): void {
    const epoch = this.#context.epoch();
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.#shelves.clear();
    this.#recent.clear();
    this.#bytes = 0;
  }

  #request(name: string, shelf: Shelf, after: number, upTo: number, reader: PageReader): void {
    // One that was asked for before, from a lower offset, may bring it.
    const pending = shelf.requests.find((each) => each.after <= after);
    if (pending !== undefined) {
      pending.readers.add(reader);
      return;
    }
    const request: Request = { after, readers: new Set([reader]) };
    shelf.requests.push(request);
    // What another page has need not come again.
    const next = shelf.pages.filter((page) => page.after > after).map((page) => page.after);
    void this.#read(name, shelf, request, Math.min(upTo, ...next));
  }

  async #read(name: string, shelf: Shelf, request: Request, upTo: number): Promise<void> {
    const epoch = this.#epoch;
    const { after, readers } = request;
    const bounds = { maxEvents: PAGE_EVENTS, maxBytes: PAGE_BYTES };
    const found = await this.ask(
      async (archive) => {
        const page = await archive.read({ topics: shelf.topics, epoch, after, upTo, ...bounds });
        if (page.upTo <= after) throw stuckAt(after);
        const entries = page.events.map((event) => this.#context.toEntry(event));
        const { lost, losses } = page;
        return { after, upTo: page.upTo, lost, losses, entries };
      },
      () => epoch === this.#epoch && [...readers].some(({ isEnded }) => !isEnded),
    );
    if (found !== undefined && epoch === this.#epoch) this.#keep(name, shelf, found.answer);
    shelf.requests = shelf.requests.filter((each) => each !== request);
    this.#forgetIfEmpty(name, shelf);
    for (const reader of readers) if (!reader.isEnded) reader.schedule();
  }

  #keep(name: string, shelf: Shelf, page: Page): void {
    const bytes = page.entries.reduce((sum, { cost }) => sum + cost, 256);
    shelf.pages = [...shelf.pages, page].sort((a, b) => a.after - b.after);
    // It comes after the one that was used last.
    this.#last = undefined;
    this.#recent.set(page, { shelf: name, bytes });
    this.#bytes += bytes;
    for (const [oldest] of this.#recent) {
      if (this.#bytes <= CACHE_BYTES || oldest === page) return;
      this.#drop(oldest);
    }
  }

  #use(page: Page): void {
    const use = this.#recent.get(page);
    if (use === undefined) return;
    this.#recent.delete(page);
    this.#recent.set(page, use);
    this.#last = page;
  }

  #drop(page: Page): void {
    const use = this.#recent.get(page);
    if (use === undefined) return;
    this.#recent.delete(page);
    this.#bytes -= use.bytes;
    const shelf = this.#shelves.get(use.shelf);
    if (shelf === undefined) return;
    shelf.pages = shelf.pages.filter((each) => each !== page);
    this.#forgetIfEmpty(use.shelf, shelf);
  }

  #forgetIfEmpty(name: string, shelf: Shelf): void {
    const isEmpty = shelf.pages.length === 0 && shelf.requests.length === 0;
    if (isEmpty && this.#shelves.get(name) === shelf) this.#shelves.delete(name);
  }

  #fail(error: unknown): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#context.warn(
      'The archive cannot be read: clients whose place is older than the tail wait until it can',
      error,
    );
  }
}

export function stuckAt(after: number): SseError {
  return new SseError(
    'BACKPLANE_BROKEN',
    `The archive gave a page that ends where it was to begin, after offset ${after}: see the contract of Archive, 2`,
  );
}

import type { SseErrorCode } from '../errors.js';
import type { ArchiveSize, ArchiveStart } from '../backplane/archive.js';
import type { History } from '../log/log-sink.js';
import type { Durability } from './options.js';
import type { Block } from './blocks.js';
import type { Value } from './driver.js';

/** What the thread that owns the file is started with. */
export interface ThreadOptions {
  readonly path: string;
  readonly durability: Durability;
  /** Undefined for a process that only publishes: the rules are in the file, and how much is kept is for others to see to. */
  readonly history: History | undefined;
  /** Milliseconds that a request may wait for a lock, unless it says otherwise. */
  readonly patience: number;
  /** Milliseconds. */
  readonly idempotencyWindow: number;
  /** How far this instance has followed the log, if the thread takes the place of one that has ended. */
  readonly known?: LogPlace | undefined;
}

/** Where a log ends. */
export interface LogPlace {
  readonly epoch: string;
  readonly head: number;
}

/** The log as the file has it. */
export interface LogState extends LogPlace {
  /** The oldest offset of the tail; the one after `head` if there is none. */
  readonly first: number;
}

export interface Page extends LogState {
  /** As `eventsOf` reads them. */
  readonly values: readonly Value[];
}

/** Why a log that was there goes on in another epoch. */
export type NewEpochReason = 'copied' | 'power' | 'replaced';

export interface Opened extends LogState {
  readonly because: NewEpochReason | undefined;
}

export interface Published {
  readonly epoch: string;
  /** When, in milliseconds since the Unix epoch. */
  readonly at: number;
  /** The head before the batch: what others published comes first. */
  readonly before: number;
  /** The head after it. */
  readonly head: number;
  /** Of each record; undefined if they simply follow one another. */
  readonly offsets: readonly number[] | undefined;
}

/** What of the archive is meant: topics by their names, or a pattern; in one epoch. */
export interface Selection {
  readonly topics: readonly string[] | { readonly pattern: string };
  readonly epoch: string;
}

/** As `ArchiveQuery` has it. */
export interface KeptRange extends Selection {
  readonly after: number;
  readonly upTo: number;
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/** As `ArchivePage` has it. */
export interface KeptPage {
  readonly values: readonly Value[];
  readonly upTo: number;
  readonly lost: number;
  readonly losses: number;
}

/** What went wrong, in a form that crosses threads. */
export interface Failure {
  readonly code: SseErrorCode;
  readonly message: string;
}

/** Milliseconds of a clock that all threads share, and that nobody sets. */
export function sharedTime(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000 + nanoseconds / 1e6;
}

/** What the thread is asked and what it answers. */
export interface Requests {
  open: { readonly ask: object; readonly answer: Opened };
  read: { readonly ask: { readonly after: number }; readonly answer: Page };
  publish: {
    /** `deadline` in the time of {@link sharedTime}: a thread that is late to begin has no more time for it. */
    readonly ask: { readonly blocks: readonly Block[]; readonly deadline: number };
    readonly answer: Published;
  };
  readKept: { readonly ask: { readonly range: KeptRange }; readonly answer: KeptPage };
  seekKept: {
    readonly ask: { readonly selection: Selection; readonly start: ArchiveStart };
    readonly answer: { readonly offset: number };
  };
  latestKept: {
    readonly ask: { readonly selection: Selection; readonly upTo: number };
    readonly answer: { readonly values: readonly Value[] };
  };
  sizeKept: { readonly ask: object; readonly answer: ArchiveSize };
}

export type Kind = keyof Requests;

export type Request =
  | { [K in Kind]: { readonly kind: K; readonly id: number } & Requests[K]['ask'] }[Kind]
  | { readonly kind: 'close' };

export type Answer = Requests[Kind]['answer'];

export type Message =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answer }
  | { readonly kind: 'failure'; readonly id: number; readonly failure: Failure }
  /** Somebody else has written to the file, or it is another one. */
  | { readonly kind: 'changed' }
  | { readonly kind: 'warning'; readonly text: string };

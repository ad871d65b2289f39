import type { EventRecord } from './entry.js';
import type { TopicRetention } from './retention.js';

/** How much of the log an instance keeps in memory. The first bound that is passed trims. */
export interface History {
  readonly maxEvents: number;
  /** Bytes of memory: the encoded events and, as measured, the objects, topics, keys and indexes that hold them. */
  readonly maxBytes: number;
  /** Milliseconds on the monotonic clock, or false for no bound. */
  readonly maxAge: number | false;
  /** Topics that are kept beyond that, in the backplane's archive: the first rule that matches a topic counts. */
  readonly topics?: readonly TopicRetention[] | undefined;
  /** What all of them together may take. */
  readonly archive?: { /** Bytes. */ readonly maxBytes: number } | undefined;
}

/** What is kept unless somebody says otherwise. */
export const DEFAULT_HISTORY: History = Object.freeze({
  maxEvents: 50_000,
  maxBytes: 64 * 1024 * 1024,
  maxAge: false,
});

/** Where a backplane puts what it has ordered: the log of one instance. */
export abstract class LogSink {
  abstract readonly epoch: string;
  /** The offset of the last event that the log knows of. */
  abstract readonly head: number;
  /** Begins a log, or another one: nothing up to `offset` is held. Every reader of the one before has a gap. */
  abstract reset(epoch: string, offset: number): void;
  /** @throws SseError if `offset` is not the one after `head` */
  abstract append(offset: number, record: EventRecord): void;
  /** The events after `head` up to `offset` are gone. Every reader that crosses them has a gap, if the archive does not have them. */
  abstract lose(offset: number): void;
}

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { History, LogSink } from '../log/log-sink.js';
import type { RedisClient } from './redis-client.js';
import { asError, type Link } from './link.js';
import type { LogEnd } from './log-end.js';
import type { LogState, RedisPosition } from './position.js';
import type { Publisher } from './publisher.js';
import { naming } from './refusals.js';
import { RetainedTail } from './retained-tail.js';
import { entriesOf, idOf, parseEntry, type StreamEntry } from './stream-entry.js';

/** How long, in milliseconds, one read waits for events. */
export const BLOCK = 5_000;
/** Entries of one read: what is appended in one turn of the event loop. */
const COUNT = 500;

/** How a tail tells of itself. */
export interface TailEvents {
  /** The sink has everything, and Redis lets the connection read on. */
  onCaughtUp(): void;
  onUnreadableEntry(id: string, reason: string): void;
}

/** What a batch of entries says about the log that it continues. */
type Continuity = 'continued' | 'another log' | 'rewritten';

/**
 * Feeds the sink: loads what Redis retains, then follows the stream from an explicit position over a
 * connection of its own. Each entry has to follow the one before it, or the sink is told what is missing.
 */
export class Tail {
  readonly #sink: LogSink;
  readonly #link: Link;
  readonly #publisher: Publisher;
  readonly #known: LogEnd;
  readonly #retained: RetainedTail;
  readonly #events: TailEvents;
  #at: RedisPosition | undefined;
  /** Where the next read goes on: past entries that are not of this package, too. */
  #position = '';
  #readingSince: number | undefined;
  #lastReadAt: Date | undefined;

  constructor(
    sink: LogSink,
    history: History,
    link: Link,
    publisher: Publisher,
    known: LogEnd,
    events: TailEvents,
  ) {
    this.#sink = sink;
    this.#link = link;
    this.#publisher = publisher;
    this.#known = known;
    this.#retained = new RetainedTail(history, publisher);
    this.#events = events;
  }

  /** The last position that the sink has. */
  get at(): RedisPosition | undefined {
    return this.#at;
  }

  /** When the read that now waits began, on the monotonic clock; undefined while none does. */
  get readingSince(): number | undefined {
    return this.#readingSince;
  }

  get lastReadAt(): Date | undefined {
    return this.#lastReadAt;
  }

  /** Follows until the link is closed. */
  async run(): Promise<void> {
    for (;;) {
      const connection = await this.#link.connected();
      if (connection === undefined) return;
      try {
        await this.#follow(connection);
      } catch (error) {
        this.#readingSince = undefined;
        this.#link.drop(connection, asError(error));
      }
    }
  }

  async #follow(connection: RedisClient): Promise<never> {
    await this.#catchUp(false);
    // Redis may refuse what it is asked for next: only what it has answered has shown that reading works.
    await this.#read(connection, []);
    this.#link.resetBackoff();
    this.#events.onCaughtUp();
    for (;;) await this.#read(connection, ['BLOCK', BLOCK]);
  }

  async #read(connection: RedisClient, wait: readonly (string | number)[]): Promise<void> {
    this.#readingSince = performance.now();
    const { logKey } = this.#publisher;
    const reply = await naming(
      logKey,
      connection.call('xread', ...['COUNT', COUNT, ...wait, 'STREAMS', logKey, this.#position]),
    );
    this.#readingSince = undefined;
    this.#lastReadAt = new Date();
    const continuity = this.#appendAll(entriesOf(reply));
    this.#reached();
    if (continuity !== 'continued') await this.#catchUp(continuity === 'rewritten');
  }

  /** Brings the sink to where the log ends, whatever has happened to the log. */
  async #catchUp(isRewritten: boolean): Promise<void> {
    let continuity: Continuity = isRewritten ? 'rewritten' : 'continued';
    do {
      const { end, now } = await this.#look(continuity);
      const after = this.#at?.epoch === end.epoch ? this.#at : undefined;
      const entries = await this.#retained.load(end, after?.offset, now);
      continuity = await this.#comparePlace(after, entries[0]?.offset ?? end.offset + 1);
      if (continuity !== 'continued') continue;
      if (after === undefined) this.#begin(end, entries[0]);
      continuity = await this.#appendInSlices(entries);
      if (continuity === 'continued') continuity = this.#reach(end);
    } while (continuity !== 'continued');
    this.#lastReadAt = new Date();
    this.#reached();
  }

  /** A log that was rewritten under the same epoch has to become another one, unless a later one is known. */
  #look(continuity: Continuity): Promise<LogState> {
    const at = this.#at;
    if (continuity !== 'rewritten' || at?.epoch !== this.#known.position.epoch) {
      return this.#publisher.verify();
    }
    return this.#publisher.verify({ ...at, offset: Number.MAX_SAFE_INTEGER });
  }

  /** What entries say of the one before them, the stream has to say where some are missing up to `next`. */
  async #comparePlace(at: RedisPosition | undefined, next: number): Promise<Continuity> {
    if (at === undefined || next <= at.offset + 1) return 'continued';
    return (await this.#retained.contradicts(at)) ? 'rewritten' : 'continued';
  }

  /** Begins another log at its first retained entry. */
  #begin(end: RedisPosition, first: StreamEntry | undefined): void {
    const { epoch } = end;
    const at = first === undefined ? end : { epoch, offset: first.offset - 1, id: first.previous };
    this.#sink.reset(epoch, at.offset);
    this.#at = at;
  }

  async #appendInSlices(entries: readonly StreamEntry[]): Promise<Continuity> {
    for (let start = 0; start < entries.length; start += COUNT) {
      if (start > 0) await nextTurn();
      for (const entry of entries.slice(start, start + COUNT)) {
        const continuity = this.#append(entry);
        if (continuity !== 'continued') return continuity;
      }
    }
    return 'continued';
  }

  /** What the stream no longer has, up to its end, is lost. */
  #reach(end: RedisPosition): Continuity {
    const { offset } = this.#at ?? end;
    if (offset > end.offset) return 'rewritten';
    if (offset < end.offset) this.#sink.lose(end.offset);
    this.#at = end;
    this.#position = end.id;
    return 'continued';
  }

  #reached(): void {
    if (this.#at !== undefined) this.#known.reach(this.#at);
  }

  #appendAll(raws: readonly unknown[]): Continuity {
    for (const raw of raws) {
      const entry = parseEntry(raw);
      const continuity = entry === undefined ? 'continued' : this.#append(entry);
      if (continuity !== 'continued') return continuity;
      this.#position = idOf(raw) ?? this.#position;
    }
    return 'continued';
  }

  #append(entry: StreamEntry): Continuity {
    const at = this.#at;
    if (at === undefined || entry.epoch !== at.epoch) return 'another log';
    if (entry.offset <= at.offset) return 'rewritten';
    if (entry.offset === at.offset + 1 && entry.previous !== at.id) return 'rewritten';
    if (entry.offset > at.offset + 1) this.#sink.lose(entry.offset - 1);
    if (typeof entry.record !== 'string') {
      this.#sink.append(entry.offset, entry.record);
    } else {
      // The next attempt would read it again, for ever.
      this.#sink.lose(entry.offset);
      this.#events.onUnreadableEntry(entry.id, entry.record);
    }
    this.#at = entry;
    return 'continued';
  }
}

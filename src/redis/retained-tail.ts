import type { History } from '../log/log-sink.js';
import type { RedisPosition } from './position.js';
import type { Publisher } from './publisher.js';
import { idOf, parseEntry, type StreamEntry } from './stream-entry.js';

/** Entries asked for at a time, so that loading a long log holds up nobody's publish. */
const PAGE = 500;

/** Entries asked for to find one that is of this package. */
const NEIGHBOURS = 10;

/** Reads the end of the stream backwards, as far as the log's bounds allow. */
export class RetainedTail {
  readonly #history: History;
  readonly #publisher: Publisher;

  constructor(history: History, publisher: Publisher) {
    this.#history = history;
    this.#publisher = publisher;
  }

  /**
   * The entries up to `end`, in their order: those after `after`, if the log is followed already, or else
   * all that Redis retains.
   *
   * @param now Redis' clock, in milliseconds
   */
  async load(end: RedisPosition, after: number | undefined, now: number): Promise<StreamEntry[]> {
    const { maxEvents, maxBytes, maxAge } = this.#history;
    const oldest = after === undefined && maxAge !== false ? now - maxAge : 0;
    const count = Math.min(end.offset - (after ?? 0), maxEvents);
    const entries: StreamEntry[] = [];
    let bytes = 0;
    let from = end.id;
    while (entries.length < count) {
      const size = Math.min(count - entries.length, PAGE);
      const page = (await this.#publisher.ask('xrevrange', from, '-', 'COUNT', size)) as unknown[];
      for (const raw of page) {
        from = `(${idOf(raw) ?? '0-0'}`;
        const entry = parseEntry(raw);
        if (entry === undefined) continue;
        bytes += typeof entry.record === 'string' ? 0 : entry.record.text.length;
        const isWanted = entry.epoch === end.epoch && entry.offset > (after ?? 0);
        if (!isWanted || bytes > maxBytes || timeOf(entry) < oldest) return entries.reverse();
        entries.push(entry);
      }
      if (page.length < size) break;
    }
    return entries.reverse();
  }

  /**
   * Whether the stream shows that a place was read in another history of its epoch: in one, ids and offsets grow
   * together. False where the stream does not reach back so far.
   */
  async contradicts({ epoch, offset, id }: RedisPosition): Promise<boolean> {
    // Nothing has been read that could be replaced.
    if (offset === 0) return false;
    const next = await this.#first('xrange', id, '+');
    const last = await this.#first('xrevrange', `(${id}`, '-');
    const least = next?.id === id ? offset : offset + 1;
    const isEarly = next?.epoch === epoch && next.offset < least;
    return isEarly || (last?.epoch === epoch && last.offset >= offset);
  }

  async #first(command: string, from: string, to: string): Promise<StreamEntry | undefined> {
    const page = await this.#publisher.ask(command, from, to, 'COUNT', NEIGHBOURS);
    return (page as unknown[]).map(parseEntry).find((entry) => entry !== undefined);
  }
}

/** When Redis took an entry, in milliseconds by its clock. */
function timeOf({ id }: StreamEntry): number {
  return Number.parseInt(id, 10);
}

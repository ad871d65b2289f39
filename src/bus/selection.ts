import type { Listener } from '../log/audience.js';
import type { Entry } from '../log/entry.js';
import type { Log } from '../log/log.js';
import type { TopicIndex } from '../log/topic-index.js';
import { TopicMatcher } from './matching.js';

interface Source {
  readonly index: TopicIndex;
  position: number;
}

/** The topics that a stream selects, as places in their indexes. */
export class Selection implements Listener {
  readonly #log: Log;
  readonly #topics: readonly string[] | TopicMatcher;
  readonly #sources: Source[];
  readonly #reader: Listener;

  /** @param reader told when there may be something to read */
  constructor(log: Log, topics: readonly string[] | TopicMatcher, reader: Listener) {
    this.#log = log;
    this.#reader = reader;
    this.#topics = topics;
    const indexes =
      topics instanceof TopicMatcher
        ? [log.indexOfRule(topics)]
        : topics.map((topic) => log.indexOf(topic));
    this.#sources = indexes.map((index) => ({ index, position: 0 }));
    for (const index of indexes) index.audience.join(this);
  }

  schedule(): void {
    this.#reader.schedule();
  }

  get names(): readonly string[] {
    return this.#topics instanceof TopicMatcher ? [this.#topics.pattern] : this.#topics;
  }

  /** The last offset that one of the topics lost. */
  get lost(): number {
    let lost = 0;
    for (const { index } of this.#sources) if (index.lost > lost) lost = index.lost;
    return lost;
  }

  seek(offset: number): void {
    for (const source of this.#sources) source.position = source.index.entries.seek(offset);
  }

  /** The first entry after `offset`; offsets asked for never shrink, but for {@link seek}. */
  after(offset: number): Entry | undefined {
    let first: Entry | undefined;
    for (const source of this.#sources) {
      const { entries } = source.index;
      // What was dropped before it was read is a gap, or was not for this stream.
      if (source.position < entries.start) source.position = entries.start;
      let entry = entries.at(source.position);
      while (entry !== undefined && entry.offset <= offset) entry = entries.at(++source.position);
      if (entry !== undefined && (first === undefined || entry.offset < first.offset))
        first = entry;
    }
    return first;
  }

  /** Whether a later entry of its key that `admits` lets through replaces this one, in each topic selected. */
  isReplaced(entry: Entry, admits: (entry: Entry) => boolean): boolean {
    const { key } = entry;
    if (key === undefined) return false;
    return entry.topics.every((topic) => {
      if (!this.#selects(topic)) return true;
      const latest = this.#log.latest(topic, key);
      return latest !== undefined && latest.offset > entry.offset && admits(latest);
    });
  }

  release(): void {
    for (const { index } of this.#sources) index.audience.leave(this);
    if (this.#topics instanceof TopicMatcher) this.#log.releaseRule(this.#topics);
    else for (const topic of this.#topics) this.#log.release(topic);
  }

  #selects(topic: string): boolean {
    return this.#topics instanceof TopicMatcher
      ? this.#topics.matches(topic)
      : this.#topics.includes(topic);
  }
}

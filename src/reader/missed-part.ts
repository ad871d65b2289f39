import { isBefore, type StreamPosition } from '../log/cursor.js';
import type { GapReason } from '../log/event.js';
import type { PageReader } from './archive-pages.js';
import type { ReaderContext } from './reader-context.js';
import type { TopicCursor } from './topic-cursor.js';

/** What a client has missed that comes back to a place before the part of the topic that it is given. */
export class MissedPart {
  #isAny: boolean | 'asked' | undefined;

  /**
   * Why it has a gap: whatever there was of the topic in between is not told any more. Undefined while the archive is asked.
   *
   * @param begin where the part begins
   * @param reader told when the answer is there
   */
  gapAfter(
    place: StreamPosition,
    begin: StreamPosition,
    topics: TopicCursor,
    context: ReaderContext,
    reader: PageReader,
  ): GapReason | 'none' | undefined {
    if (!isBefore(place, begin)) return 'none';
    if (place.epoch !== begin.epoch) return 'epoch';
    this.#isAny ??= this.#find(place, begin, topics, context, reader);
    if (this.#isAny === 'asked') return undefined;
    return this.#isAny ? 'trimmed' : 'none';
  }

  #find(
    place: StreamPosition,
    begin: StreamPosition,
    topics: TopicCursor,
    { history }: ReaderContext,
    reader: PageReader,
  ): boolean | 'asked' {
    const after = place.offset;
    const upTo = begin.offset;
    const kept = topics.keptWhole;
    if (kept === undefined || history === undefined)
      return Math.max(topics.lost, topics.latestUpTo(upTo)?.offset ?? 0) > after;
    const { epoch } = begin;
    history.ask(
      reader,
      `missed ${epoch} ${after} ${upTo} ${topics.selection}`,
      (archive) => archive.read({ topics: kept, epoch, after, upTo, maxEvents: 1, maxBytes: 1 }),
      ({ events, lost }) => {
        this.#isAny = lost > after || events.length > 0;
      },
    );
    return 'asked';
  }
}

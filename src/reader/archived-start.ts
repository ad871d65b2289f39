import type { Archive, ArchiveStart, ArchiveTopics } from '../backplane/archive.js';
import { TOPIC_END } from '../log/topic-end.js';
import { PAGE_BYTES, PAGE_EVENTS, stuckAt } from './archive-pages.js';

/** What the archive has to be asked for, to find where a stream begins. */
export interface StartQuestion {
  readonly start: ArchiveStart;
  /**
   * What the tail has before a hole in it, the last offset first: it counts among the last events, and the archive may
   * have less of it.
   */
  readonly beforeHole?: readonly number[];
  /** Of a time: what the tail knows to be older, whatever the archive says of a log that may have ended there. */
  readonly atLeast?: number | undefined;
}

/** The offset after which the last events, or those since a time, begin. */
export async function seekStart(
  archive: Archive,
  selected: ArchiveTopics,
  { start, beforeHole }: StartQuestion,
): Promise<number> {
  const after = await archive.seek(selected, start);
  if (start.last === undefined || beforeHole === undefined) return after;
  const { last, upTo } = start;
  const archived = await offsetsBetween(archive, selected, after, upTo);
  const offsets = [...new Set([...beforeHole, ...archived])].sort((a, b) => b - a);
  const first = offsets.slice(0, last).at(-1);
  return first === undefined ? upTo : first - 1;
}

async function offsetsBetween(
  archive: Archive,
  selected: ArchiveTopics,
  after: number,
  upTo: number,
): Promise<number[]> {
  const offsets: number[] = [];
  const bounds = { maxEvents: PAGE_EVENTS, maxBytes: PAGE_BYTES };
  for (let read = after; read < upTo;) {
    const page = await archive.read({ ...selected, ...bounds, after: read, upTo });
    if (page.upTo <= read) throw stuckAt(read);
    for (const { offset, record } of page.events) {
      if (record.type !== TOPIC_END) offsets.push(offset);
    }
    read = page.upTo;
  }
  return offsets;
}

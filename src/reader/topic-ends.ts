import type { Entry } from '../log/entry.js';
import type { Log } from '../log/log.js';
import type { PageReader } from './archive-pages.js';
import type { ReaderContext } from './reader-context.js';

type Context = Pick<ReaderContext, 'log' | 'history'>;

/** Which topics of one stream have come to their end, and where. */
export class TopicEnds {
  readonly #topics: readonly string[];
  /** The offset of a topic's last end. */
  readonly #ends = new Map<string, number>();

  constructor(topics: readonly string[]) {
    this.#topics = topics;
  }

  /**
   * Whether all topics have ended, and nothing of them is left after an offset. Undefined while the archive is asked.
   *
   * @param reader told when the archive has answered
   */
  areAllAt(offset: number, context: Context, reader: PageReader): boolean | undefined {
    let isKnown = true;
    let areAll = true;
    for (const topic of this.#topics) {
      const hasMore = hasMoreAfter(offset, topic, context, reader);
      const end = hasMore === true ? undefined : (hasMore ?? endOf(topic, context, reader));
      if (end === 'asked') isKnown = false;
      else if (end === undefined) areAll = false;
      else if (end <= offset) this.#ends.set(topic, end);
      else areAll &&= hasNothingBetween(offset, end, topic, context.log);
    }
    return isKnown ? areAll : undefined;
  }

  /** Takes note of an end, and says whether it was the last of those to come. */
  add(end: Entry, log: Log): boolean {
    return (
      this.#note(end) && this.#topics.every((topic) => this.#isEndedUntil(end.offset, topic, log))
    );
  }

  /**
   * The same of an end that was there before its reader could take it: no topic ends with it that is known to be in use
   * again. Undefined while the archive is asked.
   *
   * @param reader told when the archive has answered
   */
  addOld(end: Entry, context: Context, reader: PageReader): boolean | undefined {
    if (!this.#note(end)) return false;
    const verdicts = this.#topics.map((topic) => {
      const last = this.#ends.get(topic);
      if (last === undefined || mayHaveMissed(topic, last, end.offset, context)) return true;
      return isUsedAfter(last, topic, context, reader);
    });
    if (verdicts.includes(true)) return false;
    return verdicts.includes(undefined) ? undefined : true;
  }

  /** False if it is none of these topics that ends. */
  #note({ topics, offset }: Entry): boolean {
    const ended = this.#topics.filter((topic) => topics.includes(topic));
    for (const topic of ended) this.#ends.set(topic, offset);
    return ended.length > 0;
  }

  /** Whether a topic has ended, and was not used again up to an offset. */
  #isEndedUntil(offset: number, topic: string, log: Log): boolean {
    const end = this.#ends.get(topic);
    if (end === undefined) return false;
    const { entries, lost } = log.indexOf(topic);
    const latest = entries.at(entries.seek(offset) - 1);
    if (mayMiss(end, offset, log)) return false;
    return lost <= end && (latest === undefined || latest.offset <= end);
  }
}

/** Whether a topic has to be looked at more closely: of most topics the last event is none that ends them. */
export function mayHaveEnded(topic: string, { log, history }: Context): boolean {
  const missingUpTo = missingOf(topic, log);
  if (missingUpTo > 0) return history?.has(topic) === true;
  return log.indexOf(topic).entries.newest?.isEnd === true;
}

/**
 * Whether the archive has something of a topic after an offset: whoever is there reads that page in any case, and need
 * not ask how the topic ends. Undefined if it has nothing, or has not been asked.
 */
function hasMoreAfter(
  offset: number,
  topic: string,
  context: Context,
  reader: PageReader,
): true | undefined | 'asked' {
  const { log, history } = context;
  if (history === undefined || !mayHaveEnded(topic, context)) return undefined;
  const missingUpTo = missingOf(topic, log);
  if (missingUpTo <= offset) return undefined;
  const page = history.pages.find([topic], offset, missingUpTo, reader);
  if (page === undefined) return 'asked';
  return page.entries.some((entry) => entry.offset > offset) ? true : undefined;
}

/** Whether something of a topic is known that is later than an end of it. Undefined while the archive is asked. */
function isUsedAfter(
  end: number,
  topic: string,
  context: Context,
  reader: PageReader,
): boolean | undefined {
  const { log, history } = context;
  const { entries, lost } = log.indexOf(topic);
  if (entries.newest !== undefined && entries.newest.offset > end) return true;
  if (history?.has(topic) !== true) return lost > end;
  if (missingOf(topic, log) <= end) return false;
  const more = hasMoreAfter(end, topic, context, reader);
  const last = more ?? endOf(topic, context, reader);
  return last === 'asked' ? undefined : last !== end;
}

/** Whether something of a topic may be gone unheard, after one offset and before another. */
function mayHaveMissed(
  topic: string,
  after: number,
  before: number,
  { log, history }: Context,
): boolean {
  return history?.has(topic) !== true && mayMiss(after, before, log);
}

/** The offset of a topic's end, if that is the last that there is of it. */
function endOf(topic: string, context: Context, reader: PageReader): number | undefined | 'asked' {
  const { log, history } = context;
  if (!mayHaveEnded(topic, context)) return undefined;
  const missingUpTo = missingOf(topic, log);
  return missingUpTo > 0
    ? history?.endOf(topic, log.epoch, missingUpTo, reader)
    : log.indexOf(topic).entries.newest?.offset;
}

/** The offset up to which the tail may miss events of a topic that are later than all it has of it; 0 for none. */
function missingOf(topic: string, log: Log): number {
  const { entries, lost } = log.indexOf(topic);
  const { newest } = entries;
  const hole = log.lastHole;
  if (newest === undefined) return Math.max(lost, hole);
  return hole > newest.offset ? hole : 0;
}

/** Whether the tail may miss something that is after one offset and before another. */
function mayMiss(after: number, before: number, log: Log): boolean {
  const hole = log.holeAfter(after);
  return hole !== undefined && hole.after < before;
}

/** Whether a client that has come to an offset has everything before the end. */
function hasNothingBetween(offset: number, end: number, topic: string, log: Log): boolean {
  const { entries, lost } = log.indexOf(topic);
  if (mayMiss(offset, end, log)) return false;
  return lost <= offset && entries.at(entries.seek(offset))?.offset === end;
}

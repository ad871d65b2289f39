import type { Archive } from '../backplane/archive.js';
import { extentOf, type PatternExtent } from '../log/pattern-extent.js';
import type { RetentionRules } from '../log/retention.js';
import { TopicMatcher } from '../log/matching.js';
import { TOPIC_END } from '../log/topic-end.js';
import type { ArchivePages, PageReader } from './archive-pages.js';

/** Topics whose end, and matchers whose extent, is remembered: of more it is found out again. */
const REMEMBERED = 10_000;

/** The end of a topic of whose last events the tail has nothing, as the archive has it. */
interface ArchivedEnd {
  /** Up to where the tail may have missed something of the topic when the archive was asked, and in which log. */
  readonly epoch: string;
  readonly missingUpTo: number;
  /** Undefined if its last event is none. */
  readonly end: number | undefined;
}

/** Who waits for an answer. */
interface Asker {
  readonly reader: PageReader;
  readonly onAnswer: (answer: unknown) => void;
}

/** What readers find of topics that are kept beyond the tail. */
export class KeptHistory {
  readonly #ends = new Map<string, ArchivedEnd>();
  /** By the question. */
  readonly #asked = new Map<string, Asker[]>();
  /** By the pattern of a matcher. */
  readonly #extents = new Map<string, PatternExtent>();

  constructor(
    readonly archive: Archive,
    readonly pages: ArchivePages,
    private readonly rules: RetentionRules,
  ) {}

  /**
   * Where a topic has ended of whose last events the tail has nothing, asked once for all readers that come meanwhile.
   *
   * @param reader told when the answer is there
   */
  endOf(
    topic: string,
    epoch: string,
    missingUpTo: number,
    reader: PageReader,
  ): number | undefined | 'asked' {
    const known = this.#ends.get(topic);
    if (known?.epoch === epoch && known.missingUpTo === missingUpTo) return known.end;
    this.ask(
      reader,
      `end ${epoch} ${missingUpTo} ${topic}`,
      (archive) => archive.latest({ topics: [topic], epoch }, Number.MAX_SAFE_INTEGER),
      (found) => {
        const end = found?.record.type === TOPIC_END ? found.offset : undefined;
        if (this.#ends.size >= REMEMBERED) this.#ends.clear();
        this.#ends.set(topic, { epoch, missingUpTo, end });
      },
    );
    return 'asked';
  }

  /**
   * Asks the archive for a reader, again and again until it answers, and has the reader read on then.
   *
   * @param name of the question: whoever asks the same meanwhile gets the same answer
   */
  ask<T>(
    reader: PageReader,
    name: string,
    question: (archive: Archive) => Promise<T>,
    onAnswer: (answer: T) => void,
  ): void {
    const asker: Asker = { reader, onAnswer: (answer) => onAnswer(answer as T) };
    const others = this.#asked.get(name);
    if (others !== undefined) {
      others.push(asker);
      return;
    }
    const askers = [asker];
    this.#asked.set(name, askers);
    const isWanted = () => askers.some((each) => !each.reader.isEnded);
    void this.pages.ask(question, isWanted).then((found) => {
      this.#asked.delete(name);
      for (const each of askers) {
        if (found !== undefined) each.onAnswer(found.answer);
        // It came when all others had gone.
        else if (!each.reader.isEnded) this.ask(each.reader, name, question, each.onAnswer);
        each.reader.schedule();
      }
    });
  }

  /** Whether the archive has something of the topic, or of what the matcher selects, and can be asked for it. */
  has(topic: string | TopicMatcher): boolean {
    if (!(topic instanceof TopicMatcher)) return this.rules.keeps(topic);
    return this.archive.knowsRules && this.#extentOf(topic) !== 'none';
  }

  /** Whether it has all that there is: of what a matcher selects, no rule may be for some topics. */
  hasAllOf(topic: string | TopicMatcher): boolean {
    if (!(topic instanceof TopicMatcher)) return this.has(topic);
    return this.archive.knowsRules && this.#extentOf(topic) === 'all';
  }

  #extentOf({ pattern }: TopicMatcher): PatternExtent {
    let extent = this.#extents.get(pattern);
    if (extent === undefined) {
      if (this.#extents.size >= REMEMBERED) this.#extents.clear();
      this.#extents.set(pattern, (extent = extentOf(this.rules.patterns, pattern)));
    }
    return extent;
  }
}

import type { Kept } from './kept.js';
import { admits, concerns, ends, type Lane, type Source } from './lane.js';
import { type Published, selects } from './reference.js';
import type { Moment } from './witness.js';

/** What of the topics of lanes is gone, and who could have known when: by rules and the tail of an instance. */
export class Losses {
  readonly #kept: Kept | undefined;

  constructor(kept: Kept | undefined) {
    this.#kept = kept;
  }

  /**
   * Whether the event was gone at a moment, from every topic for which the lane would have got it.
   *
   * @param isInTail whether the tail had it then
   */
  wasGone(lane: Lane, event: Published, moment: Moment, isInTail: boolean): boolean {
    if (event.epoch !== moment.epoch) return event.epoch < moment.epoch;
    return this.#everyTopic(lane, event, (source, topic) =>
      this.#reads(source, topic)
        ? this.#kept?.hadLost(topic, event, moment.losses) === true ||
          this.#kept?.isReplaced(topic, event) === true
        : !isInTail,
    );
  }

  /** Whether later events of its key stand for it, wherever the lane would have got it. */
  isReplaced(lane: Lane, event: Published): boolean {
    if (event.key === undefined || this.#kept === undefined) return false;
    return this.#everyTopic(
      lane,
      event,
      (source, topic) =>
        this.#reads(source, topic) && this.#kept?.isReplaced(topic, event) === true,
    );
  }

  /** Whether it is still there to be read, so that no gap may take a client past it. */
  isKept(lane: Lane, event: Published): boolean {
    return !this.#everyTopic(
      lane,
      event,
      (source, topic) => !(this.#reads(source, topic) && this.#kept?.has(topic, event)),
    );
  }

  /** Whether a source may be told that the event is gone. */
  isLoss(source: Source, event: Published): boolean {
    if (this.#isVague(source)) return true;
    return this.#topicsOf(source, event).some(
      (topic) => this.#kept?.ruleOf(topic) === undefined || this.#kept.hadLost(topic, event),
    );
  }

  /** Whether the archive has all that there is of what a source selects. */
  readsAll(source: Source): boolean {
    const kept = this.#kept;
    if (kept === undefined) return false;
    if (!source.isPattern) return source.topics.every((topic) => kept.ruleOf(topic) !== undefined);
    const [pattern = ''] = source.topics;
    return kept.readsPatterns && kept.rules.some(({ match }) => isWithin(pattern, match));
  }

  /** Whether a gap may be told to it for something that was none: of other topics, or of a rule that is for some. */
  #isVague(source: Source): boolean {
    return this.#kept?.isVague === true || (source.isPattern && !this.readsAll(source));
  }

  #everyTopic(
    { sources }: Lane,
    event: Published,
    test: (source: Source, topic: string) => boolean,
  ): boolean {
    return sources
      .filter((source) => concerns(source, event) && matters(source, event))
      .every((source) => this.#topicsOf(source, event).every((topic) => test(source, topic)));
  }

  #topicsOf({ topics, isPattern }: Source, event: Published): string[] {
    return event.topics.filter((topic) =>
      isPattern ? selects(topics[0] ?? '', topic) : topics.includes(topic),
    );
  }

  #reads({ isPattern }: Source, topic: string): boolean {
    const kept = this.#kept;
    return kept?.ruleOf(topic) !== undefined && (!isPattern || kept.readsPatterns);
  }
}

/** Whether its client is to get the event, or its stream ends with it. */
function matters(source: Source, { n, isForAll }: Published): boolean {
  return isForAll || admits(source, n) || ends(source, n);
}

/** Whether all that a pattern selects is selected by another one; false where that takes more than a look. */
function isWithin(pattern: string, other: string): boolean {
  if (pattern === other || other === '**') return true;
  return other.endsWith('.**') && pattern.startsWith(other.slice(0, -2));
}

import { TopicMap } from './topic-map.js';

/** Topics are remembered by the generation, of at most so many: the last one, and the one before it. */
const GENERATION = 5_000;
/** Characters of the topics of a generation; long ones make it a short one. */
const CHARACTERS = 500_000;

/**
 * What topics lost that have neither an event in the log nor a reader. Of many topics it knows only the
 * latest one by one; of all others, the last offset that any of them lost.
 */
export class LostTopics {
  #recent = new TopicMap<number>();
  #older = new TopicMap<number>();
  /** Of the topics that were added to the recent ones. */
  #characters = 0;
  #elsewhere = 0;

  /** Gives the last offset that a topic lost, and forgets it. */
  claim(topic: string): number {
    const lost = this.#recent.get(topic) ?? this.#older.get(topic) ?? this.#elsewhere;
    this.#recent.delete(topic);
    this.#older.delete(topic);
    return lost;
  }

  remember(topic: string, lost: number): void {
    if (lost <= this.#elsewhere) return;
    this.#recent.set(topic, lost);
    this.#characters += topic.length;
    if (this.#recent.size < GENERATION && this.#characters < CHARACTERS) return;
    for (const offset of this.#older.values()) {
      if (offset > this.#elsewhere) this.#elsewhere = offset;
    }
    this.#older = this.#recent;
    this.#recent = new TopicMap();
    this.#characters = 0;
  }

  /** The last offset that a topic lost which the pattern selects. */
  lastOf(pattern: string): number {
    let last = this.#elsewhere;
    for (const generation of [this.#older, this.#recent]) {
      for (const lost of generation.selectedBy(pattern)) if (lost > last) last = lost;
    }
    return last;
  }

  /** Events up to `offset`, of nobody knows which topics, are gone. */
  lose(offset: number): void {
    if (offset <= this.#elsewhere) return;
    this.#elsewhere = offset;
    for (const generation of [this.#older, this.#recent]) {
      for (const [topic, lost] of generation) if (lost <= offset) generation.delete(topic);
    }
  }

  /** Every topic lost everything up to `offset`. */
  clear(offset: number): void {
    this.#recent.clear();
    this.#older.clear();
    this.#elsewhere = offset;
  }
}

import type { TopicRule } from './topics.js';

/** Topics are remembered by the generation: the last one, and the one before it. */
const GENERATION = 5_000;

/**
 * What topics lost that have neither an event in the log nor a reader. Of many topics it knows only the
 * latest one by one; of all others, the last offset that any of them lost.
 */
export class LostTopics {
  #recent = new Map<string, number>();
  #older = new Map<string, number>();
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
    if (this.#recent.size < GENERATION) return;
    for (const offset of this.#older.values()) {
      if (offset > this.#elsewhere) this.#elsewhere = offset;
    }
    this.#older = this.#recent;
    this.#recent = new Map();
  }

  /** The last offset that a topic lost which the rule selects. */
  lastOf(rule: TopicRule): number {
    let last = this.#elsewhere;
    for (const generation of [this.#older, this.#recent]) {
      for (const [topic, lost] of generation) if (lost > last && rule.matches(topic)) last = lost;
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

import { NameFilter } from './name-filter.js';

/** The last offset that a topic has lost, or whatever a pattern selects; 0 for nothing. */
export interface Loss {
  readonly lost: number;
  /** When that was published, in milliseconds since the Unix epoch. */
  readonly lostAt: number;
}

const NO_LOSS: Loss = { lost: 0, lostAt: 0 };

/** What all losses of some topics come to: it grows with each event that one of them loses. */
export class Losses {
  lost = 0;
  /** The sum of the last offsets: each topic's own only grows. */
  sum = 0;

  add(lost: number, sum = lost): void {
    if (lost > this.lost) this.lost = lost;
    this.sum += sum;
  }
}

/** What is noted of a topic, so that patterns find it too: its name, and what its first segments are. */
export function namesOfTopic(topic: string): string[] {
  const names = [topic];
  for (let end = topic.indexOf('.'); end >= 0; end = topic.indexOf('.', end + 1)) {
    names.push(topic.slice(0, end + 1));
  }
  return names;
}

/** What to look for: a topic's name, or what all topics of a pattern begin with; empty if that is nothing. */
export function nameToFind(topic: string | { readonly pattern: string }): string {
  if (typeof topic === 'string') return topic;
  const wildcard = topic.pattern.indexOf('*');
  return wildcard < 0 ? topic.pattern : topic.pattern.slice(0, wildcard);
}

/**
 * Kept topics that have had no event for so long that nobody is likely to ask: which they were, in a fixed space,
 * and one loss for all of them. Whoever asks all the same may be told of a loss that was none, and never of none
 * that was.
 */
export class ForgottenTopics {
  readonly #names = new NameFilter();
  #loss = NO_LOSS;
  #sum = 0;

  remember(topic: string, { lost, lostAt }: Loss): void {
    for (const name of namesOfTopic(topic)) this.#names.add(name);
    this.#sum += lost;
    if (lost > this.#loss.lost) this.#loss = { lost, lostAt };
  }

  /** What a topic has lost that is not known, or may be new. */
  lossOf(topic: string): Loss {
    return this.#has(topic) ? this.#loss : NO_LOSS;
  }

  /** Adds what is not known of a topic, or of a pattern. */
  addTo(losses: Losses, topic: string | { readonly pattern: string }): void {
    if (!this.#has(topic)) return;
    losses.add(this.#loss.lost, typeof topic === 'string' ? this.#loss.lost : this.#sum);
  }

  #has(topic: string | { readonly pattern: string }): boolean {
    if (this.#loss.lost === 0) return false;
    const name = nameToFind(topic);
    return name === '' || this.#names.has(name);
  }
}

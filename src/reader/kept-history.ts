import type { Archive } from '../backplane/archive.js';
import type { RetentionRules } from '../log/retention.js';
import { TopicMatcher } from '../log/matching.js';
import type { ArchivePages } from './archive-pages.js';

/** What readers find of topics that are kept beyond the tail. */
export class KeptHistory {
  constructor(
    readonly archive: Archive,
    readonly pages: ArchivePages,
    private readonly rules: RetentionRules,
  ) {}

  /** Asks the archive, again and again until it answers: who waits for it has nothing else to go on from. */
  async ask<T>(question: (archive: Archive) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await question(this.archive);
      } catch (error) {
        await this.pages.afterFailure(error);
      }
    }
  }

  /** Whether the archive can be asked for the topic, or for what the matcher selects. */
  has(topic: string | TopicMatcher): boolean {
    return topic instanceof TopicMatcher
      ? this.archive.knowsRules
      : this.rules.of(topic) !== undefined;
  }
}

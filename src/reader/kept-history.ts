import type { Archive } from '../backplane/archive.js';
import type { RetentionRules } from '../log/retention.js';
import { TopicMatcher } from '../log/matching.js';
import type { ArchivePages, PageReader } from './archive-pages.js';

/** What readers find of topics that are kept beyond the tail. */
export class KeptHistory {
  constructor(
    readonly archive: Archive,
    readonly pages: ArchivePages,
    private readonly rules: RetentionRules,
  ) {}

  /** Asks the archive for a reader, again and again until it answers, and has the reader read on then. */
  ask<T>(
    reader: PageReader,
    question: (archive: Archive) => Promise<T>,
    onAnswer: (answer: T) => void,
  ): void {
    void this.pages
      .ask(question, () => !reader.isEnded)
      .then((found) => {
        if (found !== undefined) onAnswer(found.answer);
        reader.schedule();
      });
  }

  /** Whether the archive can be asked for the topic, or for what the matcher selects. */
  has(topic: string | TopicMatcher): boolean {
    return topic instanceof TopicMatcher
      ? this.archive.knowsRules && !this.rules.isEmpty
      : this.rules.of(topic) !== undefined;
  }
}

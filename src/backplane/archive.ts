import type { EventRecord } from '../log/entry.js';
import type { TopicRule } from '../log/topics.js';

/** What `archive.maxBytes` is where nobody says. */
export const ARCHIVE_BYTES = 256 * 1024 * 1024;

/** An event that outlived the tail. */
export interface ArchivedEvent {
  readonly offset: number;
  readonly record: EventRecord;
}

/** What an {@link Archive} is asked about: topics, or a rule that selects them, in one epoch. */
export interface ArchiveTopics {
  readonly topics: readonly string[] | TopicRule;
  readonly epoch: string;
}

/** A part of what the archive has of some topics. */
export interface ArchiveQuery extends ArchiveTopics {
  /** The offset that is read already. */
  readonly after: number;
  /** The last offset that is of interest. */
  readonly upTo: number;
  /** Events at most, and bytes of their data, roughly; the first event comes whatever its size. */
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/** The events of some topics between two offsets. Offsets that are not there are of other topics. */
export interface ArchivePage {
  /** In the order of the log, each once. */
  readonly events: readonly ArchivedEvent[];
  /** The page is complete up to here: what follows is to be asked for with this as `after`. */
  readonly upTo: number;
  /** The last offset up to which one of the topics may have lost events; 0 if none has. */
  readonly lost: number;
  /**
   * Grows whenever one of the topics loses an event, so that a loss between two pages is seen also if another topic
   * has lost a later one before.
   */
  readonly losses: number;
}

/** Where a stream may begin that is given no cursor: at the last events that there are at an offset, or at a time. */
export type ArchiveStart =
  | { readonly last: number; readonly upTo: number; readonly since?: undefined }
  | {
      readonly last?: undefined;
      readonly upTo?: undefined;
      /** Milliseconds since the Unix epoch. */
      readonly since: number;
    };

/** How much an archive has, as far as its store knows without counting. */
export interface ArchiveSize {
  readonly events?: number | undefined;
  /** As they count for `archive.maxBytes`. */
  readonly bytes?: number | undefined;
  readonly topics?: number | undefined;
}

/**
 * Keeps the events of topics for which a retention rule says so, beyond the tail that every instance has in
 * memory, under the same offsets.
 *
 * 1. It has what `publish` acknowledged, until a bound of the topic's rule, or `archive.maxBytes`, removes it.
 * 2. `read` gives the events of the topics in their order, each once, after one offset and up to another, and
 *    how far the page is complete: always further than it was asked for, also past what cannot be read.
 * 3. What is gone is told: `lost` is the last offset that one of the topics lost, and `losses` grows with each. An
 *    event that `keepLatestPerKey` replaced by a later one of its key is not lost. One that was published without
 *    the topic's rule is, whoever published it, and in an epoch that has ended all are.
 * 4. `seek` gives the offset after which the last events at or before an offset, or those since a time, begin. The end
 *    of a topic, of type `$complete`, is none of the last events. What was lost before that time lies before it.
 * 5. `latest` gives the last event at or before an offset.
 * 6. Each of them rejects, with an `SseError` and within a bound, when the store cannot be asked.
 */
export abstract class Archive {
  /** Whether it can be asked for a rule (`matching()`), and not for topics alone. */
  readonly knowsRules: boolean = true;

  abstract read(query: ArchiveQuery): Promise<ArchivePage>;
  abstract seek(topics: ArchiveTopics, start: ArchiveStart): Promise<number>;
  abstract latest(topics: ArchiveTopics, upTo: number): Promise<ArchivedEvent | undefined>;

  /** How much it has, for metrics; nothing is known of an archive that does not say. */
  async size(): Promise<ArchiveSize> {
    return {};
  }
}

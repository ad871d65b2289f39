import { matching } from '../log/matching.js';
import type { TopicMatcher } from '../log/matching.js';
import { GivenOptions } from '../options.js';

/** Options of `SsePresenceModule`: times in milliseconds. */
export interface SsePresenceOptions {
  /** Whose readers are told, as topics and patterns: `['room.**']`. */
  readonly topics: readonly string[];
  /**
   * What the others are told of a member, from what `identify` says: anything that JSON holds, or a promise of it. Asked
   * when an owner comes; what is told when they leave is the same.
   *
   * @defaultValue `(owner) => ({ owner })`
   */
  readonly describe?: ((owner: string, tags: readonly string[]) => unknown) | undefined;
  /**
   * Milliseconds that somebody without a connection is still there: long enough for a page to reload, and for clients
   * of an instance that stops to come back to another one.
   *
   * @defaultValue `retry.max` of the application, and 5 seconds more
   */
  readonly grace?: number | undefined;
  /**
   * Milliseconds after which who was on an instance that died is not there any more.
   *
   * @defaultValue 10_000
   */
  readonly lease?: number | undefined;
  /**
   * Members of a topic that are told by name; of more only the number is told, until it is half of that again.
   *
   * @defaultValue 500
   */
  readonly maxMembers?: number | undefined;
}

/** {@link SsePresenceOptions}, complete and checked. */
export interface ResolvedPresence {
  readonly topics: readonly TopicMatcher[];
  readonly describe: (owner: string, tags: readonly string[]) => unknown;
  readonly grace: number;
  readonly lease: number;
  readonly maxMembers: number;
}

const KNOWN = ['topics', 'describe', 'grace', 'lease', 'maxMembers'];
/** An instance that is busy for so long is not dead. */
const LEAST_LEASE = 500;
/** Milliseconds that a client has to come back, after what it is told to wait. */
const COMING_BACK = 5_000;

/**
 * @param longestRetry milliseconds that a client waits at most before it comes back
 * @throws SseError `BAD_OPTION`, and `BAD_TOPIC` for a pattern that is none
 */
export function presenceOptions(options: unknown, longestRetry: number): ResolvedPresence {
  const given = new GivenOptions('SsePresenceModule', 'options', options ?? null, KNOWN);
  const topics = given.get('topics');
  if (!Array.isArray(topics) || topics.length === 0) {
    throw given.bad('topics', "an array of topics and patterns, such as ['room.**']");
  }
  const describe = given.function('describe') as ResolvedPresence['describe'] | undefined;
  return Object.freeze({
    topics: topics.map((pattern: string) => matching(pattern)),
    describe: describe ?? ((owner) => ({ owner })),
    grace: given.number('grace', longestRetry + COMING_BACK, { least: 0 }),
    lease: given.number('lease', 10_000, { least: LEAST_LEASE }),
    maxMembers: given.number('maxMembers', 500, { least: 1 }),
  });
}

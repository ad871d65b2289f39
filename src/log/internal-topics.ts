/**
 * Whether a topic holds entries of this package itself, such as orders to close connections: they are in the log
 * like any other event, and neither published, nor streamed, nor matched by users.
 */
export function isInternal(topic: string): boolean {
  return topic.startsWith('$');
}

/** What to say of a topic, or a pattern, that a user may not name. */
export const INTERNAL_RULE =
  "topics that begin with '$' are kept for nestjs-event-stream itself: begin it with something else";

/** How an entry under a topic of this package itself is kept. */
export interface InternalRetention {
  /** Milliseconds. */
  readonly keepFor: number;
  readonly isWhole: boolean;
}

/** What the key of an entry says is kept twice as long under topics that keep each entry by itself. */
const REGISTRY_FACTOR = 2;
const KEPT = /^\$[^.]*\.(keep|whole)(?:\.|$)/;
const KEEP_FOR = /^([1-9]\d{0,14})~/;

/** Whether entries under a topic of this package itself are kept beyond the tail. */
export function isKeptInternally(topic: string): boolean {
  return KEPT.test(topic);
}

/**
 * Such an entry says itself how it is kept, so that no rule, and no option, has to be the same on all instances. Its
 * topic says how: `$name.keep` each by itself, `$name.whole` all of them until so long after the last one; and its key
 * for how many milliseconds: `MS~…`, of `keep` twice that. Undefined for one that is not kept beyond the tail.
 */
export function internalRetention(
  topic: string,
  key: string | undefined,
): InternalRetention | undefined {
  const how = KEPT.exec(topic)?.[1];
  const milliseconds = Number(KEEP_FOR.exec(key ?? '')?.[1]);
  if (how === undefined || Number.isNaN(milliseconds)) return undefined;
  const isWhole = how === 'whole';
  return { keepFor: isWhole ? milliseconds : milliseconds * REGISTRY_FACTOR, isWhole };
}

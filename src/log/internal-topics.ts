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

/** How a topic of this package itself is kept, as its name says. */
export interface InternalRetention {
  readonly keepFor: number;
  readonly isWhole: boolean;
}

const KEPT = /^\$[^.]*\.(keep|whole)-([1-9]\d{0,14})(?:\.|$)/;

/**
 * Such a topic says itself how it is kept, so that no rule has to be the same on all instances: `$name.keep-MS` each
 * event for so many milliseconds, `$name.whole-MS` all of them until so long after the last one. Undefined for one
 * that is not kept beyond the tail.
 */
export function internalRetention(topic: string): InternalRetention | undefined {
  const [, how, milliseconds] = KEPT.exec(topic) ?? [];
  return how === undefined
    ? undefined
    : { keepFor: Number(milliseconds), isWhole: how === 'whole' };
}

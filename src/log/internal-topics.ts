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

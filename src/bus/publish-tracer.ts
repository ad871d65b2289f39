import type { Cursor } from '../log/cursor.js';

/** One publish, as whoever traces it follows it. */
export interface TracedPublish {
  /** `traceparent`, as it travels with the event. */
  readonly trace: string | undefined;
  /** It is in the log, or it is not. */
  end(cursor: Cursor | undefined, error?: unknown): void;
}

/** Told of each publish, in the context of whoever publishes. */
export interface PublishTracer {
  begin(): TracedPublish;
}

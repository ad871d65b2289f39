import type { Backplane, PublishOptions } from '../backplane/backplane.js';
import { consoleLogger } from '../backplane/backplane-logger.js';
import { Publication } from '../bus/publication.js';
import type { Cursor } from '../log/cursor.js';
import type { NewEvent } from '../log/event.js';
import { checkTopics, toRecord } from '../log/event-record.js';
import { checkSchemas, type EventSchemas, validated } from '../log/standard-schema.js';

export type { Backplane, PublishOptions } from '../backplane/backplane.js';
export type { BackplaneLogger } from '../backplane/backplane-logger.js';
export type { Cursor } from '../log/cursor.js';
export type { NewEvent } from '../log/event.js';
export type { EventSchemas, StandardSchema } from '../log/standard-schema.js';
export { SseError, type SseErrorCode } from '../errors.js';

/** Publishes to an application's topics from a process that is not one of its instances. */
export interface EventPublisher<Events extends object = Record<string, unknown>> {
  /**
   * As `EventBus.publish`, with the same checks and the same errors: resolves with the event's cursor once
   * it is kept; never throws; a failure that nobody awaits goes to the console.
   */
  publish(
    topics: string | readonly string[],
    event: NewEvent<Events>,
    options?: PublishOptions,
  ): Promise<Cursor>;
  /** Ends the connection, after what is on its way; a process can end only then. Can be called twice. */
  close(): Promise<void>;
}

/**
 * A publisher for workers, scripts and functions: without Nest, and without reading anything. `Events` maps
 * event types to their data. What is kept is for the instances to say: `history` and `maxLen` are theirs.
 *
 * @param backplane one of its own, with the `key` that the instances have
 * @param options `events`: schemas of the data, as in `SseModule.forRoot()`
 * @throws SseError `BAD_OPTION` for a backplane that reaches no other process; `BACKPLANE_BROKEN` for one in use
 * @example const publisher = createPublisher<Events>(redisBackplane({ url }));
 */
export function createPublisher<Events extends object = Record<string, unknown>>(
  backplane: Backplane,
  options: { readonly events?: EventSchemas | undefined } = {},
): EventPublisher<Events> {
  const logger = consoleLogger('createPublisher');
  const schemas = checkSchemas(options.events);
  backplane.openToPublish();
  const publish = async (topics: unknown, event: unknown, publishing?: PublishOptions) =>
    backplane.publish(toRecord(checkTopics(topics), validated(schemas, event)), publishing);
  return {
    publish: (topics, event, options) =>
      new Publication(publish(topics, event, options), (error) =>
        logger.error(`A publish that nobody awaited failed: ${String(error)}`),
      ),
    close: () => backplane.close(),
  };
}

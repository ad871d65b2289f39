import type { Backplane, PublishOptions } from '../backplane/backplane.js';
import { consoleLogger } from '../backplane/backplane-logger.js';
import { Publication } from '../bus/publication.js';
import { checkPublishOptions } from '../bus/publish-options.js';
import { retentionOptions } from '../bus/retention-options.js';
import type { Cursor } from '../log/cursor.js';
import type { NewEvent } from '../log/event.js';
import { checkTopics, MAX_EVENT_BYTES, toRecord } from '../log/event-record.js';
import type { TopicRetention } from '../log/retention.js';
import { topicEnd } from '../log/topic-end.js';
import { checkSchemas, type EventSchemas, validated } from '../log/standard-schema.js';
import { messageOf, received, SseError } from '../errors.js';
import { traceparentOf } from '../log/traceparent.js';
import { GivenOptions } from '../options.js';

export type { Backplane, PublishOptions } from '../backplane/backplane.js';
export type { BackplaneLogger } from '../backplane/backplane-logger.js';
export type { Cursor } from '../log/cursor.js';
export type { NewEvent } from '../log/event.js';
export type { TopicRetention } from '../log/retention.js';
export type { EventSchemas, StandardSchema } from '../log/standard-schema.js';
export { SseError, type SseErrorCode } from '../errors.js';

/** Publishes to an application's topics from a process that is not one of its instances. */
export interface EventPublisher<Events extends object = Record<string, unknown>> {
  /**
   * As `EventBus.publish`, with the same checks (but class-transformer's) and the same errors: resolves with the event's cursor once
   * it is kept; never throws; a failure that nobody awaits goes to the console.
   */
  publish(
    topics: string | readonly string[],
    event: NewEvent<Events>,
    options?: PublishOptions,
  ): Promise<Cursor>;
  /** As `EventBus.complete`: ends topics, after all that was published to them before. */
  complete(topics: string | readonly string[]): Promise<Cursor>;
  /**
   * Ends the connection, after what is on its way, which may wait `publishTimeout` for Redis; a process can end only then.
   * Can be called twice.
   */
  close(): Promise<void>;
}

/** Options of `createPublisher()`: what its events have to be, and where they are kept, as the instances have it. */
export interface PublisherOptions {
  /**
   * Schemas of the data, as `events` of `SseModule.forRoot()`.
   *
   * @defaultValue none
   */
  readonly events?: EventSchemas | undefined;
  /**
   * `topics`: which topics are kept beyond the log, as `history.topics` of `SseModule.forRoot()`, for a log that no
   * instance has written to yet, in Redis. Otherwise the rules of the instances hold.
   *
   * @defaultValue `{ topics: [] }`
   */
  readonly history?: { readonly topics?: readonly TopicRetention[] | undefined } | undefined;
  /**
   * Bytes of an event's data, as `maxEventBytes` of `SseModule.forRoot()`.
   *
   * @defaultValue 1_048_576
   */
  readonly maxEventBytes?: number | undefined;
  /**
   * Asked at each publish for the `traceparent` (W3C Trace Context) that travels with the event, for instances
   * that trace: `activeTraceparent` of `nestjs-event-stream/metrics/instrumentation`, for instance.
   *
   * @defaultValue none
   */
  readonly traceparent?: (() => string | undefined) | undefined;
}

/**
 * A publisher for workers, scripts and functions: without Nest, and without reading anything. `Events` maps
 * event types to their data. How large log and archive may be, and which topics the archive keeps, is for the
 * instances to say; `history.topics` says it for a log in Redis that none of them has written to yet. A SQLite file has
 * to be there: a publish waits for it, and rejects.
 *
 * @param backplane one of its own, with the `key` or `path` that the instances have
 * @throws SseError `BAD_OPTION` for what is no backplane, and for one that reaches no other process; `BAD_TOPIC` for a pattern in
 *   `history.topics` that is none; `BACKPLANE_BROKEN` for a backplane in use
 * @example const publisher = createPublisher<Events>(redisBackplane({ url }));
 */
export function createPublisher<Events extends object = Record<string, unknown>>(
  backplane: Backplane,
  options: PublisherOptions = {},
): EventPublisher<Events> {
  const given = new GivenOptions('createPublisher()', 'options', options, [
    'events',
    'history',
    'maxEventBytes',
    'traceparent',
  ]);
  const schemas = checkSchemas(given.get('events'));
  const topics = retentionOptions(given.nested('history', ['topics']));
  const maxBytes = given.number('maxEventBytes', MAX_EVENT_BYTES, { least: 1 });
  const traceparent = given.function('traceparent') as (() => string | undefined) | undefined;
  const logger = consoleLogger('createPublisher');
  if (typeof (backplane as Partial<Backplane> | undefined)?.openToPublish !== 'function') {
    throw new SseError(
      'BAD_OPTION',
      `createPublisher() takes a backplane, such as redisBackplane({ url }); received ${received(backplane)}`,
    );
  }
  backplane.openToPublish(topics);
  const publish = async (topics: unknown, event: unknown, publishing?: PublishOptions) => {
    const record = toRecord(checkTopics(topics), validated(schemas, event), { maxBytes });
    if (publishing !== undefined) checkPublishOptions('publisher.publish()', publishing);
    const trace = traceparentOf(traceparent?.());
    return backplane.publish(trace === undefined ? record : { ...record, trace }, publishing);
  };
  let closing: Promise<void> | undefined;
  const complete = async (topics: unknown) => backplane.publish(topicEnd(checkTopics(topics)));
  return {
    publish: (topics, event, options) =>
      Publication.of(publish(topics, event, options), (error) =>
        logger.error(`A publish that nobody awaited failed: ${messageOf(error)}`),
      ),
    complete: (topics) =>
      Publication.of(complete(topics), (error) =>
        logger.error(`The end of a topic that nobody awaited failed: ${messageOf(error)}`),
      ),
    close: () => (closing ??= backplane.close()),
  };
}

import { messageOf, SseError } from '../errors.js';
import {
  Backplane,
  type BackplaneHealth,
  type CatchUpOptions,
  type PublishOptions,
} from '../backplane/backplane.js';
import { DEFAULT_HISTORY, type History, type LogSink } from '../log/log-sink.js';
import type { Cursor } from '../log/cursor.js';
import type { EventRecord } from '../log/entry.js';
import type { TopicRetention } from '../log/retention.js';
import { describeSource, newClient } from './redis-client.js';
import { LogEnd } from './log-end.js';
import { Link, within } from './link.js';
import type { RedisOptions } from './options.js';
import { Availability } from './availability.js';
import { closedError } from './publish-errors.js';
import { RedisArchive } from './redis-archive.js';
import { withAdvice } from './refusals.js';
import { Publisher } from './publisher.js';
import { Tail } from './tail.js';
import { Watch } from './watch.js';

/** How long, in milliseconds, closing waits for publishes that are on their way. */
const LAST_PUBLISHES = 250;

const MAY_START_FIRST =
  "Start it or correct 'url'; an application that may start first sets waitForRedis";

/** What an open backplane consists of. */
interface Parts {
  readonly publisher: Publisher;
  readonly links: readonly Link[];
  /** Undefined if it only publishes. */
  readonly tail?: Tail;
  readonly watch?: Watch;
  readonly availability: Availability;
  readonly known: LogEnd;
  readonly archive: RedisArchive | undefined;
}

/** How opening goes on: there is one outcome, and what comes later changes nothing. */
interface Start {
  onCaughtUp(): void;
  onFailure(error: Error): void;
}

/** Orders events in a Redis stream, which every instance tails. Made by `redisBackplane()`. */
export class RedisBackplane extends Backplane {
  readonly #options: RedisOptions;
  #parts: Parts | undefined;

  /** @internal */
  constructor(options: RedisOptions) {
    super();
    this.#options = options;
  }

  override get archive(): RedisArchive | undefined {
    return this.#parts?.archive;
  }

  override get health(): BackplaneHealth {
    const { availability, tail, known } = this.#parts ?? {};
    return {
      isConnected: availability?.isConnected ?? false,
      lastReadAt: tail?.lastReadAt,
      lagEvents: known?.lagEvents ?? 0,
      lagMs: known?.lagMs ?? 0,
    };
  }

  /** @throws SseError `BACKPLANE_UNAVAILABLE` if Redis is away, unless `waitForRedis` says to wait */
  override async open(sink: LogSink, history: History): Promise<void> {
    this.#claim();
    const { waitForRedis, source } = this.#options;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#parts = this.#start(sink, history, {
          onCaughtUp: resolve,
          onFailure: (error) => {
            if (waitForRedis === 0) reject(error);
          },
        });
        if (!Number.isFinite(waitForRedis) || waitForRedis === 0) return;
        const late = new Error(`not within ${waitForRedis} ms`);
        setTimeout(() => reject(late), waitForRedis).unref();
      });
    } catch (cause) {
      await this.close();
      throw new SseError(
        'BACKPLANE_UNAVAILABLE',
        `${describeSource(source)} is needed to start and was not to be had: ` +
          withAdvice(messageOf(cause), MAY_START_FIRST),
        { cause },
      );
    }
  }

  /** One connection, to publish with. Redis may be away: a publish waits `publishTimeout` for it. */
  override openToPublish(topics?: readonly TopicRetention[]): void {
    this.#claim();
    const { source } = this.#options;
    const availability = new Availability(describeSource(source), true, this.logger);
    // Nothing is read, so nothing can be out of reach but what is written to.
    availability.onReadable();
    const known = new LogEnd();
    const link = this.#writingLink(
      availability,
      () => publisher,
      () => {},
    );
    const history = { ...DEFAULT_HISTORY, topics };
    const publisher = new Publisher(
      this.#options,
      history,
      'from outside',
      link,
      known,
      availability,
    );
    link.open();
    this.#parts = { publisher, links: [link], availability, known, archive: undefined };
  }

  override async publish(record: EventRecord, options: PublishOptions = {}): Promise<Cursor> {
    if (this.#parts === undefined) throw closedError();
    return this.#parts.publisher.publish(record, options);
  }

  override async catchUp({ atOnce = false }: CatchUpOptions = {}): Promise<void> {
    const parts = this.#parts;
    if (parts === undefined) return;
    if (atOnce) await parts.publisher.idle();
    const isCaughtUp = parts.known.catchUps.wait();
    // If it fails, the watch looks again when Redis is back.
    if (atOnce) void parts.publisher.look().catch(() => {});
    await isCaughtUp;
  }

  override async close(): Promise<void> {
    const parts = this.#parts;
    if (parts === undefined) return;
    this.#parts = undefined;
    parts.watch?.close();
    parts.known.catchUps.close();
    // A publisher outside may not be connected yet, and its process has nothing else to do.
    const isOutside = parts.tail === undefined;
    if (!parts.publisher.isIdle && (isOutside || parts.availability.isConnected)) {
      // Longer than each of them waits, so that it is told why it failed.
      const bound = LAST_PUBLISHES + (isOutside ? this.#options.publishTimeout : 0);
      await within(parts.publisher.idle(), bound, '').catch(() => {});
    }
    parts.publisher.close();
    await Promise.all(parts.links.map((link) => link.close()));
  }

  #start(sink: LogSink, history: History, start: Start): Parts {
    const { source, publishTimeout, checkInterval } = this.#options;
    const availability = new Availability(
      describeSource(source),
      this.#options.waitForRedis > 0,
      this.logger,
    );
    const known = new LogEnd();
    const writing = this.#writingLink(
      availability,
      () => publisher,
      (error) => start.onFailure(error),
    );
    const reading = new Link(() => newClient(source, 'read'), publishTimeout, {
      onDown: (error) => {
        availability.onUnreadable(error);
        start.onFailure(error);
      },
    });
    const publisher = new Publisher(
      this.#options,
      history,
      'as instance',
      writing,
      known,
      availability,
    );
    const tail = new Tail(sink, history, reading, publisher, known, {
      onCaughtUp: () => {
        availability.onReadable();
        start.onCaughtUp();
      },
      onUnreadableEntry: (id, reason) => availability.onUnreadableEntry(id, reason),
    });
    const times = { interval: checkInterval, patience: publishTimeout };
    const watch = new Watch(tail, publisher, times, (why) => {
      if (reading.connection !== undefined) reading.drop(reading.connection, new Error(why));
    });
    const archive = new RedisArchive(publisher, (keys) => availability.onWrongKeys(keys));
    writing.open();
    reading.open();
    void tail.run();
    return { publisher, tail, links: [writing, reading], watch, availability, known, archive };
  }

  #writingLink(
    availability: Availability,
    publisher: () => Publisher,
    onFailure: (error: Error) => void,
  ): Link {
    const { source, publishTimeout } = this.#options;
    return new Link(() => newClient(source, 'publish'), publishTimeout, {
      onUp: () =>
        void publisher()
          .verify()
          .catch(() => {}),
      onDown: (error) => {
        availability.onUnwritable(error);
        onFailure(error);
      },
    });
  }

  #claim(): void {
    if (this.#parts === undefined) return;
    throw new SseError(
      'BACKPLANE_BROKEN',
      'This redisBackplane() is in use already: every application needs one of its own',
    );
  }
}

import { setTimeout as elapse } from 'node:timers/promises';
import { Backplane, type BackplaneHealth, type PublishOptions } from '../backplane/backplane.js';
import { type History, type LogSink } from '../log/log-sink.js';
import type { Cursor } from '../log/cursor.js';
import type { EventRecord } from '../log/entry.js';
import type { Archive } from '../backplane/archive.js';
import { Availability } from './availability.js';
import { closedError, newEpochText, openedTwiceError } from './failures.js';
import { FileThread } from './file-thread.js';
import { Follower } from './follower.js';
import { SqliteArchive } from './sqlite-archive.js';
import type { SqliteOptions } from './options.js';
import type { ThreadOptions } from './protocol.js';
import { OutsidePublisher } from './outside-publisher.js';
import { PublishQueue } from './publish-queue.js';

/** How long, in milliseconds, an instance that closes waits for publishes that are on their way. */
const LAST_PUBLISHES = 250;

/** What an open backplane consists of. */
interface Parts {
  readonly thread: FileThread;
  readonly queue: PublishQueue;
  readonly publisher: Follower | OutsidePublisher;
  /** Undefined if it only publishes. */
  readonly follower: Follower | undefined;
  readonly availability: Availability;
  readonly archive: Archive | undefined;
}

/** Orders events in a SQLite file, which every process that shares it follows. Made by `sqliteBackplane()`. */
export class SqliteBackplane extends Backplane {
  readonly #options: SqliteOptions;
  #parts: Parts | undefined;
  #isOpened = false;

  /** @internal */
  constructor(options: SqliteOptions) {
    super();
    this.#options = options;
  }

  override get archive(): Archive | undefined {
    return this.#parts?.archive;
  }

  override get health(): BackplaneHealth {
    const { availability, follower } = this.#parts ?? {};
    return {
      isConnected: availability?.isConnected ?? false,
      lastReadAt: follower?.lastReadAt,
      lagEvents: follower?.lagEvents ?? 0,
      lagMs: follower?.lagMs ?? 0,
    };
  }

  /** @throws SseError `BACKPLANE_UNAVAILABLE` if the file cannot be used, saying why and what to do */
  override async open(sink: LogSink, history: History): Promise<void> {
    this.#claim();
    const { follower, ...parts } = this.#follow(sink, history);
    this.#parts = { ...parts, follower, publisher: follower };
    try {
      const because = await follower.open();
      if (because === undefined) return;
      parts.availability.warn(newEpochText(this.#options.path, because));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** The rules are in the file. There has to be one: a publish waits `publishTimeout` for it. */
  override openToPublish(): void {
    this.#claim();
    const { path, publishTimeout } = this.#options;
    const availability = new Availability(path, this.logger);
    const queue = new PublishQueue(path, publishTimeout);
    const thread = new FileThread(this.#threadOptions(undefined), {
      onChanged: () => {},
      onWarning: (text) => availability.warn(text),
      onEnded: (error) => availability.onDown(error),
      known: () => undefined,
    });
    const publisher = new OutsidePublisher(thread, queue, availability);
    this.#parts = {
      ...{ thread, queue, publisher, availability },
      ...{ follower: undefined, archive: undefined },
    };
  }

  override publish(record: EventRecord, options: PublishOptions = {}): Promise<Cursor> {
    if (this.#parts === undefined) return Promise.reject(closedError());
    const { queue, publisher } = this.#parts;
    const publication = queue.add(record, options);
    publisher.wake();
    return publication;
  }

  override async catchUp(): Promise<void> {
    await this.#parts?.follower?.catchUp();
  }

  override async close(): Promise<void> {
    const parts = this.#parts;
    if (parts === undefined) return;
    this.#parts = undefined;
    const { queue, follower, thread } = parts;
    // A script has nothing else to do; an instance has others that want to end.
    const patience = follower === undefined ? this.#options.publishTimeout : LAST_PUBLISHES;
    const end = performance.now() + patience;
    while (!queue.isIdle && performance.now() < end) await elapse(1);
    follower?.close();
    await thread.close();
    queue.close(closedError());
  }

  #claim(): void {
    if (this.#isOpened) throw openedTwiceError();
    this.#isOpened = true;
  }

  #threadOptions(history: History | undefined): ThreadOptions {
    const { path, durability, publishTimeout, idempotencyWindow } = this.#options;
    const own = history && { ...history };
    return { path, durability, history: own, patience: publishTimeout, idempotencyWindow };
  }

  #follow(sink: LogSink, history: History) {
    const { path, publishTimeout } = this.#options;
    const availability = new Availability(path, this.logger);
    const queue = new PublishQueue(path, publishTimeout);
    const thread = new FileThread(this.#threadOptions(history), {
      onChanged: () => follower.onChanged(),
      onWarning: (text) => availability.warn(text),
      onEnded: (error) => {
        availability.onDown(error);
        follower.onChanged();
      },
      known: () => (sink.epoch === '' ? undefined : { epoch: sink.epoch, head: sink.head }),
    });
    const follower = new Follower(sink, thread, queue, availability);
    const archive = new SqliteArchive(thread, path, publishTimeout);
    return { thread, queue, follower, availability, archive };
  }
}

import { setTimeout as elapse } from 'node:timers/promises';
import { Backplane, type BackplaneHealth, type PublishOptions } from '../backplane/backplane.js';
import { type History, type LogSink } from '../log/log-sink.js';
import type { Cursor } from '../log/cursor.js';
import type { EventRecord } from '../log/entry.js';
import type { Archive } from '../backplane/archive.js';
import { Availability } from './availability.js';
import { closedError, openedTwiceError } from './failures.js';
import { FileThread } from './file-thread.js';
import { Follower } from './follower.js';
import { SqliteArchive } from './sqlite-archive.js';
import type { SqliteOptions } from './options.js';
import type { NewEpochReason } from './protocol.js';
import { PublishQueue } from './publish-queue.js';

/** How long, in milliseconds, closing waits for publishes that are on their way. */
const LAST_PUBLISHES = 250;

/** Why clients are told of a gap, for whoever reads the log of the application. */
const REASONS: Readonly<Record<NewEpochReason, string>> = {
  copied: 'is a copy, or was restored from one, so what clients were told last may not be in it',
  power: 'was in use when the machine stopped, so what clients were told last may not be in it',
  replaced: 'does not have what was read from it before',
};

/** What an open backplane consists of. */
interface Parts {
  readonly thread: FileThread;
  readonly queue: PublishQueue;
  readonly follower: Follower;
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
    if (this.#isOpened) throw openedTwiceError();
    this.#isOpened = true;
    this.#parts = this.#start(sink, history);
    try {
      const because = await this.#parts.follower.open();
      if (because === undefined) return;
      this.#parts.availability.warn(
        `'${this.#options.path}' ${REASONS[because]}: a new epoch begins, and clients that come back get a gap`,
      );
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  override publish(record: EventRecord, options: PublishOptions = {}): Promise<Cursor> {
    if (this.#parts === undefined) return Promise.reject(closedError());
    const { queue, follower } = this.#parts;
    const publication = queue.add(record, options);
    follower.wake();
    return publication;
  }

  override async catchUp(): Promise<void> {
    await this.#parts?.follower.catchUp();
  }

  override async close(): Promise<void> {
    const parts = this.#parts;
    if (parts === undefined) return;
    this.#parts = undefined;
    const { queue, follower, thread } = parts;
    const end = performance.now() + LAST_PUBLISHES;
    while (!queue.isIdle && performance.now() < end) await elapse(1);
    follower.close();
    await thread.close();
    queue.close(closedError());
  }

  #start(sink: LogSink, history: History): Parts {
    const { path, durability, publishTimeout, idempotencyWindow } = this.#options;
    const availability = new Availability(path);
    const queue = new PublishQueue(path, publishTimeout);
    const thread = new FileThread(
      { path, durability, history: { ...history }, patience: publishTimeout, idempotencyWindow },
      {
        onChanged: () => follower.onChanged(),
        onWarning: (text) => availability.warn(text),
        onEnded: (error) => {
          availability.onDown(error);
          follower.onChanged();
        },
        known: () => (sink.epoch === '' ? undefined : { epoch: sink.epoch, head: sink.head }),
      },
    );
    const follower = new Follower(sink, thread, queue, availability);
    const archive = new SqliteArchive(thread, path, publishTimeout);
    return { thread, queue, follower, availability, archive };
  }
}

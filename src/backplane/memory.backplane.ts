import { SseError } from '../errors.js';
import { Backplane, type BackplaneHealth, type PublishOptions } from './backplane.js';
import { type LogSink } from '../log/log-sink.js';
import { type Cursor, formatCursor } from '../log/cursor.js';
import type { EventRecord } from '../log/entry.js';
import { newEpoch } from '../log/epoch.js';

/** How long, in milliseconds, an idempotency key is remembered. */
const IDEMPOTENCY_WINDOW = 300_000;

/** The backplane of a single instance: it numbers the events itself, and they go when the process goes. */
export class MemoryBackplane extends Backplane {
  override readonly isLocal = true;
  readonly #cursors = new Map<string, { cursor: Cursor; at: number }>();
  #sink: LogSink | undefined;
  #lastReadAt: Date | undefined;

  override get health(): BackplaneHealth {
    const isConnected = this.#sink !== undefined;
    return { isConnected, lastReadAt: this.#lastReadAt, lagEvents: 0, lagMs: 0 };
  }

  override async open(sink: LogSink): Promise<void> {
    sink.reset(newEpoch(), 0);
    this.#sink = sink;
    this.#lastReadAt = new Date();
  }

  override async publish(record: EventRecord, options: PublishOptions = {}): Promise<Cursor> {
    const sink = this.#sink;
    if (sink === undefined) {
      throw new SseError(
        'BACKPLANE_CLOSED',
        'The application has shut down: nothing can be published',
      );
    }
    const { idempotencyKey } = options;
    const first = idempotencyKey === undefined ? undefined : this.#cursorOf(idempotencyKey);
    if (first !== undefined) return first;
    const offset = sink.head + 1;
    sink.append(offset, record);
    const cursor = formatCursor(sink.epoch, offset);
    if (idempotencyKey !== undefined) this.#cursors.set(idempotencyKey, { cursor, at: Date.now() });
    return cursor;
  }

  override async catchUp(): Promise<void> {}

  override async close(): Promise<void> {
    this.#sink = undefined;
    this.#cursors.clear();
  }

  #cursorOf(idempotencyKey: string): Cursor | undefined {
    const expired = Date.now() - IDEMPOTENCY_WINDOW;
    for (const [key, { at }] of this.#cursors) {
      if (at > expired) break;
      this.#cursors.delete(key);
    }
    return this.#cursors.get(idempotencyKey)?.cursor;
  }
}

import { SseError } from '../errors.js';
import { Backplane, type BackplaneHealth, type PublishOptions } from './backplane.js';
import { ARCHIVE_BYTES } from './archive.js';
import { MemoryArchive } from './memory-archive.js';
import type { History, LogSink } from '../log/log-sink.js';
import { RetentionRules } from '../log/retention.js';
import { type Cursor, formatCursor } from '../log/cursor.js';
import { datedRecord } from '../log/dated-record.js';
import type { EventRecord } from '../log/entry.js';
import { newEpoch } from '../log/epoch.js';
import { UsedKeys } from './used-keys.js';

/** The backplane of a single instance: it numbers the events itself, and they go when the process goes. */
export class MemoryBackplane extends Backplane {
  override readonly isLocal = true;
  readonly #usedKeys = new UsedKeys();
  #sink: LogSink | undefined;
  #archive: MemoryArchive | undefined;
  #lastReadAt: Date | undefined;
  /** When the last event was published. */
  #latest = 0;

  override get health(): BackplaneHealth {
    const isConnected = this.#sink !== undefined;
    return { isConnected, lastReadAt: this.#lastReadAt, lagEvents: 0, lagMs: 0 };
  }

  override get archive(): MemoryArchive | undefined {
    return this.#archive;
  }

  override async open(sink: LogSink, history?: History): Promise<void> {
    const rules = new RetentionRules(history?.topics);
    const maxBytes = history?.archive?.maxBytes ?? ARCHIVE_BYTES;
    const epoch = newEpoch();
    this.#archive = new MemoryArchive(rules, maxBytes, epoch);
    sink.reset(epoch, 0);
    this.#sink = sink;
    this.#lastReadAt = new Date();
  }

  override async publish(record: EventRecord, options: PublishOptions = {}): Promise<Cursor> {
    const sink = this.#sink;
    if (sink === undefined) {
      throw new SseError(
        'BACKPLANE_CLOSED',
        'Nothing can be published: the application has shut down, or close() was called',
      );
    }
    const { idempotencyKey } = options;
    const first =
      idempotencyKey === undefined ? undefined : this.#usedKeys.offsetOf(idempotencyKey);
    if (first !== undefined) return formatCursor(sink.epoch, first);
    const offset = sink.head + 1;
    // Whoever begins at a time looks for the first event since then, also if the clock was set back.
    this.#latest = Math.max(record.at ?? Date.now(), this.#latest);
    const dated = datedRecord(record, this.#latest);
    this.#archive?.add(offset, dated);
    sink.append(offset, dated);
    if (idempotencyKey !== undefined) this.#usedKeys.remember(idempotencyKey, offset);
    return formatCursor(sink.epoch, offset);
  }

  override async catchUp(): Promise<void> {}

  override async close(): Promise<void> {
    this.#sink = undefined;
    this.#archive?.close();
    this.#usedKeys.clear();
  }
}

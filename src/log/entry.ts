import { encodeFrame } from '../wire/frame.js';
import { formatCursor, type Cursor } from './cursor.js';
import type { SseEvent } from './event.js';

/** An event as publishers hand it to the backplane and as the backplane hands it to the log. */
export interface EventRecord {
  readonly topics: readonly string[];
  readonly type?: string | undefined;
  /** The data as it goes out. */
  readonly text: string;
  /** Whether `text` is JSON; otherwise it is the published string itself. */
  readonly isJson: boolean;
  readonly key?: string | undefined;
}

/** What an entry costs beside its frame, in bytes: the objects that hold it, roughly. */
const OVERHEAD = 256;

/** One event in its place in the log, with the bytes that every connection shares. */
export class Entry {
  readonly topics: readonly string[];
  readonly key: string | undefined;
  readonly frame: Buffer;
  /** For subscribers; the same object for all of them. */
  readonly event: SseEvent;
  /** Milliseconds since the Unix epoch. */
  readonly at = Date.now();

  constructor(
    readonly epoch: string,
    readonly offset: number,
    record: EventRecord,
  ) {
    const id = formatCursor(epoch, offset);
    this.topics = record.topics;
    this.key = record.key;
    this.frame = encodeFrame({ id, type: record.type, data: record.text });
    this.event = new LoggedEvent(id, record, this);
  }

  /** Bytes of memory that the entry counts for; what subscribers look at is parsed, and comes on top. */
  get cost(): number {
    return this.frame.length + OVERHEAD;
  }

  /** The entry whose event this very object is; undefined for a copy or anything else. */
  static of(message: unknown): Entry | undefined {
    return LoggedEvent.entryOf(message);
  }
}

/** An event that is not in the log: of a snapshot, or the announcement of a gap. */
export function looseEvent(record: EventRecord, id?: Cursor): SseEvent {
  return new LoggedEvent(id, record);
}

/**
 * A frozen {@link SseEvent} with own, enumerable fields, but for its topics, which are no business of the
 * clients that an outer interceptor may send all that it can enumerate. Its data is parsed when first looked at, once
 * for everybody, so that an event which nobody inspects costs its bytes only.
 */
class LoggedEvent implements SseEvent {
  declare readonly id?: Cursor;
  declare readonly type?: string;
  declare readonly data: string | object;
  readonly #topics: readonly string[];
  readonly #isJson: boolean;
  /** Undefined where the frame has it, so that it is not kept twice. */
  readonly #text: string | undefined;
  readonly #entry: Entry | undefined;
  #data: unknown;

  static readonly #dataProperty: PropertyDescriptor & ThisType<LoggedEvent> = {
    enumerable: true,
    get() {
      return (this.#data ??= this.#read());
    },
  };

  constructor(id: Cursor | undefined, record: EventRecord, entry?: Entry) {
    if (id !== undefined) this.id = id;
    if (record.type !== undefined) this.type = record.type;
    Object.defineProperty(this, 'data', LoggedEvent.#dataProperty);
    this.#topics = record.topics;
    this.#isJson = record.isJson;
    const isWholeInFrame = entry !== undefined && (record.isJson || !/[\r\n]/.test(record.text));
    this.#text = isWholeInFrame ? undefined : record.text;
    this.#entry = entry;
    Object.freeze(this);
  }

  get topics(): readonly string[] {
    return this.#topics;
  }

  #read(): unknown {
    const text = this.#text ?? (this.#entry === undefined ? '' : dataOf(this.#entry.frame));
    return this.#isJson ? deepFreeze(JSON.parse(text)) : text;
  }

  static entryOf(message: unknown): Entry | undefined {
    return typeof message === 'object' && message !== null && #isJson in message
      ? message.#entry
      : undefined;
  }
}

/** The data of a frame that has it in its last line. */
function dataOf(frame: Buffer): string {
  const end = frame.length - '\n\n'.length;
  return frame.toString('utf8', frame.lastIndexOf('\ndata: ', end) + '\ndata: '.length, end);
}

function deepFreeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}

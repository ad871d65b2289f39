import { frameText } from '../wire/frame.js';
import { formatCursor, type Cursor } from './cursor.js';
import type { SseEvent } from './event.js';
import type { FrameSlab } from './frame-slab.js';
import { bytesOf, ownCopy } from './own-copy.js';
import type { Looked, RecentEvents } from './recent-events.js';

/** An event as publishers hand it to the backplane and as the backplane hands it to the log. */
export interface EventRecord {
  readonly topics: readonly string[];
  readonly type?: string | undefined;
  /** The data as it goes out. */
  readonly text: string;
  /** Whether `text` is JSON; otherwise it is the published string itself. */
  readonly isJson: boolean;
  readonly key?: string | undefined;
  /** When it was published, in milliseconds since the Unix epoch; undefined: just now. */
  readonly at?: number | undefined;
}

/** What an entry costs beside its frame, in bytes, as measured: its objects and its slot in the queue. */
const OVERHEAD = 256;

const LINE_FEED = 0x0a;
const EVENT_FIELD = 'event: ';
const DATA_FIELD = 'data: ';

/** One event in its place in the log, with the bytes that every connection shares. */
export class Entry implements Looked {
  readonly topics: readonly string[];
  readonly key: string | undefined;
  readonly frame: Buffer;
  readonly isJson: boolean;
  /** Undefined where the frame gives it back: not what has carriage returns, which go out as line feeds. */
  readonly #text: string | undefined;
  readonly #recent: RecentEvents;
  #event: SseEvent | undefined;
  /** Whole milliseconds on the monotonic clock. */
  readonly at = Math.floor(performance.now());
  /** Milliseconds between the start of the process and its being published: a small number, which costs nothing. */
  readonly #published: number;

  /** @param recent told when the event is made, and tells when it may go */
  constructor(
    readonly epoch: string,
    readonly offset: number,
    { topics, type, text, isJson, key, at }: EventRecord,
    slab: FrameSlab,
    recent: RecentEvents,
  ) {
    const id = formatCursor(epoch, offset);
    this.topics = topics;
    this.key = key;
    this.frame = slab.encode(frameText({ id, type, data: text }));
    this.isJson = isJson;
    this.#text = !isJson && text.includes('\r') ? ownCopy(text) : undefined;
    this.#recent = recent;
    this.#published = Math.round((at ?? Date.now()) - performance.timeOrigin);
  }

  /** When it was published, in milliseconds since the Unix epoch. */
  get publishedAt(): number {
    return Math.round(performance.timeOrigin) + this.#published;
  }

  /** Bytes of memory that the entry counts for, without what its topics and its key do. */
  get cost(): number {
    const text = this.#text === undefined ? 0 : bytesOf(this.#text);
    return this.frame.length + OVERHEAD + text;
  }

  /** For subscribers; the same object for all that look at it in one round. */
  get event(): SseEvent {
    if (this.#event === undefined) {
      this.#event = new LoggedEvent(
        formatCursor(this.epoch, this.offset),
        this.#type,
        this.topics,
        this,
        this,
      );
      this.#recent.add(this);
    }
    return this.#event;
  }

  forgetEvent(): void {
    this.#event = undefined;
  }

  /** The data as it was published. */
  get text(): string {
    if (this.#text !== undefined) return this.#text;
    const { frame } = this;
    const start = (this.#endOfType ?? this.#endOfId) + DATA_FIELD.length;
    const lines = frame.toString('utf8', start, frame.length - '\n\n'.length);
    return this.isJson ? lines : lines.replaceAll(`\n${DATA_FIELD}`, '\n');
  }

  get #type(): string | undefined {
    const end = this.#endOfType;
    if (end === undefined) return undefined;
    return this.frame.toString('utf8', this.#endOfId + EVENT_FIELD.length, end - 1);
  }

  /** Where the line after the id begins. */
  get #endOfId(): number {
    return this.frame.indexOf(LINE_FEED) + 1;
  }

  /** Where the line after the type begins, if there is a type. */
  get #endOfType(): number | undefined {
    const start = this.#endOfId;
    if (this.frame[start] !== EVENT_FIELD.charCodeAt(0)) return undefined;
    return this.frame.indexOf(LINE_FEED, start) + 1;
  }

  /** The entry whose event this very object is; undefined for a copy or anything else. */
  static of(message: unknown): Entry | undefined {
    return LoggedEvent.entryOf(message);
  }
}

/** An event that is not in the log: of a snapshot, or the announcement of a gap. */
export function looseEvent(record: EventRecord, id?: Cursor): SseEvent {
  return new LoggedEvent(id, record.type, record.topics, record, undefined);
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
  readonly #source: Pick<EventRecord, 'text' | 'isJson'>;
  readonly #entry: Entry | undefined;
  #data: unknown;

  static readonly #dataProperty: PropertyDescriptor & ThisType<LoggedEvent> = {
    enumerable: true,
    get() {
      return (this.#data ??= this.#read());
    },
  };

  constructor(
    id: Cursor | undefined,
    type: string | undefined,
    topics: readonly string[],
    source: Pick<EventRecord, 'text' | 'isJson'>,
    entry: Entry | undefined,
  ) {
    if (id !== undefined) this.id = id;
    if (type !== undefined) this.type = type;
    Object.defineProperty(this, 'data', LoggedEvent.#dataProperty);
    this.#topics = topics;
    this.#source = source;
    this.#entry = entry;
    Object.freeze(this);
  }

  get topics(): readonly string[] {
    return this.#topics;
  }

  #read(): unknown {
    const { text, isJson } = this.#source;
    return isJson ? deepFreeze(JSON.parse(text)) : text;
  }

  static entryOf(message: unknown): Entry | undefined {
    return typeof message === 'object' && message !== null && #entry in message
      ? message.#entry
      : undefined;
  }
}

function deepFreeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}

import { frameText } from '../wire/frame.js';
import { formatCursor, type Cursor } from './cursor.js';
import type { SseEvent } from './event.js';
import type { FrameSlab } from './frame-slab.js';
import { bytesOf, ownCopy } from './own-copy.js';
import type { Parsed, RecentData } from './recent-data.js';
import { TOPIC_END } from './topic-end.js';

/** Clients that an event is not for, on whichever instance they are: those of an owner, or one connection. */
export interface ExceptedClients {
  /** A `ConnectionInfo.id`; a client that comes back has another one. */
  readonly connection?: string | undefined;
  /** As `identify` names it. */
  readonly owner?: string | undefined;
}

/** An event as publishers hand it to the backplane and as the backplane hands it to the log. */
export interface EventRecord {
  readonly topics: readonly string[];
  readonly type?: string | undefined;
  /** The data as it goes out. */
  readonly text: string;
  /** Whether `text` is JSON; otherwise it is the published string itself. */
  readonly isJson: boolean;
  readonly key?: string | undefined;
  /** Who does not get it. */
  readonly except?: ExceptedClients | undefined;
  /** The `traceparent` (W3C Trace Context) of who published it; not on the wire. */
  readonly trace?: string | undefined;
  /** When it was published, in milliseconds since the Unix epoch, never before the event before it; undefined: just now. */
  readonly at?: number | undefined;
}

/** What an entry costs beside its frame, in bytes, as measured: its objects, its event and its slot in the queue. */
const OVERHEAD = 384;

const LINE_FEED = 0x0a;
const ID_FIELD = 'id: ';
const DATA_FIELD = '\ndata: ';

/** What entries of a log have in common. */
export interface EntryContext {
  /** Where their frames are kept. */
  readonly slab: FrameSlab;
  /** Told when data is parsed, and tells when it may go. */
  readonly recent: RecentData;
}

/** One event in the log, at its offset, with the bytes that every connection shares. */
export class Entry implements Parsed {
  readonly topics: readonly string[];
  readonly type: string | undefined;
  readonly key: string | undefined;
  readonly isJson: boolean;
  readonly except: ExceptedClients | undefined;
  readonly trace: string | undefined;
  /** Whether it goes to whoever reads it: neither leaves anybody out, nor is an end. */
  readonly isForAll: boolean;
  #frame: Buffer | undefined;
  /** Undefined where the frame gives it back: not what has carriage returns, which go out as line feeds. */
  #text: string | undefined;
  readonly #context: EntryContext;
  #event: LoggedEvent | undefined;
  /** Whole milliseconds on the monotonic clock. */
  readonly appendedAt = Math.floor(performance.now());
  /** Milliseconds between the start of the process and its being published: a small number, which costs nothing. */
  readonly #published: number;

  constructor(
    readonly epoch: string,
    readonly offset: number,
    { topics, type, text, isJson, key, except, trace, at }: EventRecord,
    context: EntryContext,
  ) {
    this.topics = topics;
    this.type = type;
    this.key = key;
    this.isJson = isJson;
    this.except = except;
    this.trace = trace;
    this.isForAll = except === undefined && type !== TOPIC_END;
    this.#text = text;
    this.#context = context;
    this.#published = Math.round((at ?? Date.now()) - performance.timeOrigin);
  }

  /** The bytes that go out. */
  get frame(): Buffer {
    return this.#frame ?? this.encode();
  }

  /** Makes the frame, which is all that is kept of the text. */
  encode(): Buffer {
    const { epoch, offset, type, isJson, text } = this;
    const id = formatCursor(epoch, offset);
    this.#text = !isJson && text.includes('\r') ? ownCopy(text) : undefined;
    return (this.#frame = this.#context.slab.encode(frameText({ id, type, data: text })));
  }

  /** Whether its topics end here, until they are published to again. */
  get isEnd(): boolean {
    return this.type === TOPIC_END;
  }

  /** When it was published, in milliseconds since the Unix epoch. */
  get publishedAt(): number {
    return Math.round(performance.timeOrigin) + this.#published;
  }

  get size(): number {
    return this.#frame?.length ?? this.text.length;
  }

  /** Bytes of memory that the entry counts for, without what its topics and its key do. Another number once it is encoded. */
  get cost(): number {
    const kept = bytesOf(this.type ?? '') + bytesOf(this.#text ?? '') + bytesOf(this.trace ?? '');
    return (this.#frame?.length ?? 0) + OVERHEAD + kept;
  }

  /** For subscribers; the same object for all of them. */
  get event(): SseEvent {
    if (this.#event === undefined) {
      this.#event = new LoggedEvent(formatCursor(this.epoch, this.offset), this, this);
    }
    return this.#event;
  }

  /** The data as it was published. */
  get text(): string {
    if (this.#text !== undefined) return this.#text;
    const { frame } = this;
    let lineEnd = lineEndAfter(ID_FIELD.length + this.epoch.length, frame);
    if (this.type) lineEnd = lineEndAfter(lineEnd + 1, frame);
    const start = lineEnd + DATA_FIELD.length;
    // Without its name, UTF-8 is not looked up.
    const lines = frame.toString(undefined, start, frame.length - '\n\n'.length);
    return this.isJson ? lines : withoutFieldNames(lines);
  }

  /** The event holds its data from now on. */
  onParsed(): void {
    this.#context.recent.add(this);
  }

  forgetData(): void {
    LoggedEvent.forgetDataOf(this.#event);
  }

  /** The entry whose event this very object is; undefined for a copy or anything else. */
  static of(message: unknown): Entry | undefined {
    return LoggedEvent.entryOf(message);
  }
}

/** An event that is not in the log: of a snapshot, or the announcement of a gap. */
export function looseEvent(record: EventRecord, id?: Cursor): SseEvent {
  return new LoggedEvent(id, record, undefined);
}

/**
 * A frozen {@link SseEvent} with own, enumerable fields, but for its topics, which are no business of the
 * clients that an outer interceptor may send all that it can enumerate. Its data is parsed when it is looked at,
 * once for everybody in one round, so that an event which nobody inspects costs its bytes only.
 */
class LoggedEvent implements SseEvent {
  declare readonly id?: Cursor;
  declare readonly type?: string;
  declare readonly data: string | object;
  readonly #source: EventRecord;
  readonly #entry: Entry | undefined;
  #data: unknown;

  static readonly #dataProperty: PropertyDescriptor & ThisType<LoggedEvent> = {
    enumerable: true,
    get() {
      return (this.#data ??= this.#read());
    },
  };

  constructor(id: Cursor | undefined, source: EventRecord, entry: Entry | undefined) {
    const { type } = source;
    if (id !== undefined) this.id = id;
    if (type !== undefined) this.type = type;
    Object.defineProperty(this, 'data', LoggedEvent.#dataProperty);
    this.#source = source;
    this.#entry = entry;
    Object.freeze(this);
  }

  get topics(): readonly string[] {
    return this.#source.topics;
  }

  get at(): number | undefined {
    return this.#entry?.publishedAt ?? this.#source.at;
  }

  #read(): unknown {
    const { text, isJson } = this.#source;
    const data: unknown = isJson ? deepFreeze(JSON.parse(text)) : text;
    if (data !== null) this.#entry?.onParsed();
    return data;
  }

  static entryOf(message: unknown): Entry | undefined {
    return typeof message === 'object' && message !== null && #entry in message
      ? message.#entry
      : undefined;
  }

  static forgetDataOf(event: LoggedEvent | undefined): void {
    if (event !== undefined) event.#data = undefined;
  }
}

/** A call of `indexOf` takes longer than to look at so few bytes. */
function lineEndAfter(index: number, frame: Buffer): number {
  let end = index;
  while (frame[end] !== LINE_FEED) end++;
  return end;
}

/** The lines of a text, as they were. For a short one, `replaceAll` takes longer than all the rest. */
function withoutFieldNames(lines: string): string {
  let text = '';
  let start = 0;
  for (;;) {
    const end = lines.indexOf('\n', start);
    if (end < 0) return text + lines.slice(start);
    text += `${lines.slice(start, end)}\n`;
    start = end + DATA_FIELD.length;
  }
}

function deepFreeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}

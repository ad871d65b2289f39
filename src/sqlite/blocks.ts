import type { EventRecord, ExceptedClients } from '../log/entry.js';
import type { Value } from './driver.js';

/**
 * Events that were published together, as one text: a row, a string between two threads and an index entry for all
 * of them cost a fraction of what they cost for each. A line says how each event is to be read, as JSON; what
 * follows it are their data, one after the other.
 */
export interface Block {
  readonly count: number;
  readonly text: string;
  /** Of its event, which then is the only one. */
  readonly idempotencyKey: string | undefined;
}

/** What is in one block at most, unless a single event is larger: events, and characters of their data. */
const BLOCK_EVENTS = 128;
const BLOCK_LENGTH = 64 * 2 ** 10;

/** Bits of the form: the data is JSON; the data is written as a JSON string. */
const IS_JSON = 1;
const IS_ESCAPED = 2;

/** Of one event; `length` is of its data, as they are written. */
type Heading = [
  topics: EventRecord['topics'],
  form: number,
  length: number,
  type?: string | null,
  key?: string | null,
  trace?: string | null,
  except?: ExceptedClients | null,
];

/** How a heading begins whose first topic is one of this package itself; no JSON string has this in it. */
const INTERNAL = '[["$';

/** Values of one block that is read: the offset of its last event, when it was published, its text. */
const VALUES_PER_BLOCK = 3;

/** A row with a block. */
export interface BlockRow {
  readonly last: number;
  readonly at: number;
  readonly text: string;
}

/** An event as it is read. */
export interface ReadEvent {
  readonly offset: number;
  readonly record: EventRecord;
}

/** What is to be published, as blocks. */
export function blocksOf(
  publishes: Iterable<{
    readonly record: EventRecord;
    readonly idempotencyKey: string | undefined;
  }>,
): Block[] {
  const blocks: Block[] = [];
  let open = new OpenBlock();
  const close = (idempotencyKey?: string) => {
    if (open.count > 0) blocks.push({ count: open.count, text: open.text, idempotencyKey });
    open = new OpenBlock();
  };
  for (const { record, idempotencyKey } of publishes) {
    if (idempotencyKey !== undefined || !open.hasRoomFor(record)) close();
    open.add(record);
    if (idempotencyKey !== undefined) close(idempotencyKey);
  }
  close();
  return blocks;
}

/** One event as a block of its own. */
export function blockTextOf(record: EventRecord): string {
  const block = new OpenBlock();
  block.add(record);
  return block.text;
}

/** The events of a block. */
export function recordsOf(text: string, at?: number): EventRecord[] {
  let end = text.indexOf('\n') + 1;
  const headings = JSON.parse(text.slice(0, end)) as Heading[];
  return headings.map(([topics, form, length, type, key, trace, except]) => {
    const start = end;
    end += length;
    const data = text.slice(start, end);
    return {
      topics,
      type: type ?? undefined,
      key: key ?? undefined,
      isJson: (form & IS_JSON) !== 0,
      text: (form & IS_ESCAPED) === 0 ? data : (JSON.parse(data) as string),
      except: except ?? undefined,
      trace: trace ?? undefined,
      at,
    };
  });
}

/** Whether a topic of this package itself is the first of an event's. */
export function hasInternal(text: string): boolean {
  return text.slice(0, text.indexOf('\n')).includes(INTERNAL);
}

/** Adds a block to what is answered. */
export function pushBlock(values: Value[], { last, at, text }: BlockRow): void {
  values.push(last, at, text);
}

/** The events of the blocks that were read. */
export function eventsOf(values: readonly Value[]): ReadEvent[] {
  const events: ReadEvent[] = [];
  for (let start = 0; start < values.length; start += VALUES_PER_BLOCK) {
    const records = recordsOf(String(values[start + 2]), Number(values[start + 1]));
    let offset = Number(values[start]) - records.length;
    for (const record of records) events.push({ offset: ++offset, record });
  }
  return events;
}

class OpenBlock {
  readonly #headings: Heading[] = [];
  #data = '';

  get count(): number {
    return this.#headings.length;
  }

  get text(): string {
    return `${JSON.stringify(this.#headings)}\n${this.#data}`;
  }

  hasRoomFor({ text }: EventRecord): boolean {
    return this.count < BLOCK_EVENTS && this.#data.length + text.length <= BLOCK_LENGTH;
  }

  add({ topics, type, key, text, isJson, except, trace }: EventRecord): void {
    // node:sqlite reads a text up to its first NUL, and what UTF-8 does not give back has another length.
    const isEscaped = text.includes('\0') || !text.isWellFormed();
    const data = isEscaped ? JSON.stringify(text) : text;
    const form = (isJson ? IS_JSON : 0) | (isEscaped ? IS_ESCAPED : 0);
    const heading: Heading = [topics, form, data.length];
    if (type !== undefined || key !== undefined || trace !== undefined || except !== undefined)
      heading.push(type);
    if (key !== undefined || trace !== undefined || except !== undefined) heading.push(key);
    if (trace !== undefined || except !== undefined) heading.push(trace, except);
    this.#headings.push(heading);
    this.#data += data;
  }
}

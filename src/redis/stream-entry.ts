import { parseCursor } from '../log/cursor.js';
import type { EventRecord } from '../log/entry.js';
import type { RedisPosition } from './position.js';

/** An event as it lies in the stream. */
export interface StreamEntry extends RedisPosition {
  /** The id of the entry before it. */
  readonly previous: string;
  readonly record: EventRecord;
}

/** What of an event is not its data: topics, type, key, and whether the data is a plain string. */
interface Header {
  readonly t: string[];
  readonly y?: string | undefined;
  readonly k?: string | undefined;
  readonly s?: 1 | undefined;
}

/** The fields `h` and `d` of an entry. */
export function toFields({ topics, type, key, text, isJson }: EventRecord): [string, string] {
  const head: Header = { t: [...topics], y: type, k: key, s: isJson ? undefined : 1 };
  return [JSON.stringify(head), text];
}

/** Reads one entry of an XREAD or XREVRANGE reply; undefined for one that is not of this package. */
export function parseEntry(raw: unknown): StreamEntry | undefined {
  if (!Array.isArray(raw)) return undefined;
  const [id, fields] = raw as [unknown, unknown];
  if (typeof id !== 'string' || !Array.isArray(fields)) return undefined;
  let cursor, previous, head, text;
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const value = fields[index + 1] as string;
    if (fields[index] === 'c') cursor = value;
    else if (fields[index] === 'p') previous = value;
    else if (fields[index] === 'h') head = parseHeader(value);
    else if (fields[index] === 'd') text = value;
  }
  const place = cursor === undefined ? undefined : parseCursor(cursor);
  if (!place || previous === undefined || head === undefined || text === undefined)
    return undefined;
  const { t: topics, y: type, k: key, s } = head;
  return { ...place, id, previous, record: { topics, type, key, text, isJson: s !== 1 } };
}

/** The entries of an XREAD reply for one stream, raw. */
export function entriesOf(reply: unknown): readonly unknown[] {
  if (!Array.isArray(reply)) return [];
  const [first] = reply as unknown[];
  return Array.isArray(first) && Array.isArray(first[1]) ? first[1] : [];
}

export function idOf(raw: unknown): string | undefined {
  const id = Array.isArray(raw) ? (raw as unknown[])[0] : undefined;
  return typeof id === 'string' ? id : undefined;
}

function parseHeader(text: string): Header | undefined {
  try {
    const head: unknown = JSON.parse(text);
    const isHead =
      typeof head === 'object' && head !== null && 't' in head && Array.isArray(head.t);
    return isHead ? (head as Header) : undefined;
  } catch {
    return undefined;
  }
}

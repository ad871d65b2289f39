import { parseCursor } from '../log/cursor.js';
import type { EventRecord, ExceptedClients } from '../log/entry.js';
import { traceparentOf } from '../log/traceparent.js';
import type { RedisPosition } from './position.js';

/** An event as it lies in the stream. */
export interface StreamEntry extends RedisPosition {
  /** The id of the entry before it. */
  readonly previous: string;
  /** The event; or why it cannot be read. */
  readonly record: EventRecord | string;
}

/** What of an event is not its data: topics, type, key, who does not get it, its trace, and whether the data is a plain string. */
interface Header {
  readonly t: string[];
  readonly y?: string | undefined;
  readonly k?: string | undefined;
  readonly s?: 1 | undefined;
  readonly x?: ExceptedClients | undefined;
  readonly r?: string | undefined;
}

/** The fields `h` and `d` of an entry. */
export function toFields({
  topics,
  type,
  key,
  text,
  isJson,
  except,
  trace,
}: EventRecord): [string, string] {
  const s = isJson ? undefined : 1;
  const head: Header = { t: [...topics], y: type, k: key, s, x: except, r: trace };
  return [JSON.stringify(head), text];
}

/**
 * Reads one entry of an XREAD or XREVRANGE reply; undefined for one that has no offset in the log, and so is
 * not of this package. Who else can write to Redis can write anything.
 */
export function parseEntry(raw: unknown): StreamEntry | undefined {
  if (!Array.isArray(raw)) return undefined;
  const [id, fields] = raw as [unknown, unknown];
  if (typeof id !== 'string' || !Array.isArray(fields)) return undefined;
  let cursor, previous, header, text;
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const value = fields[index + 1] as string;
    if (fields[index] === 'c') cursor = value;
    else if (fields[index] === 'p') previous = value;
    else if (fields[index] === 'h') header = value;
    else if (fields[index] === 'd') text = value;
  }
  const position = cursor === undefined ? undefined : parseCursor(cursor);
  if (!position || previous === undefined) return undefined;
  return { ...position, id, previous, record: recordOf(header, text, Number.parseInt(id, 10)) };
}

/** @param at when Redis took it, in milliseconds since the Unix epoch */
export function recordOf(
  header: string | undefined,
  text: string | undefined,
  at: number,
): EventRecord | string {
  if (header === undefined || text === undefined) return 'a field is missing';
  const {
    t: topics,
    y: type,
    k: key,
    s,
    x: except,
    r: trace,
  } = (parseJson(header) ?? {}) as Record<string, unknown>;
  if (!isTopics(topics)) return 'its topics are not those of an event';
  if (!isText(type) || /[\r\n]/.test(type ?? '')) return 'its type is not that of an event';
  if (!isText(key)) return 'its key is not that of an event';
  if (!isExcept(except)) return 'who does not get it is not said as an event says it';
  const isJson = s !== 1;
  if (isJson && parseJson(text) === undefined) return 'its data is not JSON';
  return { topics, type, key, text, isJson, except, trace: traceparentOf(trace), at };
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

function isTopics(topics: unknown): topics is string[] {
  return (
    Array.isArray(topics) &&
    topics.length > 0 &&
    topics.every((topic) => typeof topic === 'string' && topic !== '')
  );
}

function isExcept(value: unknown): value is ExceptedClients | undefined {
  if (value === undefined) return true;
  if (typeof value !== 'object' || value === null) return false;
  const { connection, owner } = value as Record<string, unknown>;
  return isText(connection) && isText(owner);
}

function isText(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

/** Undefined for what is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

import type { EventRecord, ExceptedClients } from '../log/entry.js';
import type { Value } from './driver.js';

/** Values of one record, in this order: topics as JSON, type, key, form, text. */
export const VALUES_PER_RECORD = 5;
/** Values of one event that is read: its offset, when it was published, then those of its record. */
export const VALUES_PER_EVENT = VALUES_PER_RECORD + 2;

/**
 * Bits of the form: the text is JSON; type, key and text are written as JSON strings; the text follows a line that
 * says, as JSON, who does not get it; all that follows a line that is its trace.
 */
const IS_JSON = 1;
const IS_ESCAPED = 2;
const HAS_EXCEPT = 4;
const HAS_TRACE = 8;

/** Adds the values of a record, as they go to the thread and into the file. */
export function pushValues(
  values: Value[],
  { topics, type, key, text: data, isJson, except, trace }: EventRecord,
): void {
  const names = JSON.stringify(topics);
  let form = isJson ? IS_JSON : 0;
  let text = data;
  if (except !== undefined) {
    form |= HAS_EXCEPT;
    text = `${JSON.stringify(except)}\n${text}`;
  }
  if (trace !== undefined) {
    form |= HAS_TRACE;
    text = `${trace}\n${text}`;
  }
  // node:sqlite reads a text up to its first NUL.
  if (hasNul(text) || hasNul(type) || hasNul(key)) {
    values.push(names, escape(type), escape(key), form | IS_ESCAPED, escape(text));
  } else {
    values.push(names, type ?? null, key ?? null, form, text);
  }
}

/** An event as it is read. */
export interface ReadEvent {
  readonly offset: number;
  readonly record: EventRecord;
}

/** The events that were read, each by its {@link VALUES_PER_EVENT}. */
export function eventsOf(values: readonly Value[]): ReadEvent[] {
  const events: ReadEvent[] = [];
  for (let start = 0; start < values.length; start += VALUES_PER_EVENT) {
    const at = Number(values[start + 1]);
    events.push({ offset: Number(values[start]), record: recordAt(values, start + 2, at) });
  }
  return events;
}

/** The record whose values begin at a place. */
export function recordAt(values: readonly Value[], start: number, at?: number): EventRecord {
  const form = Number(values[start + 3]);
  const read = (form & IS_ESCAPED) === 0 ? asIs : unescape;
  const text = read(values[start + 4]) ?? '';
  const traceEnd = (form & HAS_TRACE) === 0 ? -1 : text.indexOf('\n');
  const exceptStart = traceEnd + 1;
  const end = (form & HAS_EXCEPT) === 0 ? traceEnd : text.indexOf('\n', exceptStart);
  return {
    topics: JSON.parse(String(values[start])) as EventRecord['topics'],
    type: read(values[start + 1]),
    key: read(values[start + 2]),
    isJson: (form & IS_JSON) !== 0,
    text: text.slice(end + 1),
    except:
      end < exceptStart ? undefined : (JSON.parse(text.slice(exceptStart, end)) as ExceptedClients),
    trace: traceEnd < 0 ? undefined : text.slice(0, traceEnd),
    at,
  };
}

function hasNul(text: string | undefined): boolean {
  return text?.includes('\0') === true;
}

function escape(text: string | undefined): string | null {
  return text === undefined ? null : JSON.stringify(text);
}

function asIs(value: Value | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function unescape(value: Value | undefined): string | undefined {
  return typeof value === 'string' ? (JSON.parse(value) as string) : undefined;
}

import { SseError, received } from '../errors.js';
import type { EventRecord } from './entry.js';

/** Types that this package uses itself: a client has to be able to trust them. */
const RESERVED_TYPES = new Set(['gap', 'exception']);

/** @throws SseError `BAD_TOPIC` */
export function checkTopics(topics: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(topics) ? topics : [topics];
  if (list.length === 0)
    throw new SseError('BAD_TOPIC', 'At least one topic is needed: received []');
  const checked = list.filter(isTopic);
  if (checked.length < list.length) {
    const bad = list.find((topic) => !isTopic(topic));
    throw new SseError(
      'BAD_TOPIC',
      `A topic is a non-empty, well-formed string: received ${received(bad)}`,
    );
  }
  return Object.freeze([...new Set(checked)]);
}

function isTopic(topic: unknown): topic is string {
  return typeof topic === 'string' && topic !== '' && topic.isWellFormed();
}

/**
 * Reads an event as it was published and encodes its data, once for everybody.
 *
 * @throws SseError `BAD_EVENT`
 */
export function toRecord(topics: readonly string[], event: unknown): EventRecord {
  if (typeof event !== 'object' || event === null) {
    throw bad(`An event is an object { type?, data, key? }: received ${received(event)}`);
  }
  const { type, data, key } = event as { type?: unknown; data?: unknown; key?: unknown };
  return {
    topics,
    type: checkType(type),
    ...toText(data),
    key: checkKey(key),
  };
}

function checkType(type: unknown): string | undefined {
  if (type === undefined || type === '') return undefined;
  if (typeof type !== 'string')
    throw bad(`An event's type is a string: received ${received(type)}`);
  if (/[\r\n]/.test(type)) {
    throw bad(
      `An event's type cannot hold a line break, which would end its field: received ${received(type)}`,
    );
  }
  if (RESERVED_TYPES.has(type)) {
    throw bad(
      `The event type '${type}' is reserved: clients get it from nestjs-event-stream itself`,
    );
  }
  return type.toWellFormed();
}

function checkKey(key: unknown): string | undefined {
  if (key === undefined || typeof key === 'string') return key?.toWellFormed();
  throw bad(`An event's key is a string: received ${received(key)}`);
}

function toText(data: unknown): Pick<EventRecord, 'text' | 'isJson'> {
  if (typeof data === 'string') return { text: data.toWellFormed(), isJson: false };
  const text = toJson(data);
  if (text === undefined) {
    throw bad(`An event's data has to be what JSON can hold: received ${received(data)}`);
  }
  return { text, isJson: true };
}

/** Undefined for what JSON has no word for, such as a function. */
function toJson(data: unknown): string | undefined {
  try {
    return JSON.stringify(data);
  } catch (cause) {
    throw bad(`An event's data has to be what JSON can hold: ${String(cause)}`, { cause });
  }
}

function bad(message: string, options?: ErrorOptions): SseError {
  return new SseError('BAD_EVENT', message, options);
}

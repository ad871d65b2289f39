import { isA, isThenable, messageOf, received, SseError } from '../errors.js';
import type { EventRecord } from './entry.js';
import { type Concealment, unfaithful } from './json-faults.js';

/**
 * Types that a client gets from this package itself, now or later, and has to be able to trust; and those
 * that every EventSource dispatches itself, so that a listener could not tell which it was.
 */
const RESERVED_TYPES = new Set([
  'gap',
  'exception',
  'ready',
  'caught-up',
  'run-end',
  'closed',
  'error',
  'open',
]);

const FIELDS = new Set(['type', 'data', 'key']);

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
 * @param conceals what class-transformer would keep back, if the application has it
 * @throws SseError `BAD_EVENT`
 */
export function toRecord(
  topics: readonly string[],
  event: unknown,
  conceals?: Concealment,
): EventRecord {
  if (typeof event !== 'object' || event === null || isThenable(event)) {
    throw bad(`An event is an object { type?, data, key? }: received ${received(event)}`);
  }
  try {
    for (const name in event) if (!FIELDS.has(name)) throw unknownField(name);
    const { type, data, key } = event as { type?: unknown; data?: unknown; key?: unknown };
    return {
      topics,
      type: checkType(type),
      ...toText(data, conceals),
      key: checkKey(key),
    };
  } catch (cause) {
    if (isA(cause, SseError)) throw cause;
    throw bad(`An event could not be read: ${messageOf(cause)}`, { cause });
  }
}

function unknownField(name: string): SseError {
  const hint = name === 'id' || name === 'topics' ? ', and the log says the rest' : '';
  return bad(`An event is an object { type?, data, key? }${hint}: received '${name}' in it`);
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
      `The event type '${type}' is reserved: clients get it from nestjs-event-stream or from EventSource itself`,
    );
  }
  return type.toWellFormed();
}

function checkKey(key: unknown): string | undefined {
  if (key === undefined || typeof key === 'string') return key?.toWellFormed();
  throw bad(`An event's key is a string: received ${received(key)}`);
}

function toText(data: unknown, conceals?: Concealment): Pick<EventRecord, 'text' | 'isJson'> {
  if (typeof data === 'string') return { text: data.toWellFormed(), isJson: false };
  const text = toJson(data);
  const fault = text === undefined ? received(data) : unfaithful(data, conceals);
  if (text === undefined || fault !== undefined) {
    throw bad(`An event's data has to be what JSON can hold: received ${fault}`);
  }
  return { text, isJson: true };
}

/** Undefined for what JSON has no word for, such as a function. */
function toJson(data: unknown): string | undefined {
  try {
    return JSON.stringify(data);
  } catch (cause) {
    throw bad(`An event's data has to be what JSON can hold: ${messageOf(cause)}`, { cause });
  }
}

function bad(message: string, options?: ErrorOptions): SseError {
  return new SseError('BAD_EVENT', message, options);
}

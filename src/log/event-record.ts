import { isA, isThenable, messageOf, received, SseError } from '../errors.js';
import type { EventRecord } from './entry.js';
import { INTERNAL_RULE, isInternal } from './internal-topics.js';
import { type Concealment, unfaithful } from './json-faults.js';
import { TOPIC_END } from './topic-end.js';

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
  TOPIC_END,
]);

/** Characters (UTF-16 units) of a topic, a pattern, a key and a type: each is kept beside the event. */
export const MAX_NAME_LENGTH = 1_024;
/** Bytes of an event's data, where the module is not told otherwise. */
export const MAX_EVENT_BYTES = 1_048_576;

/** How an event is checked, beside its form. */
export interface EventChecks {
  readonly maxBytes?: number | undefined;
  readonly conceals?: Concealment | undefined;
}

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
      `A topic is a non-empty, well-formed string of at most ${MAX_NAME_LENGTH} characters: received ${received(bad)}`,
    );
  }
  const internal = checked.find(isInternal);
  if (internal !== undefined) {
    throw new SseError(
      'BAD_TOPIC',
      `A topic is refused: ${INTERNAL_RULE}; received ${received(internal)}`,
    );
  }
  return Object.freeze([...new Set(checked)]);
}

function isTopic(topic: unknown): topic is string {
  if (typeof topic !== 'string' || topic === '' || topic.length > MAX_NAME_LENGTH) return false;
  return topic.isWellFormed();
}

/**
 * Reads an event as it was published and encodes its data, once for everybody.
 *
 * @param checks.maxBytes of its data, as UTF-8
 * @param checks.conceals what class-transformer would keep back, if the application has it
 * @throws SseError `BAD_EVENT`
 */
export function toRecord(
  topics: readonly string[],
  event: unknown,
  { maxBytes = Infinity, conceals }: EventChecks = {},
): EventRecord {
  if (typeof event !== 'object' || event === null || isThenable(event)) {
    throw bad(`An event is an object { type?, data, key? }: received ${received(event)}`);
  }
  try {
    for (const name in event)
      if (name !== 'data' && name !== 'type' && name !== 'key') throw unknownField(name);
    const { type, data, key } = event as { type?: unknown; data?: unknown; key?: unknown };
    const { text, isJson } = checkSize(toText(data, conceals), maxBytes);
    return { topics, type: checkType(type), text, isJson, key: checkKey(key) };
  } catch (cause) {
    if (isA(cause, SseError)) throw cause;
    throw bad(`An event could not be read: ${messageOf(cause)}`, { cause });
  }
}

function unknownField(name: string): SseError {
  const hint = name === 'id' || name === 'topics' ? ', and the log says the rest' : '';
  return bad(`An event is an object { type?, data, key? }${hint}: received '${name}' in it`);
}

function checkSize<Data extends { readonly text: string }>(data: Data, maxBytes: number): Data {
  // Three bytes are the most that a UTF-16 unit takes: small events are not counted.
  if (data.text.length * 3 <= maxBytes) return data;
  const size = Buffer.byteLength(data.text);
  if (size <= maxBytes) return data;
  throw bad(
    `An event's data has at most maxEventBytes (${maxBytes}) bytes, as every instance keeps it in memory: ` +
      `received ${size}; publish where it can be fetched, or raise SseModule's maxEventBytes`,
  );
}

/** Of a type and a key. */
function checkLength(name: string, text: string): string {
  if (text.length <= MAX_NAME_LENGTH) return text.toWellFormed();
  throw bad(
    `An event's ${name} has at most ${MAX_NAME_LENGTH} characters: received ${received(text)}, which has ${text.length}`,
  );
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
  return checkLength('type', type);
}

function checkKey(key: unknown): string | undefined {
  if (key === undefined) return undefined;
  if (typeof key === 'string') return checkLength('key', key);
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

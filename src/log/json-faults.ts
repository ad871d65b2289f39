import { isA } from '../errors.js';

/**
 * Says what of an instance something keeps back that JSON would give away, as the end of a sentence;
 * undefined if nothing.
 *
 * @param written what JSON writes of it: the instance itself, or what its `toJSON` gave
 */
export type Concealment = (instance: object, written: object) => string | undefined;

/** What JSON takes without a word and turns into `{}`. */
const UNWRITTEN: readonly (readonly [abstract new (...args: never[]) => object, string])[] = [
  [Map, 'a Map, which JSON turns into {}: publish Object.fromEntries(map) or [...map]'],
  [Set, 'a Set, which JSON turns into {}: publish [...set]'],
  [Error, 'an Error, of which JSON loses the message: publish { message: error.message }'],
  [Promise, 'a promise, which JSON turns into {}: await it first'],
  [WeakMap, 'a WeakMap, which JSON turns into {}'],
  [WeakSet, 'a WeakSet, which JSON turns into {}'],
  [RegExp, 'a RegExp, which JSON turns into {}: publish its source'],
  [ArrayBuffer, 'an ArrayBuffer, which JSON turns into {}: publish base64 text'],
];

const BYTES =
  'bytes, which JSON turns into an object of numbers: publish text, a stream of it by way of TextDecoderStream, or base64';

/** Cut off here, so that a message stays short. */
const MAX_PATH = 100;

/**
 * What JSON would not hold as it is, and where, for data that JSON has taken: `Map`, `Set`, `Error`,
 * promises, `NaN`, `Infinity`, at any depth. Undefined if there is nothing.
 */
export function unfaithful(data: unknown, conceals: Concealment | undefined): string | undefined {
  // A Buffer has a toJSON of its own; what is nothing but one is what a stream has read.
  if (ArrayBuffer.isView(data)) return BYTES;
  return isOrdinary(data) ? undefined : findFault(data, conceals);
}

/**
 * Whether all of it is plain objects, arrays, dates and what JSON holds as it is: nearly always, and quick to
 * see. What is a function may be a `toJSON`.
 */
function isOrdinary(value: unknown): boolean {
  if (typeof value === 'string') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return typeof value !== 'function';
  if (Array.isArray(value)) {
    for (const part of value) if (!isOrdinary(part)) return false;
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Date.prototype) return Number.isFinite((value as Date).getTime());
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const name in value) {
    const part = (value as Record<string, unknown>)[name];
    if (typeof part !== 'string' && !isOrdinary(part)) return false;
  }
  return true;
}

/** Goes through the data as JSON does, after every `toJSON`. */
function findFault(data: unknown, conceals: Concealment | undefined): string | undefined {
  const places = new Map<unknown, string>();
  let fault: string | undefined;
  JSON.stringify(data, function (this: Record<string, unknown>, name, written: unknown): unknown {
    if (fault !== undefined) return undefined;
    const place = placeOf(places.get(this), name, this);
    const what = faultOf(this[name], written, conceals);
    if (what !== undefined)
      fault = place === '' ? what : `${what} (at ${place.slice(0, MAX_PATH)})`;
    if (typeof written === 'object' && written !== null) places.set(written, place);
    return written;
  });
  return fault;
}

function placeOf(before: string | undefined, name: string, holder: object): string {
  if (before === undefined) return name;
  if (Array.isArray(holder)) return `${before}[${name}]`;
  return before === '' ? name : `${before}.${name}`;
}

function faultOf(
  value: unknown,
  written: unknown,
  conceals: Concealment | undefined,
): string | undefined {
  if (typeof written === 'number' && !Number.isFinite(written)) {
    return `${written}, which JSON turns into null`;
  }
  if (written === null && isA(value, Date)) return 'an invalid Date, which JSON turns into null';
  if (typeof written !== 'object' || written === null) return undefined;
  if (ArrayBuffer.isView(written)) return BYTES;
  const known = UNWRITTEN.find(([type]) => isA(written, type));
  if (known !== undefined) return known[1];
  const isInstance = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isInstance ? conceals?.(value, written) : undefined;
}

export type SseErrorCode =
  | 'BAD_EVENT'
  | 'BAD_TOPIC'
  | 'BAD_OPTION'
  | 'DUPLICATE_MODULE'
  | 'MODULE_WITHOUT_OPTIONS'
  | 'BACKPLANE_UNAVAILABLE'
  | 'PUBLISH_OUTCOME_UNKNOWN'
  | 'BACKPLANE_BROKEN'
  | 'BACKPLANE_CLOSED'
  | 'RUN_EXISTS'
  | 'RUN_ENDED';

/** Every error of this package: `code` is for programs, `message` says what was received and what to do. */
export class SseError extends Error {
  override readonly name = 'SseError';

  constructor(
    readonly code: SseErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A short, safe rendering of a value that somebody passed by mistake, for error messages. Never throws. */
export function received(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  }
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  return attempt(() => nameOf(value)) ?? 'an object';
}

function nameOf(value: object): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return isThenable(value) ? 'a promise' : 'an object';
}

/**
 * Renders whatever was thrown, for a log line: the stack of an error, its message if it has none, and of
 * anything else what it says of itself. Never throws, whatever was thrown: a proxy, an object without a
 * prototype, a symbol, a getter that throws.
 */
export function renderError(error: unknown): string {
  return (isError(error) ? readText(error, 'stack') : undefined) ?? messageOf(error);
}

/** As {@link renderError}, without the stack. Never throws. */
export function messageOf(error: unknown): string {
  if (isError(error)) {
    const message = readText(error, 'message') ?? '';
    return message === '' ? (readText(error, 'name') ?? 'Error') : message;
  }
  // What an object says of itself by default is '[object Object]', which is no help to anybody.
  return attempt(() => toJson(error)) ?? attempt(() => String(error)) ?? UNRENDERABLE;
}

/** Whether a value is an instance of a class; never throws, as `instanceof` does for some proxies. */
export function isA<T>(value: unknown, type: abstract new (...args: never[]) => T): value is T {
  return attempt(() => value instanceof type) === true;
}

/** An error that whoever is told of it can look at: the very one that was thrown, if it is an ordinary one. */
export function toError(thrown: unknown): Error {
  const isOrdinary =
    isError(thrown) && readText(thrown, 'message') !== undefined && attempt(() => String(thrown));
  return isOrdinary ? thrown : new Error(renderError(thrown));
}

/** Whether a value is a promise, or like one. Never throws. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return attempt(() => typeof (value as { then?: unknown }).then === 'function') === true;
}

/** Lets go of a promise that nobody asked for: its rejection would end the process. */
export function disown(value: unknown): void {
  if (isA(value, Promise)) void attempt(() => value.then(undefined, () => {}));
}

const UNRENDERABLE = 'something was thrown that cannot be rendered';

function isError(value: unknown): value is Error {
  return isA(value, Error);
}

/** A property that is a string; undefined for any other, or if it cannot be read. */
function readText(value: object, name: 'stack' | 'message' | 'name'): string | undefined {
  const text = attempt(() => (value as Record<string, unknown>)[name]);
  return typeof text === 'string' ? text : undefined;
}

/** Of objects that are nothing but that; undefined for anything else. */
function toJson(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return undefined;
  return JSON.stringify(value).slice(0, 1_000);
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

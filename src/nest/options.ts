import { SseError, received } from '../errors.js';
import { Backplane } from '../backplane/backplane.js';
import { type History } from '../log/log-sink.js';
import { MemoryBackplane } from '../backplane/memory.backplane.js';
import type { DeliveryOptions } from '../delivery/options.js';

/** Options of `SseModule`: times in milliseconds, sizes in bytes, `false` switches a thing off. */
export interface SseModuleOptions {
  /**
   * The replay window that every instance keeps in memory: `maxEvents` events, `maxBytes` bytes of them (encoded,
   * and 256 for each), `maxAge` milliseconds or false. The first bound that is passed trims.
   *
   * @defaultValue `{ maxEvents: 50_000, maxBytes: 67_108_864, maxAge: false }`
   */
  readonly history?: { readonly [Name in keyof History]?: History[Name] | undefined } | undefined;
  /**
   * Milliseconds of silence after which a connection gets a heartbeat; false for none.
   *
   * @defaultValue 15_000
   */
  readonly heartbeatInterval?: number | false | undefined;
  /**
   * Milliseconds that a client waits before it reconnects: drawn between `min` and `max` for each one, so that a
   * herd spreads out; false leaves it to the client.
   *
   * @defaultValue `{ min: 1_000, max: 5_000 }`
   */
  readonly retry?:
    { readonly min?: number | undefined; readonly max?: number | undefined } | false | undefined;
  /**
   * Unsent bytes at which a connection stops reading the log.
   *
   * @defaultValue 65_536
   */
  readonly highWaterMark?: number | undefined;
  /**
   * Bytes that may wait while a client is behind, of Observables that cannot be paused; more end the connection.
   *
   * @defaultValue 1_048_576
   */
  readonly maxBuffered?: number | undefined;
  /**
   * Milliseconds after which a client that is behind and has taken nothing is cut off; false for never.
   *
   * @defaultValue 30_000
   */
  readonly stallTimeout?: number | false | undefined;
  /**
   * Milliseconds after which a route answers that neither emits nor opens a bus stream.
   *
   * @defaultValue 1_000
   */
  readonly openTimeout?: number | undefined;
  /**
   * Milliseconds after which a connection is ended, up to a tenth earlier, and its client resumes; false for never.
   *
   * @defaultValue false
   */
  readonly maxLifetime?: number | false | undefined;
  /**
   * Connections that this instance may have; one more is told to come back later; false for any number.
   *
   * @defaultValue false
   */
  readonly maxConnections?: number | false | undefined;
  /**
   * `timeout`: milliseconds that shutting down waits for clients to take what is theirs.
   *
   * @defaultValue `{ timeout: 5_000 }`
   */
  readonly drain?: { readonly timeout?: number | undefined } | undefined;
  /**
   * What orders the events, for one instance or for several.
   *
   * @defaultValue a new `MemoryBackplane`, for a single instance
   */
  readonly backplane?: Backplane | undefined;
}

/** {@link SseModuleOptions}, complete, checked and frozen. */
export interface ResolvedOptions extends DeliveryOptions {
  readonly history: History;
  readonly backplane: Backplane;
}

/** What a number may be: the least value, and whether `false` is one. */
interface Rule {
  readonly least: number;
  readonly mayBeOff?: true;
}

/** setTimeout takes no more. */
const MAX = 2 ** 31 - 1;

/**
 * Completes and checks options; the one place that knows the defaults.
 *
 * @throws SseError `BAD_OPTION`
 */
export function resolveOptions(options: SseModuleOptions = {}): ResolvedOptions {
  const given = objectOf('options', options, [
    'history',
    'heartbeatInterval',
    'retry',
    'highWaterMark',
    'maxBuffered',
    'stallTimeout',
    'openTimeout',
    'maxLifetime',
    'maxConnections',
    'drain',
    'backplane',
  ]);
  const time = { least: 1, mayBeOff: true } as const;
  return Object.freeze({
    history: historyOf(given['history']),
    heartbeatInterval: numberOf('heartbeatInterval', given['heartbeatInterval'], 15_000, time),
    retry: retryOf(given['retry']),
    highWaterMark: numberOf('highWaterMark', given['highWaterMark'], 65_536, { least: 1 }),
    maxBuffered: numberOf('maxBuffered', given['maxBuffered'], 1_048_576, { least: 0 }),
    stallTimeout: numberOf('stallTimeout', given['stallTimeout'], 30_000, time),
    openTimeout: numberOf('openTimeout', given['openTimeout'], 1_000, { least: 0 }),
    maxLifetime: numberOf('maxLifetime', given['maxLifetime'], false, time),
    maxConnections: numberOf('maxConnections', given['maxConnections'], false, {
      least: 0,
      mayBeOff: true,
    }),
    drain: drainOf(given['drain']),
    backplane: backplaneOf(given['backplane']),
  });
}

function historyOf(value: unknown): History {
  const given = objectOf('history', value, ['maxEvents', 'maxBytes', 'maxAge']);
  return Object.freeze({
    maxEvents: numberOf('history.maxEvents', given['maxEvents'], 50_000, { least: 1 }),
    maxBytes: numberOf('history.maxBytes', given['maxBytes'], 64 * 1024 * 1024, { least: 1 }),
    maxAge: numberOf('history.maxAge', given['maxAge'], false, { least: 1, mayBeOff: true }),
  });
}

function retryOf(value: unknown): ResolvedOptions['retry'] {
  if (value === false) return false;
  const given = objectOf('retry', value, ['min', 'max']);
  const least = { least: 0 };
  const min = numberOf(
    'retry.min',
    given['min'],
    Math.min(1_000, Number(given['max'] ?? 1_000)),
    least,
  );
  const max = numberOf('retry.max', given['max'], Math.max(5_000, min), least);
  if (min > max) {
    throw bad('retry', `min no greater than max`, `{ min: ${min}, max: ${max} }`);
  }
  return Object.freeze({ min, max });
}

function drainOf(value: unknown): ResolvedOptions['drain'] {
  const given = objectOf('drain', value, ['timeout']);
  return Object.freeze({
    timeout: numberOf('drain.timeout', given['timeout'], 5_000, { least: 0 }),
  });
}

function backplaneOf(value: unknown): Backplane {
  if (value === undefined) return new MemoryBackplane();
  if (value instanceof Backplane) return value;
  throw bad('backplane', 'a Backplane, such as redisBackplane({ url })', received(value));
}

function objectOf(name: string, value: unknown, known: readonly string[]): Record<string, unknown> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw bad(name, `an object with ${known.join(', ')}`, received(value));
  }
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) throw bad(name, `an object with ${known.join(', ')}`, `'${unknown}'`);
  return value as Record<string, unknown>;
}

function numberOf(
  name: string,
  value: unknown,
  fallback: number | false,
  rule: Rule & { readonly mayBeOff: true },
): number | false;
function numberOf(name: string, value: unknown, fallback: number, rule: Rule): number;
function numberOf(
  name: string,
  value: unknown,
  fallback: number | false,
  rule: Rule,
): number | false {
  if (value === undefined) return fallback;
  if (value === false && rule.mayBeOff === true) return false;
  const isAllowed = typeof value === 'number' && Number.isInteger(value);
  if (isAllowed && value >= rule.least && value <= MAX) return value;
  const off = rule.mayBeOff === true ? ', or false' : '';
  throw bad(name, `a whole number from ${rule.least} to ${MAX}${off}`, received(value));
}

function bad(name: string, allowed: string, was: string): SseError {
  return new SseError('BAD_OPTION', `SseModule: ${name} has to be ${allowed}; received ${was}`);
}

import { SseError, received } from '../errors.js';
import { Backplane } from '../backplane/backplane.js';
import { type History } from '../log/log-sink.js';
import { checkSchemas, type EventSchemas } from '../log/standard-schema.js';
import { MemoryBackplane } from '../backplane/memory.backplane.js';
import type { DeliveryOptions } from '../delivery/options.js';

/** Options of `SseModule`: times in milliseconds, sizes in bytes, `false` switches a thing off. */
export interface SseModuleOptions {
  /**
   * The replay window that every instance keeps in memory. The first bound that is passed trims.
   * Default `{ maxEvents: 50_000, maxBytes: 67_108_864, maxAge: false }`.
   */
  readonly history?: { readonly [Name in keyof History]?: History[Name] | undefined } | undefined;
  /** Silence after which a connection gets a heartbeat. Default 15_000. */
  readonly heartbeatInterval?: number | false | undefined;
  /**
   * How long a client waits before it reconnects: drawn for each one, so that a herd spreads out.
   * Default `{ min: 1_000, max: 5_000 }`.
   */
  readonly retry?:
    { readonly min?: number | undefined; readonly max?: number | undefined } | false | undefined;
  /** Unsent bytes at which a connection stops reading the log. Default 65_536. */
  readonly highWaterMark?: number | undefined;
  /** Bytes that may wait while a client is behind, of Observables that cannot be paused. Default 1_048_576. */
  readonly maxBuffered?: number | undefined;
  /** A client that is behind and has taken nothing for this long is cut off. Default 30_000. */
  readonly stallTimeout?: number | false | undefined;
  /** A route that neither emits nor opens a bus stream answers after this long. Default 1_000. */
  readonly openTimeout?: number | undefined;
  /** Ends a connection after this long, up to a tenth earlier; its client resumes. Default false. */
  readonly maxLifetime?: number | false | undefined;
  /** Connections of this instance; one more is told to come back later. Default false. */
  readonly maxConnections?: number | false | undefined;
  /** How long shutting down waits for clients to take what is theirs. Default `{ timeout: 5_000 }`. */
  readonly drain?: { readonly timeout?: number | undefined } | undefined;
  /** Default: in memory, for a single instance. */
  readonly backplane?: Backplane | undefined;
  /**
   * Schemas of events' data, by type (an event without a type is a `message`): Zod, Valibot, ArkType or any
   * other Standard Schema that is synchronous. `publish` refuses what does not meet them with `BAD_EVENT`,
   * and publishes what they give back. Default: none; types without a schema are not checked.
   */
  readonly events?: EventSchemas | undefined;
}

/** {@link SseModuleOptions}, complete, checked and frozen. */
export interface ResolvedOptions extends DeliveryOptions {
  readonly history: History;
  readonly backplane: Backplane;
  readonly events?: EventSchemas;
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
    'events',
  ]);
  const events = checkSchemas(given['events']);
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
    ...(events && { events }),
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

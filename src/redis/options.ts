import type { Cluster, Redis } from 'ioredis';
import { received, SseError } from '../errors.js';

/** Options of `redisBackplane()`: times in milliseconds. One of `url` and `client` is needed. */
export interface RedisBackplaneOptions {
  /**
   * Such as `redis://127.0.0.1:6379`; `rediss://` for TLS.
   *
   * @defaultValue none: without it, `client` is needed
   */
  readonly url?: string | undefined;
  /**
   * An ioredis client whose settings are used, for TLS, Sentinel or Cluster. The backplane opens two
   * connections of its own with them; the client itself is neither used nor closed.
   *
   * @defaultValue none: without it, `url` is needed
   */
  readonly client?: Redis | Cluster | undefined;
  /**
   * The log's name: applications that share a Redis need different ones. Without braces.
   *
   * @defaultValue `'nestjs-event-stream'`
   */
  readonly key?: string | undefined;
  /**
   * Milliseconds that a publish waits for Redis before it rejects.
   *
   * @defaultValue 5_000
   */
  readonly publishTimeout?: number | undefined;
  /**
   * Milliseconds for which an `idempotencyKey` is remembered.
   *
   * @defaultValue 300_000
   */
  readonly idempotencyWindow?: number | undefined;
  /**
   * Whether an application that starts while Redis is away waits for it: true for as long as it takes, a number
   * for so many milliseconds, false not at all: then starting fails.
   *
   * @defaultValue false
   */
  readonly waitForRedis?: boolean | number | undefined;
  /**
   * Events that Redis keeps, and some hundred more.
   *
   * @defaultValue `history.maxEvents` of the module
   */
  readonly maxLen?: number | undefined;
  /**
   * Milliseconds between two times that an instance asks, over the connection it publishes with, whether the one
   * it reads with has told it everything.
   *
   * @defaultValue 2_000
   */
  readonly checkInterval?: number | undefined;
}

/** {@link RedisBackplaneOptions}, complete, checked and frozen. */
export interface RedisOptions {
  readonly source: string | Redis | Cluster;
  readonly key: string;
  readonly publishTimeout: number;
  readonly idempotencyWindow: number;
  readonly waitForRedis: number;
  readonly maxLen: number | undefined;
  readonly checkInterval: number;
}

const KNOWN = [
  'url',
  'client',
  'key',
  'publishTimeout',
  'idempotencyWindow',
  'waitForRedis',
  'maxLen',
  'checkInterval',
];

/** @throws SseError `BAD_OPTION` */
export function resolveRedisOptions(options: RedisBackplaneOptions): RedisOptions {
  const given: unknown = options;
  if (typeof given !== 'object' || given === null) {
    throw bad(`takes an object with 'url' or 'client'; received ${received(given)}`);
  }
  const unknown = Object.keys(options).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) throw bad(`does not know '${unknown}'; it takes ${KNOWN.join(', ')}`);
  return Object.freeze({
    source: sourceOf(options.url, options.client),
    key: keyOf(options.key),
    publishTimeout: wholeNumber('publishTimeout', options.publishTimeout ?? 5_000),
    idempotencyWindow: wholeNumber('idempotencyWindow', options.idempotencyWindow ?? 300_000),
    waitForRedis: waitOf(options.waitForRedis ?? false),
    maxLen: options.maxLen === undefined ? undefined : wholeNumber('maxLen', options.maxLen),
    checkInterval: wholeNumber('checkInterval', options.checkInterval ?? 2_000),
  });
}

function sourceOf(url: unknown, client: Redis | Cluster | undefined): string | Redis | Cluster {
  if ((url === undefined) === (client === undefined)) {
    throw bad(`takes 'url' or 'client': received ${url === undefined ? 'neither' : 'both'}`);
  }
  if (client === undefined) {
    if (typeof url === 'string' && /^rediss?:\/\/./.test(url) && URL.canParse(url)) return url;
    // What was received may hold a password.
    throw bad(`needs a 'url' such as 'redis://127.0.0.1:6379' or 'rediss://…'; received another`);
  }
  if (typeof (client as { duplicate?: unknown }).duplicate === 'function') return client;
  throw bad(`needs an ioredis client as 'client'; received ${received(client)}`);
}

function keyOf(key: unknown = 'nestjs-event-stream'): string {
  if (typeof key === 'string' && /^[^{}]+$/.test(key)) return key;
  throw bad(`needs as 'key' a non-empty string without braces; received ${received(key)}`);
}

function waitOf(wait: boolean | number): number {
  if (typeof wait === 'boolean') return wait ? Infinity : 0;
  return wholeNumber('waitForRedis', wait);
}

function wholeNumber(name: string, value: unknown): number {
  const isAllowed = typeof value === 'number' && Number.isInteger(value);
  if (isAllowed && value >= 1 && value <= 2 ** 31 - 1) return value;
  throw bad(
    `needs a whole number from 1 to ${2 ** 31 - 1} as '${name}'; received ${received(value)}`,
  );
}

function bad(message: string): SseError {
  return new SseError('BAD_OPTION', `redisBackplane() ${message}`);
}

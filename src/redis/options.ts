import type { Cluster, Redis } from 'ioredis';
import { GivenOptions } from '../options.js';

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
  const given = new GivenOptions('redisBackplane()', 'options', options, KNOWN);
  const least = { least: 1 };
  return Object.freeze({
    source: sourceOf(given),
    key: keyOf(given),
    publishTimeout: given.number('publishTimeout', 5_000, least),
    idempotencyWindow: given.number('idempotencyWindow', 300_000, least),
    waitForRedis: waitOf(given),
    maxLen: given.has('maxLen') ? given.number('maxLen', 1, least) : undefined,
    checkInterval: given.number('checkInterval', 2_000, least),
  });
}

function sourceOf(given: GivenOptions): string | Redis | Cluster {
  const url = given.get('url');
  const client = given.get('client');
  if (given.has('url') === given.has('client')) {
    throw given.bad('options', "one with 'url' or 'client'", given.has('url') ? 'both' : 'neither');
  }
  if (client === undefined) {
    if (typeof url === 'string' && /^rediss?:\/\/./.test(url) && URL.canParse(url)) return url;
    // What was received may hold a password.
    throw given.bad('url', "such as 'redis://127.0.0.1:6379' or 'rediss://…'", 'another');
  }
  if (isClient(client)) return client;
  throw given.bad('client', 'an ioredis client');
}

function isClient(client: unknown): client is Redis | Cluster {
  return typeof (client as Partial<Redis> | null | undefined)?.duplicate === 'function';
}

function keyOf(given: GivenOptions): string {
  const key = given.get('key') ?? 'nestjs-event-stream';
  if (typeof key === 'string' && /^[^{}]+$/.test(key)) return key;
  throw given.bad('key', 'a non-empty string without braces');
}

function waitOf(given: GivenOptions): number {
  if (typeof given.get('waitForRedis') === 'number') {
    return given.number('waitForRedis', 1, { least: 1 });
  }
  return given.boolean('waitForRedis', false) ? Infinity : 0;
}

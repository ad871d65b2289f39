import { GivenOptions } from '../options.js';
import { Backplane } from '../backplane/backplane.js';
import { ARCHIVE_BYTES } from '../backplane/archive.js';
import { retentionOptions } from '../bus/retention-options.js';
import { MAX_EVENT_BYTES } from '../log/event-record.js';
import { DEFAULT_HISTORY, type History } from '../log/log-sink.js';
import { checkSchemas, type EventSchemas } from '../log/standard-schema.js';
import { MemoryBackplane } from '../backplane/memory.backplane.js';
import type { ConnectionOptions, DeliveryOptions } from '../delivery/options.js';
import { limitOptions, type LimitOptions, type ResolvedLimits } from '../control/limit-options.js';
import type { Identify } from './identification.js';

/** Options of the connections of a route: times in milliseconds, sizes in bytes, `false` switches a thing off. */
export interface SseRouteOptions {
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
   * @defaultValue 4_194_304
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
}

/** Options of `SseModule`: times in milliseconds, sizes in bytes, `false` switches a thing off. */
export interface SseModuleOptions extends SseRouteOptions {
  /**
   * The replay window that every instance keeps in memory: `maxEvents` events, `maxBytes` bytes of memory for them
   * (what is encoded, and the objects, topics, keys and indexes that hold it), `maxAge` milliseconds or false. The
   * first bound that is passed trims.
   *
   * What `topics` says is kept beyond that window, in the backplane's archive: of several rules the first that
   * matches a topic counts. `archive.maxBytes` bounds all of it together.
   *
   * @defaultValue `{ maxEvents: 50_000, maxBytes: 67_108_864, maxAge: false, topics: [], archive: { maxBytes: 268_435_456 } }`
   */
  readonly history?: { readonly [Name in keyof History]?: History[Name] | undefined } | undefined;
  /**
   * Bytes of an event's data, as it goes out; `publish` refuses more.
   *
   * @defaultValue 1_048_576
   */
  readonly maxEventBytes?: number | undefined;
  /**
   * Connections that this instance may have; one more is told to come back later; false for any number.
   *
   * @defaultValue false
   */
  readonly maxConnections?: number | false | undefined;
  /**
   * `timeout`: milliseconds that shutting down waits for clients to take what is theirs. `over`: milliseconds over which
   * it ends the streams, a few at a time, so that the other instances get their clients back one after the other; it
   * comes on top of `timeout`, and the process has to be given as long; false ends all of them at once.
   *
   * @defaultValue `{ timeout: 5_000, over: false }`
   */
  readonly drain?:
    | { readonly timeout?: number | undefined; readonly over?: number | false | undefined }
    | undefined;
  /**
   * Says who is connected, from the request: `{ owner?, expiresAt?, tags? }`, or a promise of it. Asked for each
   * `@Sse()` request after its guards and before its handler; what it throws answers the request. By it connections
   * are found on every instance (`closeEverywhere({ owner })`), end when they expire, and are left out
   * (`publish(…, { except: { owner } })`).
   *
   * @example identify: (context) => ({ owner: context.switchToHttp().getRequest().user?.id })
   */
  readonly identify?: Identify | undefined;
  /**
   * How many connections an owner, or an address, may have on all instances together, and what becomes of one more:
   * `{ perOwner: 5, then: 'closeOldest' }`.
   *
   * @defaultValue none
   */
  readonly limits?: LimitOptions | undefined;
  /**
   * What orders the events, for one instance or for several.
   *
   * @defaultValue a new `MemoryBackplane`, for a single instance
   */
  readonly backplane?: Backplane | undefined;
  /**
   * Schemas of events' data, by type (an event without a type is a `message`): Zod, Valibot, ArkType or any
   * other Standard Schema that is synchronous. `publish` refuses what does not meet them with `BAD_EVENT`,
   * and publishes what they give back; types without a schema are not checked.
   *
   * @defaultValue none
   */
  readonly events?: EventSchemas | undefined;
}

/** {@link SseModuleOptions}, complete, checked and frozen. */
export interface ResolvedOptions extends DeliveryOptions {
  readonly history: History;
  readonly maxEventBytes: number;
  readonly backplane: Backplane;
  readonly events?: EventSchemas;
  readonly identify: Identify | undefined;
  readonly limits: ResolvedLimits | undefined;
}

const DEFAULTS: ConnectionOptions = {
  heartbeatInterval: 15_000,
  retry: Object.freeze({ min: 1_000, max: 5_000 }),
  highWaterMark: 65_536,
  maxBuffered: 4_194_304,
  stallTimeout: 30_000,
  openTimeout: 1_000,
  maxLifetime: false,
};

const ROUTE_OPTIONS = Object.keys(DEFAULTS);

/**
 * Completes and checks options; the one place that knows the defaults.
 *
 * @throws SseError `BAD_OPTION`
 */
export function resolveOptions(options: SseModuleOptions = {}): ResolvedOptions {
  const given = new GivenOptions('SseModule', 'options', options, [
    'history',
    'maxEventBytes',
    ...ROUTE_OPTIONS,
    'maxConnections',
    'drain',
    'identify',
    'limits',
    'backplane',
    'events',
  ]);
  const events = checkSchemas(given.get('events'));
  return Object.freeze({
    history: historyOf(given),
    maxEventBytes: given.number('maxEventBytes', MAX_EVENT_BYTES, { least: 1 }),
    ...routeOptionsOf(given, DEFAULTS),
    maxConnections: given.number('maxConnections', false, { least: 0, mayBeOff: true }),
    drain: drainOf(given),
    identify: given.function('identify') as Identify | undefined,
    limits: limitOptions(given),
    backplane: backplaneOf(given),
    ...(events && { events }),
  });
}

/**
 * Checks the options of a route.
 *
 * @throws SseError `BAD_OPTION`
 */
export function checkRouteOptions(options: SseRouteOptions): void {
  routeOptionsOf(new GivenOptions('@SseOptions()', 'options', options, ROUTE_OPTIONS), DEFAULTS);
}

/** What a connection has of the options that were checked, and for the rest of those of the application. */
export function withRouteOptions(
  base: ConnectionOptions,
  options: SseRouteOptions,
): ConnectionOptions {
  const given = new GivenOptions('@SseOptions()', 'options', options, ROUTE_OPTIONS);
  return Object.freeze(routeOptionsOf(given, base));
}

function routeOptionsOf(given: GivenOptions, base: ConnectionOptions): ConnectionOptions {
  const time = { least: 1, mayBeOff: true } as const;
  return {
    heartbeatInterval: given.number('heartbeatInterval', base.heartbeatInterval, time),
    retry: given.has('retry') ? retryOf(given) : base.retry,
    highWaterMark: given.number('highWaterMark', base.highWaterMark, { least: 1 }),
    maxBuffered: given.number('maxBuffered', base.maxBuffered, { least: 0 }),
    stallTimeout: given.number('stallTimeout', base.stallTimeout, time),
    openTimeout: given.number('openTimeout', base.openTimeout, { least: 0 }),
    maxLifetime: given.number('maxLifetime', base.maxLifetime, time),
  };
}

function historyOf(options: GivenOptions): History {
  const given = options.nested('history', ['maxEvents', 'maxBytes', 'maxAge', 'topics', 'archive']);
  return Object.freeze({
    maxEvents: given.number('maxEvents', DEFAULT_HISTORY.maxEvents, { least: 1 }),
    maxBytes: given.number('maxBytes', DEFAULT_HISTORY.maxBytes, { least: 1 }),
    maxAge: given.number('maxAge', DEFAULT_HISTORY.maxAge, { least: 1, mayBeOff: true }),
    topics: retentionOptions(given),
    archive: Object.freeze({
      maxBytes: given
        .nested('archive', ['maxBytes'])
        .number('maxBytes', ARCHIVE_BYTES, { least: 1 }, Number.MAX_SAFE_INTEGER),
    }),
  });
}

function retryOf(options: GivenOptions): ResolvedOptions['retry'] {
  if (options.get('retry') === false) return false;
  const given = options.nested('retry', ['min', 'max']);
  const least = { least: 0 };
  const min = given.number('min', Math.min(1_000, Number(given.get('max') ?? 1_000)), least);
  const max = given.number('max', Math.max(5_000, min), least);
  if (min > max) {
    throw options.bad('retry', `min no greater than max`, `{ min: ${min}, max: ${max} }`);
  }
  return Object.freeze({ min, max });
}

function drainOf(options: GivenOptions): ResolvedOptions['drain'] {
  const given = options.nested('drain', ['timeout', 'over']);
  return Object.freeze({
    timeout: given.number('timeout', 5_000, { least: 0 }),
    over: given.number('over', false, { least: 1, mayBeOff: true }),
  });
}

function backplaneOf(given: GivenOptions): Backplane {
  const backplane = given.get('backplane');
  if (backplane === undefined) return new MemoryBackplane();
  if (backplane instanceof Backplane) return backplane;
  throw given.bad('backplane', 'a Backplane, such as redisBackplane({ url })');
}

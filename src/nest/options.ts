import { GivenOptions } from '../options.js';
import { Backplane } from '../backplane/backplane.js';
import { ARCHIVE_BYTES } from '../backplane/archive.js';
import { matching } from '../log/matching.js';
import type { TopicRetention } from '../log/retention.js';
import { MAX_EVENT_BYTES } from '../log/event-record.js';
import { type History } from '../log/log-sink.js';
import { MemoryBackplane } from '../backplane/memory.backplane.js';
import type { DeliveryOptions } from '../delivery/options.js';

/** Options of `SseModule`: times in milliseconds, sizes in bytes, `false` switches a thing off. */
export interface SseModuleOptions {
  /**
   * The replay window that every instance keeps in memory. The first bound that is passed trims. `maxBytes` counts all
   * that events take there: their bytes, and the objects, topics, keys and indexes that hold them.
   * Default `{ maxEvents: 50_000, maxBytes: 67_108_864, maxAge: false }`.
   *
   * What `topics` says is kept beyond that window, in the backplane's archive: of several rules the first that
   * matches a topic counts. `archive.maxBytes` (default 268_435_456) bounds all of it together.
   */
  readonly history?: { readonly [Name in keyof History]?: History[Name] | undefined } | undefined;
  /**
   * Bytes of an event's data, as it goes out; `publish` refuses more.
   *
   * @defaultValue 1_048_576
   */
  readonly maxEventBytes?: number | undefined;
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
}

/** {@link SseModuleOptions}, complete, checked and frozen. */
export interface ResolvedOptions extends DeliveryOptions {
  readonly history: History;
  readonly maxEventBytes: number;
  readonly backplane: Backplane;
}

/**
 * Completes and checks options; the one place that knows the defaults.
 *
 * @throws SseError `BAD_OPTION`
 */
export function resolveOptions(options: SseModuleOptions = {}): ResolvedOptions {
  const given = new GivenOptions('SseModule', 'options', options, [
    'history',
    'maxEventBytes',
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
    history: historyOf(given),
    maxEventBytes: given.number('maxEventBytes', MAX_EVENT_BYTES, { least: 1 }),
    heartbeatInterval: given.number('heartbeatInterval', 15_000, time),
    retry: retryOf(given),
    highWaterMark: given.number('highWaterMark', 65_536, { least: 1 }),
    maxBuffered: given.number('maxBuffered', 1_048_576, { least: 0 }),
    stallTimeout: given.number('stallTimeout', 30_000, time),
    openTimeout: given.number('openTimeout', 1_000, { least: 0 }),
    maxLifetime: given.number('maxLifetime', false, time),
    maxConnections: given.number('maxConnections', false, { least: 0, mayBeOff: true }),
    drain: drainOf(given),
    backplane: backplaneOf(given),
  });
}

function historyOf(options: GivenOptions): History {
  const given = options.nested('history', ['maxEvents', 'maxBytes', 'maxAge', 'topics', 'archive']);
  return Object.freeze({
    maxEvents: given.number('maxEvents', 50_000, { least: 1 }),
    maxBytes: given.number('maxBytes', 64 * 1024 * 1024, { least: 1 }),
    maxAge: given.number('maxAge', false, { least: 1, mayBeOff: true }),
    topics: topicsOf(given),
    archive: Object.freeze({
      maxBytes: given
        .nested('archive', ['maxBytes'])
        .number('maxBytes', ARCHIVE_BYTES, { least: 1 }, Number.MAX_SAFE_INTEGER),
    }),
  });
}

function topicsOf(history: GivenOptions): readonly TopicRetention[] {
  const rules = history.get('topics') ?? [];
  if (!Array.isArray(rules)) throw history.bad('topics', 'an array of { match, … }');
  return Object.freeze(rules.map((rule, index) => retentionOf(rule, `history.topics[${index}]`)));
}

function retentionOf(rule: unknown, name: string): TopicRetention {
  const known = ['match', 'keepFor', 'keepEvents', 'keepLatestPerKey'];
  const given = new GivenOptions('SseModule', name, rule ?? null, known, `${name}.`);
  const match = given.get('match');
  if (typeof match !== 'string')
    throw given.bad('match', "a topic or a pattern, such as 'user.**'");
  matching(match);
  const bound = { least: 1, mayBeOff: true } as const;
  const keepFor = given.number('keepFor', false, bound, Number.MAX_SAFE_INTEGER);
  const keepEvents = given.number('keepEvents', false, bound);
  const keepLatestPerKey = given.boolean('keepLatestPerKey', false);
  return Object.freeze({ match, keepFor, keepEvents, keepLatestPerKey });
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
  const given = options.nested('drain', ['timeout']);
  return Object.freeze({ timeout: given.number('timeout', 5_000, { least: 0 }) });
}

function backplaneOf(given: GivenOptions): Backplane {
  const backplane = given.get('backplane');
  if (backplane === undefined) return new MemoryBackplane();
  if (backplane instanceof Backplane) return backplane;
  throw given.bad('backplane', 'a Backplane, such as redisBackplane({ url })');
}

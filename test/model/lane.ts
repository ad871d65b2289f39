import type { Published } from './reference.js';
import { selects } from './reference.js';
import type { Random } from './random.js';

/** What one `bus.stream()` call of a run selects. */
export interface Source {
  /** Topics, or one pattern. */
  readonly topics: readonly string[];
  readonly isPattern: boolean;
  /** Drops the events whose number it divides; 0 for none. */
  readonly where: number;
  /** Whether it throws where it would drop. */
  readonly whereThrows: boolean;
  readonly latestPerKey: boolean;
  readonly start: LaneStart;
  /** Ends the stream with an event whose number it divides; 0 for none. */
  readonly until: number;
  readonly announce: boolean;
}

/** Where a new client begins; `since` is a moment of the run, see `timeOf`. */
export type LaneStart =
  | 'now'
  | 'earliest'
  | 'snapshot'
  | 'start'
  | { readonly last: number; readonly since?: undefined }
  | { readonly since: number; readonly last?: undefined };

/**
 * How the events of a lane get to the client: as they are; as new messages that inherit the id; through an
 * operator that holds them, with the event itself, a copy with its id, or one without; past a filter.
 */
export type Way = 'unmodified' | 'map' | 'hold' | 'holdMap' | 'holdNoId' | 'filter';

/** Streams whose messages a client cannot tell apart, and what is done with them. */
export interface Lane {
  /** What marks its messages; '' if nothing does. */
  readonly tag: string;
  readonly sources: readonly Source[];
  readonly way: Way;
}

export const TOPICS = ['a.1', 'a.2', 'b.1', 'b.2', 'c'] as const;
const PATTERNS = ['a.*', '*.1', 'b.**', '**'] as const;
const UNTILS = [7, 11] as const;
/** `filter` drops the events whose number this divides. */
export const FILTERED = 3;

export function isHolding({ way }: Lane): boolean {
  return way === 'hold' || way === 'holdMap' || way === 'holdNoId';
}

export function hasSnapshot({ sources }: Lane): boolean {
  return sources.some(({ start }) => start === 'snapshot');
}

/** Whether the event is of the source's topics. */
export function concerns(source: Source, event: Published): boolean {
  const { topics, isPattern } = source;
  return event.topics.some((topic) =>
    isPattern ? selects(topics[0] ?? '', topic) : topics.includes(topic),
  );
}

/** Whether the client of a lane is to get the event. */
export function wants(lane: Lane, event: Published): boolean {
  if (event.isForAll) return lane.sources.some((source) => concerns(source, event));
  if (lane.way === 'filter' && event.n % FILTERED === 0) return false;
  return lane.sources.some((source) => concerns(source, event) && admits(source, event.n));
}

export function admits({ where }: Source, n: number): boolean {
  return where === 0 || n % where !== 0;
}

/** Whether the stream ends with the event. */
export function ends({ until }: Source, n: number): boolean {
  return until > 0 && n % until === until - 1;
}

/** Whether a key may replace the event: none whose end would never be seen then. */
export function mayHaveKey(n: number): boolean {
  return UNTILS.every((until) => n % until !== until - 1);
}

/** What a stream of a run may ask for beside topics and `where`. */
export interface Repertoire {
  /** Whether it may begin in the past, end by itself and say where it stands. */
  readonly hasHistory: boolean;
}

export function randomSource(
  random: Random,
  mayBeSpecial: boolean,
  { hasHistory }: Repertoire,
): Source {
  const isPattern = random.chance(0.3);
  const where = random.chance(0.3) ? random.int(2, 4) : 0;
  const topics = isPattern
    ? [random.pick(PATTERNS)]
    : [...new Set([random.pick(TOPICS), random.pick(TOPICS), random.pick(TOPICS)])];
  const start = mayBeSpecial ? randomStart(random, hasHistory) : 'now';
  const mayEnd = typeof start === 'string' && start !== 'snapshot';
  const hasUntil = hasHistory && mayBeSpecial && random.chance(0.35) && mayEnd;
  return {
    topics: random.chance(0.4) ? topics.slice(0, 1) : topics,
    isPattern,
    where,
    whereThrows: random.chance(0.3),
    latestPerKey: mayBeSpecial && random.chance(0.2),
    start,
    until: hasUntil ? random.pick(UNTILS) : 0,
    announce: hasHistory && random.chance(0.2),
  };
}

function randomStart(random: Random, hasHistory: boolean): LaneStart {
  const chance = random.next();
  if (!hasHistory) return chance < 0.5 ? 'now' : chance < 0.75 ? 'earliest' : 'snapshot';
  if (chance < 0.2) return 'now';
  if (chance < 0.35) return 'earliest';
  if (chance < 0.5) return 'snapshot';
  if (chance < 0.7) return 'start';
  return chance < 0.85 ? { last: random.int(0, 6) } : { since: random.int(0, 40) };
}

export function randomLanes(random: Random, repertoire: Repertoire): Lane[] {
  if (random.chance(0.5)) {
    const way = random.pick<Way>(['unmodified', 'unmodified', 'hold']);
    if (random.chance(0.3)) {
      const sources = [
        randomSource(random, false, repertoire),
        randomSource(random, false, repertoire),
      ];
      return [{ tag: '', way, sources }];
    }
    return [endable({ tag: '', way, sources: [randomSource(random, true, repertoire)] })];
  }
  const ways: readonly Way[] = ['map', 'map', 'holdMap', 'holdMap', 'holdNoId', 'filter'];
  return Array.from({ length: random.int(1, 3) }, (_, index) =>
    endable({
      tag: `${index}`,
      way: random.pick(ways),
      sources: [randomSource(random, true, repertoire)],
    }),
  );
}

/** What operators hold when their stream ends is a matter of the operators. */
function endable(lane: Lane): Lane {
  if (!isHolding(lane)) return lane;
  return { ...lane, sources: lane.sources.map((source) => ({ ...source, until: 0 })) };
}

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
  readonly start: 'now' | 'earliest' | 'snapshot';
}

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

export function randomSource(random: Random, mayBeSpecial: boolean): Source {
  const isPattern = random.chance(0.3);
  const where = random.chance(0.3) ? random.int(2, 4) : 0;
  const topics = isPattern
    ? [random.pick(PATTERNS)]
    : [...new Set([random.pick(TOPICS), random.pick(TOPICS), random.pick(TOPICS)])];
  const chance = random.next();
  return {
    topics: random.chance(0.4) ? topics.slice(0, 1) : topics,
    isPattern,
    where,
    whereThrows: random.chance(0.3),
    latestPerKey: mayBeSpecial && random.chance(0.2),
    start: !mayBeSpecial || chance < 0.5 ? 'now' : chance < 0.75 ? 'earliest' : 'snapshot',
  };
}

export function randomLanes(random: Random): Lane[] {
  if (random.chance(0.5)) {
    const way = random.pick<Way>(['unmodified', 'unmodified', 'hold']);
    if (random.chance(0.3)) {
      const sources = [randomSource(random, false), randomSource(random, false)];
      return [{ tag: '', way, sources }];
    }
    return [{ tag: '', way, sources: [randomSource(random, true)] }];
  }
  const ways: readonly Way[] = ['map', 'map', 'holdMap', 'holdMap', 'holdNoId', 'filter'];
  return Array.from({ length: random.int(1, 3) }, (_, index) => ({
    tag: `${index}`,
    way: random.pick(ways),
    sources: [randomSource(random, true)],
  }));
}

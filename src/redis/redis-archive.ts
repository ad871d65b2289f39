import {
  Archive,
  type ArchivedEvent,
  type ArchivePage,
  type ArchiveQuery,
  type ArchiveSize,
  type ArchiveStart,
  type ArchiveTopics,
} from '../backplane/archive.js';
import { SseError } from '../errors.js';
import type { TopicRule } from '../log/topics.js';
import type { Publisher } from './publisher.js';
import { idOf, recordOf } from './stream-entry.js';

/** Entries asked for at a time while looking for a place. */
const PAGE = 256;

interface Part {
  readonly lost: number;
  /** How far it is complete, if there is more. */
  readonly end: number | undefined;
  readonly events: readonly ArchivedEvent[];
}

/** Kept topics in Redis: see the script's own comment for how they lie there. */
export class RedisArchive extends Archive {
  /** Which topics a rule selects is not known to Redis. */
  override readonly knowsRules = false;
  readonly #publisher: Publisher;

  constructor(publisher: Publisher) {
    super();
    this.#publisher = publisher;
  }

  override async read(query: ArchiveQuery): Promise<ArchivePage> {
    const { after, upTo, maxEvents, maxBytes } = query;
    const keys = topicsOf(query).flatMap((topic) => [
      this.#key('kept', query.epoch, topic),
      this.#key('topic', query.epoch, topic),
    ]);
    const reply = await this.#publisher.askArchive(keys, after + 1, upTo, maxEvents, maxBytes);
    return joinParts((reply as unknown[]).map(partOf), upTo, maxEvents);
  }

  override async seek(selected: ArchiveTopics, start: ArchiveStart): Promise<number> {
    const offsets: number[] = [];
    for (const topic of topicsOf(selected)) {
      const key = this.#key('kept', selected.epoch, topic);
      if (start.last === undefined)
        offsets.push(await this.#before(key, selected, topic, start.since));
      else
        offsets.push(...(await this.#backwards(key, start.last + 1)).map(({ offset }) => offset));
    }
    if (start.last === undefined) return Math.max(0, ...offsets);
    return [...new Set(offsets)].sort((a, b) => b - a)[start.last] ?? 0;
  }

  override async latest(selected: ArchiveTopics, upTo: number): Promise<ArchivedEvent | undefined> {
    let latest: ArchivedEvent | undefined;
    for (const topic of topicsOf(selected)) {
      const key = this.#key('kept', selected.epoch, topic);
      const [event] = await this.#backwards(key, 1, upTo);
      if (event !== undefined && event.offset > (latest?.offset ?? 0)) latest = event;
    }
    return latest;
  }

  /** Redis has counted no events, only what they take. */
  override async size(): Promise<ArchiveSize> {
    const meta = this.#publisher.keyOf('meta');
    const [epoch, bytes] = (await this.#publisher.askFor('hmget', meta, 'e', 'ab')) as string[];
    const byAge = this.#publisher.keyOf('by-age', epoch ?? '');
    return {
      bytes: Number(bytes ?? 0),
      topics: Number(await this.#publisher.askFor('zcard', byAge)),
    };
  }

  /** The last offset of a topic that was published before a time. */
  async #before(
    key: string,
    { epoch }: ArchiveTopics,
    topic: string,
    time: number,
  ): Promise<number> {
    let upTo = Infinity;
    for (;;) {
      const page = await this.#backwards(key, PAGE, upTo);
      const found = page.find(({ record }) => (record.at ?? 0) < time);
      if (found !== undefined) return found.offset;
      if (page.length < PAGE) break;
      upTo = (page.at(-1)?.offset ?? 1) - 1;
    }
    const hash = this.#key('topic', epoch, topic);
    const [lost, lostAt] = (await this.#publisher.askFor('hmget', hash, 'o', 'l')) as string[];
    return Number(lostAt ?? Infinity) < time ? Number(lost) : 0;
  }

  /** Events of one topic from the last one on. */
  async #backwards(key: string, count: number, upTo = Infinity): Promise<ArchivedEvent[]> {
    const from = upTo === Infinity ? '+' : upTo;
    const reply = await this.#publisher.askFor('xrevrange', key, from, '-', 'COUNT', count);
    return (reply as unknown[]).flatMap((raw) => eventOf(raw) ?? []);
  }

  #key(kind: string, epoch: string, topic: string): string {
    return this.#publisher.keyOf(kind, epoch, topic);
  }
}

function topicsOf({
  topics,
}: {
  readonly topics: readonly string[] | TopicRule;
}): readonly string[] {
  if (!('matches' in topics)) return topics;
  throw new SseError('BACKPLANE_BROKEN', 'Redis does not know which topics a pattern selects');
}

/** The events of several topics in one order, as far as all of them are complete. */
function joinParts(parts: readonly Part[], upTo: number, maxEvents: number): ArchivePage {
  const lost = Math.max(0, ...parts.map((part) => part.lost));
  const ends = parts.map((part) => part.end ?? upTo);
  const end = Math.min(upTo, ...ends);
  const all = new Map(parts.flatMap(({ events }) => events.map((event) => [event.offset, event])));
  const events = [...all.values()]
    .filter(({ offset }) => offset <= end)
    .sort((a, b) => a.offset - b.offset);
  if (events.length <= maxEvents) return { events, upTo: end, lost };
  const first = events.slice(0, maxEvents);
  return { events: first, upTo: first.at(-1)?.offset ?? end, lost };
}

function partOf(reply: unknown): Part {
  const [lost, more, entries] = reply as [string, number, unknown[]];
  const events = entries.flatMap((raw) => eventOf(raw) ?? []);
  // What cannot be read is as good as gone, and nobody passes it unheard.
  const unreadable = entries
    .filter((raw) => eventOf(raw) === undefined)
    .map((raw) => Number.parseInt(idOf(raw) ?? '0', 10));
  // Nobody asks twice for a part of which nothing can be read.
  const end = more === 1 ? Number.parseInt(idOf(entries.at(-1)) ?? '0', 10) : undefined;
  return { lost: Math.max(Number(lost), ...unreadable), end, events };
}

/** Undefined for what cannot be read. */
function eventOf(raw: unknown): ArchivedEvent | undefined {
  const id = idOf(raw);
  if (id === undefined) return undefined;
  const fields = (raw as [string, string[]])[1];
  const valueOf = (name: string) => {
    for (let index = 0; index + 1 < fields.length; index += 2) {
      if (fields[index] === name) return fields[index + 1];
    }
    return undefined;
  };
  const record = recordOf(valueOf('h'), valueOf('d'), Number(valueOf('t')));
  return typeof record === 'string' ? undefined : { offset: Number.parseInt(id, 10), record };
}

import {
  Archive,
  type ArchivedEvent,
  type ArchivePage,
  type ArchiveQuery,
  type ArchiveSize,
  type ArchiveStart,
  type ArchiveTopics,
} from '../backplane/archive.js';
import { Losses } from '../backplane/forgotten-topics.js';
import { SseError } from '../errors.js';
import { TOPIC_END } from '../log/topic-end.js';
import type { TopicRule } from '../log/topics.js';
import type { Publisher } from './publisher.js';
import { isOfWrongType } from './refusals.js';
import { RulesInForce, type Since } from './rules-in-force.js';
import { idOf, recordOf } from './stream-entry.js';

/** Entries asked for at a time while looking for an offset. */
const PAGE = 256;

/** Fewer events than none: nothing but what the topics have lost. */
const NO_EVENTS = -1;

/** What a topic has lost, and when that was published. */
interface TopicLoss {
  readonly lost: number;
  readonly lostAt: number;
}

interface Part extends TopicLoss {
  /** How far it is complete, if there is more. */
  readonly end: number | undefined;
  readonly events: readonly ArchivedEvent[];
}

/** Kept topics in Redis: see the script's own comment for how they lie there. */
export class RedisArchive extends Archive {
  /** Which topics a rule selects is not known to Redis. */
  override readonly knowsRules = false;
  readonly #publisher: Publisher;
  readonly #onWrongKeys: (keys: readonly string[]) => void;
  readonly #rules = new RulesInForce();

  /** @param onWrongKeys told of keys that hold something else, and what */
  constructor(publisher: Publisher, onWrongKeys: (keys: readonly string[]) => void) {
    super();
    this.#publisher = publisher;
    this.#onWrongKeys = onWrongKeys;
  }

  override async read(query: ArchiveQuery): Promise<ArchivePage> {
    const { after, upTo, maxEvents, maxBytes } = query;
    const topics = topicsOf(query);
    const parts = await this.#ask(query.epoch, topics, [after + 1, upTo, maxEvents, maxBytes]);
    if (parts === undefined) return { events: [], upTo, lost: upTo, losses: upTo };
    return joinParts(parts, upTo, maxEvents);
  }

  override async seek(selected: ArchiveTopics, start: ArchiveStart): Promise<number> {
    if (start.last === undefined) return this.#before(selected, start.since);
    const offsets: number[] = [];
    for (const topic of topicsOf(selected)) {
      const key = this.#publisher.keyOf('kept', selected.epoch, topic);
      offsets.push(...(await this.#lastOffsets(key, start.last + 1, start.upTo)));
    }
    return [...new Set(offsets)].sort((a, b) => b - a)[start.last] ?? 0;
  }

  override async latest(selected: ArchiveTopics, upTo: number): Promise<ArchivedEvent | undefined> {
    let latest: ArchivedEvent | undefined;
    for (const topic of topicsOf(selected)) {
      const key = this.#publisher.keyOf('kept', selected.epoch, topic);
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

  /** The last offset of the topics that was published before a time. */
  async #before(selected: ArchiveTopics, time: number): Promise<number> {
    const { epoch } = selected;
    const topics = topicsOf(selected);
    let before = 0;
    for (const topic of topics) {
      const key = this.#publisher.keyOf('kept', epoch, topic);
      before = Math.max(before, await this.#beforeIn(key, time));
    }
    // Afterwards, so that what is lost meanwhile is among it.
    for (const { lost, lostAt } of (await this.#ask(epoch, topics, [1, 0, NO_EVENTS, 0])) ?? []) {
      if (lostAt < time) before = Math.max(before, lost);
    }
    return before;
  }

  async #beforeIn(key: string, time: number): Promise<number> {
    let upTo = Infinity;
    for (;;) {
      const page = await this.#backwards(key, PAGE, upTo);
      const found = page.find(({ record }) => (record.at ?? 0) < time);
      if (found !== undefined) return found.offset;
      if (page.length < PAGE) return 0;
      upTo = (page.at(-1)?.offset ?? 1) - 1;
    }
  }

  /** Of the last events of one topic at or before an offset, so many at most; ends are none. */
  async #lastOffsets(key: string, count: number, upTo: number): Promise<number[]> {
    const offsets: number[] = [];
    for (let last = upTo; ;) {
      const wanted = count - offsets.length;
      const page = await this.#backwards(key, wanted, last);
      const events = page.filter(({ record }) => record.type !== TOPIC_END);
      offsets.push(...events.map(({ offset }) => offset));
      if (page.length < wanted || events.length === wanted) return offsets;
      last = (page.at(-1)?.offset ?? 1) - 1;
    }
  }

  /** Of each topic what is asked for; undefined if the log is in another epoch. */
  async #ask(
    epoch: string,
    topics: readonly string[],
    range: readonly number[],
  ): Promise<Part[] | undefined> {
    const reply = await this.#publisher.askArchive(epoch, topics, range);
    const [current, head, rules, since, parts, wrong] = reply as [
      ...[epoch: string, head: string, rules: string, since: string],
      ...[parts: unknown[], wrong: string[]],
    ];
    this.#onWrongKeys(wrong);
    if (current !== epoch) return undefined;
    this.#rules.follow(rules, since);
    return parts.map((part, index) => {
      const begun = this.#rules.sinceOf(topics[index] ?? '');
      return partOf(part, begun ?? { offset: Number(head), at: Infinity });
    });
  }

  /** Events of one topic from the last one on. */
  async #backwards(key: string, count: number, upTo = Infinity): Promise<ArchivedEvent[]> {
    const from = upTo === Infinity ? '+' : upTo;
    const reply = await this.#publisher
      .askFor('xrevrange', key, from, '-', 'COUNT', count)
      // What somebody has written over is gone, which `read` tells.
      .catch((error: unknown) => {
        if (isOfWrongType(error)) return [];
        throw error;
      });
    return (reply as unknown[]).flatMap((raw) => eventOf(raw) ?? []);
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
  const losses = new Losses();
  for (const part of parts) losses.add(part.lost);
  const { lost, sum } = losses;
  const ends = parts.map((part) => part.end ?? upTo);
  const end = Math.min(upTo, ...ends);
  const all = new Map(parts.flatMap(({ events }) => events.map((event) => [event.offset, event])));
  const events = [...all.values()]
    .filter(({ offset }) => offset <= end)
    .sort((a, b) => a.offset - b.offset);
  if (events.length <= maxEvents) return { events, upTo: end, lost, losses: sum };
  const first = events.slice(0, maxEvents);
  return { events: first, upTo: first.at(-1)?.offset ?? end, lost, losses: sum };
}

/** @param begun since when the topic is kept */
function partOf(reply: unknown, begun: Since): Part {
  const [lost, lostAt, more, entries] = reply as [string, string, number, unknown[]];
  const events: ArchivedEvent[] = [];
  let last = Math.max(Number(lost), begun.offset);
  for (const raw of entries) {
    const event = eventOf(raw);
    // What cannot be read is as good as gone, and nobody passes it unheard.
    if (event === undefined) last = Math.max(last, Number.parseInt(idOf(raw) ?? '0', 10));
    else events.push(event);
  }
  // Nobody asks twice for a part of which nothing can be read.
  const end = more === 1 ? Number.parseInt(idOf(entries.at(-1)) ?? '0', 10) : undefined;
  return { lost: last, lostAt: last === begun.offset ? begun.at : Number(lostAt), end, events };
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

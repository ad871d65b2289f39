import type { ArchiveStart } from '../backplane/archive.js';
import { Losses } from '../backplane/forgotten-topics.js';
import { TopicMatcher } from '../log/matching.js';
import { TOPIC_END } from '../log/topic-end.js';
import { OVERHEAD } from './block-rows.js';
import { type BlockRow, pushBlock, recordsOf } from './blocks.js';
import type { Database, Statement, Value } from './driver.js';
import { ForgottenRows } from './forgotten-topics.js';
import type { KeptPage, KeptRange, Selection } from './protocol.js';
import type { RulesInForce } from './rules-in-force.js';

/** Topics that are read one by one; of more, the events of all topics are looked through. */
const FEW_TOPICS = 64;
/** Kept events that one question looks through, and how many at a time. */
const LOOKED_THROUGH = 20_000;
const CHUNK = 1_000;
/** Greater than whatever begins with the text before it. */
const LAST_CHARACTER = '\u{10ffff}';

interface Topic {
  readonly id: number;
  readonly name: string;
  readonly lost: number;
  readonly lost_at: number;
}

interface KeptRow {
  readonly offset: number;
  /** That its data count for, and more; 0 for what no bound counts. */
  readonly bytes: number;
}

/** Offsets of events, and up to where there are no others. */
interface Found {
  readonly offsets: readonly number[];
  readonly upTo: number;
}

/** What is asked of the archive, in somebody else's transaction. */
export class KeptQueries {
  readonly #rules: RulesInForce;
  readonly #forgotten: ForgottenRows;
  readonly #byName: Statement;
  readonly #byPrefix: Statement;
  readonly #forwards: Statement;
  readonly #backwards: Statement;
  readonly #before: Statement;
  readonly #through: Statement;
  readonly #event: Statement;
  readonly #count: Statement;

  constructor(database: Database, rules: RulesInForce) {
    this.#rules = rules;
    this.#forgotten = new ForgottenRows(database);
    const topics = 'SELECT id, name, lost, lost_at FROM topics';
    this.#byName = database.prepare(`${topics} WHERE name = ?`);
    this.#byPrefix = database.prepare(`${topics} WHERE name >= ? AND name < ?`);
    const kept = 'SELECT offset, bytes FROM kept WHERE topic = ?';
    this.#forwards = database.prepare(
      `${kept} AND offset > ? AND offset <= ? ORDER BY offset LIMIT ?`,
    );
    this.#backwards = database.prepare(`${kept} AND offset <= ? ORDER BY offset DESC LIMIT ?`);
    this.#before = database.prepare(`${kept} AND at < ? ORDER BY offset DESC LIMIT 1`);
    this.#through = database.prepare(
      'SELECT offset, topic FROM kept WHERE (offset, topic) > (?, ?) AND offset <= ? ORDER BY offset, topic LIMIT ?',
    );
    this.#event = database.prepare(
      'SELECT offset AS last, at, text FROM archived WHERE offset = ?',
    );
    this.#count = database.prepare(
      'SELECT coalesce(sum(count), 0) AS events, count(*) AS topics FROM topics WHERE count > 0',
    );
  }

  read({ topics, after, upTo, maxEvents, maxBytes }: KeptRange): KeptPage {
    const selected = this.#select(topics);
    const found =
      selected.length <= FEW_TOPICS
        ? this.#merge(selected, after, upTo, maxEvents)
        : this.#lookThrough(selected, after, upTo, maxEvents);
    const losses = this.#lossesOf(topics, selected);
    let { lost } = losses;
    const { sum } = losses;
    const values: Value[] = [];
    let bytes = 0;
    let last: number | undefined;
    for (const offset of found.offsets) {
      const row = this.#event.get(offset) as BlockRow | undefined;
      if (row === undefined) {
        lost = Math.max(lost, offset);
        continue;
      }
      bytes += row.text.length;
      if (last !== undefined && bytes > maxBytes) return { values, upTo: last, lost, losses: sum };
      pushBlock(values, row);
      last = offset;
    }
    return { values, upTo: found.upTo, lost, losses: sum };
  }

  seek({ topics }: Selection, start: ArchiveStart): number {
    const selected = this.#select(topics);
    if (start.last !== undefined) {
      const count = start.last + 1;
      const offsets = selected.flatMap(({ id }) => this.#lastOffsets(id, start.upTo, count));
      return distinct(offsets).at(-count) ?? 0;
    }
    const { since } = start;
    const before = selected.flatMap(({ id, lost, lost_at }) => {
      const row = this.#before.get(id, since) as { offset: number } | undefined;
      return [row?.offset ?? 0, lost_at < since ? lost : 0];
    });
    return Math.max(...this.#sinceOf(topics, since), ...before);
  }

  /** The last event at or before an offset; none, if there is none. */
  latest({ topics }: Selection, upTo: number): Value[] {
    const offsets = this.#select(topics).flatMap(({ id }) =>
      this.#rowsBefore(id, upTo, 1).map(({ offset }) => offset),
    );
    const row = this.#event.get(Math.max(0, ...offsets)) as BlockRow | undefined;
    const values: Value[] = [];
    if (row !== undefined) pushBlock(values, row);
    return values;
  }

  /** What is kept, of topics that have anything. */
  count(): { readonly events: number; readonly topics: number } {
    return this.#count.get() as { events: number; topics: number };
  }

  #select(topics: Selection['topics']): readonly Topic[] {
    if (!('pattern' in topics)) {
      return topics.flatMap(
        (name) => (this.#byName.get(JSON.stringify(name)) as Topic | undefined) ?? [],
      );
    }
    const matcher = new TopicMatcher(topics.pattern);
    const [prefix = ''] = topics.pattern.split('*');
    const text = JSON.stringify(prefix).slice(0, -1);
    const found = this.#byPrefix.all(text, `${text}${LAST_CHARACTER}`) as Topic[];
    return found.filter(({ name }) => matcher.matches(JSON.parse(name) as string));
  }

  #lossesOf(asked: Selection['topics'], selected: readonly Topic[]): Losses {
    const losses = new Losses();
    for (const offset of this.#sinceOf(asked)) losses.add(offset, 0);
    for (const { lost } of selected) losses.add(lost);
    if ('pattern' in asked) {
      this.#forgotten.addTo(losses, asked);
      return losses;
    }
    const known = new Set(selected.map(({ name }) => name));
    for (const name of asked) {
      if (!known.has(JSON.stringify(name))) this.#forgotten.addTo(losses, name);
    }
    return losses;
  }

  /** Where the topics began to be kept, if that was before a time. */
  #sinceOf(topics: Selection['topics'], time = Infinity): number[] {
    const since = 'pattern' in topics ? [topics] : topics;
    const begun = since.map((each) => this.#rules.sinceOf(each)).filter(({ at }) => at < time);
    return [0, ...begun.map(({ offset }) => offset)];
  }

  /** Of the last events of a topic at or before an offset, so many at most; ends are none. */
  #lastOffsets(topic: number, upTo: number, count: number): number[] {
    const offsets: number[] = [];
    for (let last = upTo; ;) {
      const wanted = count - offsets.length;
      const rows = this.#rowsBefore(topic, last, wanted);
      for (const row of rows) if (!this.#isEnd(row)) offsets.push(row.offset);
      if (rows.length < wanted || offsets.length === count) return offsets;
      last = (rows.at(-1)?.offset ?? 1) - 1;
    }
  }

  #rowsBefore(topic: number, upTo: number, count: number): KeptRow[] {
    return this.#backwards.all(topic, Math.min(upTo, Number.MAX_SAFE_INTEGER), count) as KeptRow[];
  }

  /** Whether it is no event, but the end of its topics, which has no data: few others are looked at for that. */
  #isEnd({ offset, bytes }: KeptRow): boolean {
    if (bytes > OVERHEAD) return false;
    const row = this.#event.get(offset) as BlockRow | undefined;
    return row !== undefined && recordsOf(row.text)[0]?.type === TOPIC_END;
  }

  #merge(topics: readonly Topic[], after: number, upTo: number, count: number): Found {
    const all = topics.flatMap(
      ({ id }) => this.#forwards.all(id, after, upTo, count + 1) as { offset: number }[],
    );
    return firstOf(distinct(all.map(({ offset }) => offset)), upTo, count);
  }

  #lookThrough(topics: readonly Topic[], after: number, upTo: number, count: number): Found {
    const selected = new Set(topics.map(({ id }) => id));
    const offsets = new Set<number>();
    // No event has a topic that is greater.
    let place = { offset: after, topic: Number.MAX_SAFE_INTEGER };
    for (let seen = 0; seen < LOOKED_THROUGH && offsets.size <= count; seen += CHUNK) {
      const rows = this.#through.all(place.offset, place.topic, upTo, CHUNK) as (typeof place)[];
      for (const { offset, topic } of rows) if (selected.has(topic)) offsets.add(offset);
      place = rows.at(-1) ?? place;
      if (rows.length < CHUNK) return firstOf([...offsets], upTo, count);
    }
    return firstOf([...offsets], place.offset, count);
  }
}

function firstOf(offsets: readonly number[], upTo: number, count: number): Found {
  if (offsets.length <= count) return { offsets, upTo };
  const first = offsets.slice(0, count);
  return { offsets: first, upTo: first.at(-1) ?? upTo };
}

/** In their order, each once. */
function distinct(offsets: readonly number[]): number[] {
  return [...new Set(offsets)].sort((one, other) => one - other);
}

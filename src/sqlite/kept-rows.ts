import type { Retention, RetentionRules } from '../log/retention.js';
import type { EventRecord } from '../log/entry.js';
import { OVERHEAD } from './block-rows.js';
import { type Block, blockTextOf, hasInternal, recordsOf } from './blocks.js';
import type { Database, Statement } from './driver.js';
import { type KeptTopicRow, KeptTopics } from './kept-topics.js';

/** Events that are dropped at a time, at least; nobody waits longer for the lock because of them. */
const STEP = 1_024;
/** Of them, how many are looked for at once. */
const PAGE = 128;
/** Topics that are looked at in one step because something in them is due. */
const DUE_TOPICS = 64;

interface KeptRow {
  readonly topic: number;
  readonly offset: number;
  readonly at: number;
  readonly bytes: number;
}

/** What of a step is done. */
interface Progress {
  events: number;
  bytes: number;
}

/**
 * Which events are kept for which topics. They are in the file beside the tail, until
 * no topic keeps them any longer. All of it is part of somebody else's transaction, which ends with `store`.
 */
export class KeptRows {
  readonly #maxBytes: number;
  readonly #topics: KeptTopics;
  readonly #insert: Statement;
  readonly #ofKey: Statement;
  readonly #oldestOf: Statement;
  readonly #oldest: Statement;
  readonly #remove: Statement;
  readonly #insertEvent: Statement;
  readonly #removeEvent: Statement;
  readonly #isDue: Statement;

  constructor(database: Database, maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#topics = new KeptTopics(database);
    this.#insert = database.prepare(
      'INSERT INTO kept (topic, offset, at, bytes, key) VALUES (?, ?, ?, ?, ?)',
    );
    const select = 'SELECT topic, offset, at, bytes FROM kept';
    this.#ofKey = database.prepare(`${select} WHERE topic = ? AND key = ?`);
    this.#oldestOf = database.prepare(`${select} WHERE topic = ? ORDER BY offset LIMIT ?`);
    // What the bound on bytes has no say in counts for none.
    this.#oldest = database.prepare(`${select} WHERE bytes > 0 ORDER BY offset LIMIT ?`);
    this.#remove = database.prepare('DELETE FROM kept WHERE topic = ? AND offset = ?');
    this.#insertEvent = database.prepare(
      'INSERT INTO archived (offset, at, text) VALUES (?, ?, ?)',
    );
    this.#removeEvent = database.prepare(
      `DELETE FROM archived WHERE offset = ?
         AND NOT EXISTS (SELECT 1 FROM kept WHERE kept.offset = archived.offset)`,
    );
    this.#isDue = database.prepare('SELECT 1 FROM topics WHERE due <= ? LIMIT 1');
  }

  /** Whether there is something to do, and nobody may publish for a while. */
  isDue(bytes: number, now: number): boolean {
    return bytes > this.#maxBytes || this.#hasDue(now);
  }

  /**
   * Keeps what was added after `head` for those of its topics that a rule is for.
   *
   * @returns bytes that the archive has grown by
   */
  keep(head: number, blocks: readonly Block[], at: number, rules: RetentionRules): number {
    let grown = 0;
    let first = head + 1;
    for (const { count, text } of blocks) {
      if (!rules.isEmpty || hasInternal(text)) {
        let offset = first;
        for (const record of recordsOf(text)) grown += this.#keep(record, offset++, at, rules);
      }
      first += count;
    }
    return grown;
  }

  /**
   * Drops a step of what is too old, and of the oldest events of all topics while there is no room: at least as much
   * as was added.
   *
   * @param bytes that the archive has
   * @returns bytes that it has then
   */
  trim(bytes: number, now: number, added: Progress): number {
    const done: Progress = { events: 0, bytes: 0 };
    const budget = Math.max(STEP, added.events * 2);
    const due = this.#hasDue(now)
      ? this.#topics.dueAt(now, Math.max(DUE_TOPICS, added.events * 2))
      : [];
    for (const topic of due) {
      if (topic.count === 0) this.#topics.forget(topic);
      else this.#expire(topic, now, budget, done);
      if (done.events >= budget) break;
    }
    const hasRoom = () => bytes - done.bytes <= this.#maxBytes;
    while (!hasRoom() && (done.events < budget || done.bytes < added.bytes)) {
      const rows = this.#oldest.all(PAGE) as KeptRow[];
      if (rows.length === 0) return 0;
      for (const row of rows) {
        if (hasRoom()) break;
        this.#lose(this.#topics.ofId(row.topic), row, done);
      }
    }
    return bytes - done.bytes;
  }

  /** Writes what is known of the topics, at the end of a transaction. */
  store(): void {
    this.#topics.store();
  }

  /** The transaction has failed. */
  reset(): void {
    this.#topics.reset();
  }

  #keep(record: EventRecord, offset: number, at: number, rules: RetentionRules): number {
    const { topics, key, text } = record;
    let grown = 0;
    let isKept = false;
    for (const name of topics) {
      const retention = rules.of(name, key);
      if (retention === undefined) continue;
      if (!isKept) this.#insertEvent.run(offset, at, blockTextOf(record));
      isKept = true;
      const bytes = retention.isExempt ? 0 : Buffer.byteLength(text) + OVERHEAD;
      grown += this.#add(this.#topics.open(name), retention, { offset, at, bytes }, key);
    }
    return grown;
  }

  #hasDue(now: number): boolean {
    return this.#isDue.get(now) !== undefined;
  }

  #add(
    topic: KeptTopicRow,
    { keepFor, keepEvents, keepLatestPerKey, isWhole, isExempt }: Retention,
    { offset, at, bytes }: Omit<KeptRow, 'topic'>,
    key: string | undefined,
  ): number {
    const gone: Progress = { events: 0, bytes: 0 };
    const known = isExempt && topic.count > 0 ? Math.abs(topic.keep_for) : 0;
    topic.keep_for = Math.max(keepFor === false ? 0 : keepFor, known) * (isWhole ? -1 : 1);
    topic.last_at = at;
    const name = keepLatestPerKey && key !== undefined ? JSON.stringify(key) : null;
    if (name !== null) {
      const replaced = this.#ofKey.get(topic.id, name) as KeptRow | undefined;
      if (replaced !== undefined) this.#drop(topic, replaced, gone);
    }
    this.#insert.run(topic.id, offset, at, bytes, name);
    topic.count++;
    if (keepEvents !== false && topic.count > keepEvents) {
      const surplus = topic.count - keepEvents;
      for (const row of this.#oldestOf.all(topic.id, surplus) as KeptRow[]) {
        this.#lose(topic, row, gone);
      }
    }
    return bytes - gone.bytes;
  }

  #expire(topic: KeptTopicRow, now: number, budget: number, done: Progress): void {
    const isOver = topic.keep_for < 0 && topic.last_at <= now + topic.keep_for;
    const oldestAllowed = isOver ? now : now - topic.keep_for;
    while ((topic.keep_for > 0 || isOver) && done.events < budget) {
      const rows = this.#oldestOf.all(topic.id, PAGE) as KeptRow[];
      const expired = rows.filter(({ at }) => at <= oldestAllowed);
      for (const row of expired) this.#lose(topic, row, done);
      if (expired.length < PAGE) return;
    }
  }

  #lose(topic: KeptTopicRow | undefined, row: KeptRow, done: Progress): void {
    if (topic !== undefined && row.offset > topic.lost) {
      topic.lost = row.offset;
      topic.lost_at = row.at;
    }
    this.#drop(topic, row, done);
  }

  #drop(topic: KeptTopicRow | undefined, row: KeptRow, done: Progress): void {
    this.#remove.run(row.topic, row.offset);
    this.#removeEvent.run(row.offset);
    if (topic !== undefined) topic.count--;
    done.events++;
    done.bytes += row.bytes;
  }
}

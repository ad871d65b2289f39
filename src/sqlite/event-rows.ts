import type { History } from '../log/log-sink.js';
import type { Database, Statement, Value } from './driver.js';
import { VALUES_PER_RECORD } from './record-values.js';

/** Rows that one statement adds: binding is what costs. */
const ROWS = 20;
const COLUMNS = VALUES_PER_RECORD + 2;
export const EVENT_COLUMNS = 'offset, at, topics, type, key, form, text';
/** What an event counts for beside its text, in bytes, as in the log of an instance. */
export const OVERHEAD = 256;
/** Events that are removed at a time, at least; nobody waits longer for the lock because of them. */
const STEP = 1_024;
/** Events beyond a bound that are not worth a step of their own. */
const SLACK = 256;

export interface EventRow {
  readonly offset: number;
  readonly at: number;
  readonly topics: string;
  readonly type: string | null;
  readonly key: string | null;
  readonly form: number;
  readonly text: string;
}

interface Tail {
  readonly first: number;
  readonly head: number;
  readonly bytes: number;
}

/** Adds an event to what is answered. */
export function pushEvent(values: Value[], row: EventRow): void {
  values.push(row.offset, row.at, row.topics, row.type, row.key, row.form, row.text);
}

/** The table of events: what is added at its end, read from its middle and removed at its beginning. */
export class EventRows {
  readonly #history: History;
  readonly #addOne: Statement;
  readonly #addMany: Statement;
  readonly #select: Statement;
  readonly #size: Statement;
  readonly #remove: Statement;
  readonly #time: Statement;
  readonly #expired: Statement;
  readonly #latest: Statement;

  constructor(database: Database, history: History) {
    this.#history = history;
    const row = `(${Array<string>(COLUMNS).fill('?').join(', ')})`;
    const insert = 'INSERT INTO events (offset, at, topics, type, key, form, text) VALUES';
    this.#addOne = database.prepare(`${insert} ${row}`);
    this.#addMany = database.prepare(`${insert} ${Array<string>(ROWS).fill(row).join(', ')}`);
    this.#select = database.prepare(
      `SELECT ${EVENT_COLUMNS} FROM events WHERE offset > ? ORDER BY offset LIMIT ?`,
    );
    const range = 'FROM events WHERE offset BETWEEN ? AND ?';
    this.#size = database.prepare(
      `SELECT coalesce(sum(length(CAST(text AS BLOB)) + ${OVERHEAD}), 0) AS bytes ${range}`,
    );
    this.#remove = database.prepare(
      `DELETE ${range} AND NOT EXISTS (SELECT 1 FROM kept WHERE kept.offset = events.offset)`,
    );
    this.#time = database.prepare('SELECT at FROM events WHERE offset = ?');
    this.#expired = database.prepare(`SELECT count(*) AS count ${range} AND at < ?`);
    this.#latest = database.prepare('SELECT at FROM events ORDER BY offset DESC LIMIT 1');
  }

  /** The time by which events are published: never before the last one was, though the clock is set back. */
  get now(): number {
    const latest = this.#latest.get() as { at: number } | undefined;
    return Math.max(Date.now(), latest?.at ?? 0);
  }

  /** Adds events after `head`; gives the bytes that they count for. */
  add(head: number, values: readonly Value[], at: number): number {
    let bytes = 0;
    let offset = head;
    let bound: Value[] = [];
    for (let start = 0; start < values.length; start += VALUES_PER_RECORD) {
      bound.push(++offset, at);
      for (let index = 0; index < VALUES_PER_RECORD; index++) {
        bound.push(values[start + index] ?? null);
      }
      bytes += Buffer.byteLength(String(values[start + VALUES_PER_RECORD - 1])) + OVERHEAD;
      if (bound.length < ROWS * COLUMNS) continue;
      this.#addMany.run(...bound);
      bound = [];
    }
    for (let start = 0; start < bound.length; start += COLUMNS) {
      this.#addOne.run(...bound.slice(start, start + COLUMNS));
    }
    return bytes;
  }

  /** Events after an offset, flat. */
  read(after: number, count: number): Value[] {
    const values: Value[] = [];
    for (const row of this.#select.all(after, count) as EventRow[]) {
      pushEvent(values, row);
    }
    return values;
  }

  /** Events that the bounds no longer allow, or 0 if they are too few to bother. */
  surplusOf({ first, head, bytes }: Tail, now: number): number {
    const { maxEvents, maxBytes, maxAge } = this.#history;
    const count = head - first + 1;
    if (count <= 0) return 0;
    const surplusBytes = Math.ceil(((bytes - maxBytes) / bytes) * count);
    const expired = maxAge === false ? 0 : this.#countExpired(first, now - maxAge);
    const surplus = Math.max(count - maxEvents, surplusBytes, expired);
    return surplus < Math.min(SLACK, Math.ceil(count / 16)) ? 0 : Math.min(surplus, count);
  }

  /**
   * Removes one step of what the bounds no longer allow, but for what a topic keeps; gives what the tail then is.
   *
   * @param added events that were added in this step: more have to go than come
   */
  trim(tail: Tail, now: number, added: number): { first: number; bytes: number } {
    const { first, bytes } = tail;
    const surplus = this.surplusOf(tail, now);
    if (surplus === 0) return { first, bytes };
    const last = first - 1 + Math.min(surplus, Math.max(STEP, added * 2));
    const { bytes: removed } = this.#size.get(first, last) as { bytes: number };
    this.#remove.run(first, last);
    return { first: last + 1, bytes: bytes - removed };
  }

  #countExpired(first: number, oldestAllowed: number): number {
    const oldest = this.#time.get(first) as { at: number } | undefined;
    if (oldest === undefined || oldest.at >= oldestAllowed) return 0;
    const row = this.#expired.get(first, first + STEP - 1, oldestAllowed);
    return (row as { count: number }).count;
  }
}

import type { Database, Statement } from './driver.js';
import { ForgottenRows } from './forgotten-topics.js';

/** How long a topic without events remembers what it lost, as a multiple of how long it kept them. */
const REMEMBERED = 2;
/** The least of that, in milliseconds. */
const REMEMBERED_AT_LEAST = 3_600_000;

/** A kept topic, as the file has it or is about to have it. */
export interface KeptTopicRow {
  readonly id: number;
  /** As JSON, because node:sqlite reads a text up to its first NUL. */
  readonly name: string;
  lost: number;
  lost_at: number;
  count: number;
  /** Milliseconds; 0: any time. Of a topic whose events go all together, so long after the last one, it is negative. */
  keep_for: number;
  last_at: number;
}

/** The topics that one transaction touches: read once, and written at its end. */
export class KeptTopics {
  readonly #byName: Statement;
  readonly #byId: Statement;
  readonly #insert: Statement;
  readonly #update: Statement;
  readonly #remove: Statement;
  readonly #due: Statement;
  readonly #oldest: Statement;
  readonly #forgotten: ForgottenRows;
  #named = new Map<string, KeptTopicRow>();
  #touched = new Map<number, KeptTopicRow>();

  constructor(database: Database) {
    const columns = 'id, name, lost, lost_at, count, keep_for, last_at';
    this.#forgotten = new ForgottenRows(database);
    this.#byName = database.prepare(`SELECT ${columns} FROM topics WHERE name = ?`);
    this.#byId = database.prepare(`SELECT ${columns} FROM topics WHERE id = ?`);
    this.#insert = database.prepare(
      `INSERT INTO topics (name, lost, lost_at, count, keep_for, last_at) VALUES (?, ?, ?, 0, 0, 0)
       RETURNING ${columns}`,
    );
    this.#update = database.prepare(
      'UPDATE topics SET lost = ?, lost_at = ?, count = ?, keep_for = ?, last_at = ?, due = ? WHERE id = ?',
    );
    this.#remove = database.prepare('DELETE FROM topics WHERE id = ?');
    this.#due = database.prepare(
      `SELECT ${columns} FROM topics WHERE due <= ? ORDER BY due LIMIT ?`,
    );
    this.#oldest = database.prepare('SELECT at FROM kept WHERE topic = ? ORDER BY offset LIMIT 1');
  }

  /** By its name; there is one afterwards. */
  open(name: string): KeptTopicRow {
    let row = this.#named.get(name);
    if (row !== undefined) return row;
    row = this.#touch(
      (this.#byName.get(JSON.stringify(name)) as KeptTopicRow | undefined) ?? this.#make(name),
    );
    this.#named.set(name, row);
    return row;
  }

  ofId(id: number): KeptTopicRow | undefined {
    const known = this.#touched.get(id);
    if (known !== undefined) return known;
    const row = this.#byId.get(id) as KeptTopicRow | undefined;
    return row === undefined ? undefined : this.#touch(row);
  }

  /** Topics that have something too old, and those that nobody is likely to ask for. */
  dueAt(now: number, count: number): readonly KeptTopicRow[] {
    const rows = this.#due.all(now, count) as KeptTopicRow[];
    return rows.map((row) => this.#touch(row));
  }

  /** It has nothing, and what it lost was so long ago that nobody is likely to ask. */
  forget({ id, name, lost, lost_at }: KeptTopicRow): void {
    if (lost > 0) this.#forgotten.remember(JSON.parse(name) as string, lost, lost_at);
    this.#remove.run(id);
    this.#touched.delete(id);
  }

  /** Writes what has changed; the transaction is at its end. */
  store(): void {
    for (const row of this.#touched.values()) {
      const { id, lost, lost_at, count, keep_for, last_at } = row;
      this.#update.run(lost, lost_at, count, keep_for, last_at, this.#dueOf(row), id);
    }
    this.reset();
  }

  /** Nothing is known of the topics any more. */
  reset(): void {
    this.#named = new Map();
    this.#touched = new Map();
  }

  #make(name: string): KeptTopicRow {
    const { lost, lost_at } = this.#forgotten.lossOf(name);
    return this.#insert.get(JSON.stringify(name), lost, lost_at) as KeptTopicRow;
  }

  #touch(row: KeptTopicRow): KeptTopicRow {
    const known = this.#touched.get(row.id) ?? row;
    this.#touched.set(known.id, known);
    return known;
  }

  #dueOf({ id, count, keep_for, last_at }: KeptTopicRow): number | null {
    if (count > 0 && keep_for === 0) return null;
    if (count > 0 && keep_for < 0) return last_at - keep_for;
    const oldest = this.#oldest.get(id) as { at: number } | undefined;
    if (oldest !== undefined) return oldest.at + keep_for;
    return last_at + Math.max(Math.abs(keep_for) * REMEMBERED, REMEMBERED_AT_LEAST);
  }
}

import { ARCHIVE_BYTES, type ArchiveSize } from '../backplane/archive.js';
import { DEFAULT_HISTORY, type History } from '../log/log-sink.js';
import { RetentionRules } from '../log/retention.js';
import type { Block } from './blocks.js';
import { BlockRows } from './block-rows.js';
import type { Database, Statement } from './driver.js';
import { inodeOf } from './file-identity.js';
import { IdempotencyKeys } from './idempotency-keys.js';
import { KeptQueries } from './kept-queries.js';
import { KeptRows } from './kept-rows.js';
import { epochAfter, isBehind, openDatabase } from './opening.js';
import {
  type LogPlace,
  type LogState,
  type NewEpochReason,
  type Page,
  type Published,
  type ThreadOptions,
} from './protocol.js';
import { firstValue } from './schema.js';
import { RulesInForce, RulesOfInstances } from './rules-in-force.js';
import { Upkeep } from './upkeep.js';

interface State extends LogState {
  /** When the last event was published. */
  readonly at: number;
  readonly bytes: number;
  readonly kept_bytes: number;
  readonly rules: string;
}

/** The log in its file, by one connection. Whatever is busy throws, having done nothing. */
export class LogFile {
  /** Why the log goes on in another epoch; undefined if it does not. */
  readonly because: NewEpochReason | undefined;
  /** The write-ahead log, where every commit is written first. */
  readonly walPath: string;
  readonly #options: ThreadOptions;
  readonly #database: Database;
  readonly #inode: string;
  readonly #rows: BlockRows;
  readonly #kept: KeptRows;
  readonly #history: History;
  readonly #ownRules: RetentionRules;
  readonly #othersRules = new RulesOfInstances();
  readonly #rules: RulesInForce;
  readonly #queries: KeptQueries;
  readonly #keys: IdempotencyKeys;
  readonly #upkeep: Upkeep;
  readonly #readState: Statement;
  readonly #writeState: Statement;
  readonly #readVersion: Statement;
  #version: unknown;
  #isCommitting = false;

  /** @param known how far this instance has followed the log that was there before */
  constructor(options: ThreadOptions, known: LogPlace | undefined) {
    const { history = DEFAULT_HISTORY } = options;
    this.#history = history;
    this.#rules = new RulesInForce(history.topics);
    const rules = options.history && this.#rules.first;
    const { database, realPath, inode, because } = openDatabase(options, known, rules);
    this.#options = options;
    this.#database = database;
    this.#inode = inode;
    this.because = because;
    this.walPath = `${realPath}-wal`;
    this.#rows = new BlockRows(database, history);
    this.#kept = new KeptRows(database, history.archive?.maxBytes ?? ARCHIVE_BYTES);
    this.#ownRules = new RetentionRules(history.topics);
    this.#queries = new KeptQueries(database, this.#rules);
    this.#keys = new IdempotencyKeys(database, options.idempotencyWindow);
    this.#upkeep = new Upkeep(database, this.walPath);
    this.#readState = database.prepare(
      'SELECT epoch, first, head, at, bytes, kept_bytes, rules FROM log',
    );
    this.#writeState = database.prepare(
      'UPDATE log SET first = ?, head = ?, at = ?, bytes = ?, kept_bytes = ?, rules = ?',
    );
    this.#readVersion = database.prepare('PRAGMA data_version');
    this.#version = this.#dataVersion;
  }

  /** Whether the path leads to another file by now, or to none. */
  get isReplaced(): boolean {
    return inodeOf(this.#options.path) !== this.#inode;
  }

  /** Whether what failed last was a commit. */
  get isCommitting(): boolean {
    return this.#isCommitting;
  }

  /** Whether another connection has written since this was last asked. */
  hasChanged(): boolean {
    const version = this.#dataVersion;
    const hasChanged = version !== this.#version;
    this.#version = version;
    return hasChanged;
  }

  /** The state, in a new epoch if the file has gone back behind what was read of it. */
  state(known?: LogPlace): LogState {
    const state = this.#state();
    if (known === undefined || !isBehind(state, known)) return this.#bounded(state);
    return this.#bounded(this.#transaction(() => this.#stateAfter(known)));
  }

  /** Whoever publishes from outside goes by the rules of the instance that started last. */
  tellRules(): void {
    const state = this.#state();
    if (this.#rules.follow(state.rules, state.head, timeAfter(state)) === state.rules) return;
    this.#transaction(() => {
      const now = this.#state();
      const told = this.#rules.follow(now.rules, now.head, timeAfter(now));
      this.#database.prepare('UPDATE log SET rules = ?').run(told);
    });
  }

  /** The events after an offset: all of them, or as many as go into one page. */
  read(after: number): Page {
    this.#database.exec('BEGIN');
    try {
      const state = this.#state();
      const bounded = this.#bounded(state);
      return { ...bounded, values: this.#rows.read(Math.max(after, bounded.first - 1)) };
    } finally {
      this.#database.exec('COMMIT');
    }
  }

  /** Adds a batch in one transaction; in a new epoch if the file has gone back behind what was read of it. */
  publish(blocks: readonly Block[], known?: LogPlace): Published {
    const isNamed = blocks.some(({ idempotencyKey }) => idempotencyKey !== undefined);
    return this.#transaction(() => {
      const state = this.#stateAfter(known);
      const { epoch, head: before } = state;
      const at = timeAfter(state);
      if (!isNamed)
        return { epoch, at, before, head: this.#add(state, blocks, at), offsets: undefined };
      const { added, offsets } = this.#keys.claim(blocks, before);
      return { epoch, at, before, head: this.#add(state, added, at), offsets };
    });
  }

  /** Asks the archive; `otherwise` for an epoch that this log is not in. */
  inArchive<T>(epoch: string, question: (queries: KeptQueries) => T, otherwise: T): T {
    this.#database.exec('BEGIN');
    try {
      const state = this.#state();
      if (state.epoch !== epoch) return otherwise;
      this.#rules.follow(state.rules, state.head, timeAfter(state));
      return question(this.#queries);
    } finally {
      this.#database.exec('COMMIT');
    }
  }

  sizeOfArchive(): ArchiveSize {
    return { ...this.#queries.count(), bytes: this.#state().kept_bytes };
  }

  /** What can wait until after the answer; gives a warning, if there is something to say. */
  settle(): string | undefined {
    return this.#upkeep.checkpointIfDue();
  }

  /** One small step of what has to be done now and then; says whether another one is due. */
  maintain(): boolean {
    if (!this.#isInstance) return false;
    const now = Date.now();
    const isOver = this.#isOver(now);
    if (isOver || this.#keys.areDue()) {
      this.#transaction(() => {
        this.#trim(this.#state(), now, { events: 0, bytes: 0 });
        this.#keys.tidy();
      });
    }
    this.#upkeep.giveBackSpace();
    return isOver && this.#isOver(now);
  }

  #isOver(now: number): boolean {
    const state = this.#state();
    return this.#rows.isOver(state, now) || this.#kept.isDue(state.kept_bytes, now);
  }

  close(): void {
    this.#database.close();
  }

  get #isInstance(): boolean {
    return this.#options.history !== undefined;
  }

  get #dataVersion(): unknown {
    return firstValue(this.#readVersion.get());
  }

  #state(): State {
    return this.#readState.get() as State;
  }

  /** Within a transaction: the state, in a new epoch if it is behind what was read. */
  #stateAfter(known: LogPlace | undefined): State {
    const state = this.#state();
    if (known === undefined || !isBehind(state, known)) return state;
    this.#database.prepare('UPDATE log SET epoch = ?').run(epochAfter(known.epoch));
    return this.#state();
  }

  /** What this instance holds of the tail, which may be less than the file has. */
  #bounded({ epoch, first, head }: State): LogState {
    return { epoch, first: Math.max(first, head - this.#history.maxEvents + 1), head };
  }

  /** Gives the head after it. */
  #add(state: State, blocks: readonly Block[], at: number): number {
    if (blocks.length === 0) return state.head;
    const bytes = this.#rows.add(state.head, blocks, at);
    const rules = this.#isInstance ? this.#ownRules : this.#othersRules.of(state.rules);
    const kept = this.#kept.keep(state.head, blocks, at, rules);
    const events = blocks.reduce((sum, { count }) => sum + count, 0);
    const grown = {
      ...state,
      head: state.head + events,
      at,
      bytes: state.bytes + bytes,
      kept_bytes: state.kept_bytes + kept,
      rules: this.#isInstance ? this.#rules.follow(state.rules, state.head, at) : state.rules,
    };
    if (this.#isInstance) this.#trim(grown, at, { events, bytes: kept });
    else this.#write(grown);
    this.#upkeep.note(bytes);
    return grown.head;
  }

  #trim(state: State, now: number, added: { events: number; bytes: number }): void {
    const { first, bytes } = this.#rows.trim(state, now, added.events);
    const kept = this.#kept.trim(state.kept_bytes, now, added);
    this.#write({ ...state, first, bytes, kept_bytes: kept });
  }

  #write({ first, head, at, bytes, kept_bytes, rules }: State): void {
    this.#kept.store();
    this.#writeState.run(first, head, at, bytes, kept_bytes, rules);
  }

  #transaction<T>(work: () => T): T {
    this.#isCommitting = false;
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#isCommitting = true;
      this.#database.exec('COMMIT');
      this.#isCommitting = false;
      return result;
    } catch (error) {
      this.#kept.reset();
      try {
        this.#database.exec('ROLLBACK');
      } catch {
        // After some failures SQLite has done so itself.
      }
      throw error;
    }
  }
}

/** The time by which events are published: never before the last one was, though the clock is set back. */
function timeAfter({ at }: State): number {
  return Math.max(Date.now(), at);
}

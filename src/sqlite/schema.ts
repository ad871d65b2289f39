import { foreignError, newerError, olderError } from './failures.js';
import type { Database } from './driver.js';

/** `application_id` of the files of this package: "Nest", as ASCII. */
export const APPLICATION_ID = 0x4e657374;
/** `user_version`: the format of the file. One that this version does not know is greater. */
export const FORMAT = 2;

/**
 * `log` has one row. `first` is the oldest offset of the tail, `at` is when the last event was published, `bytes` what the
 * tail counts for, `boot` and `file` are when and where the file was last opened, and `is_synced` is whether whatever was
 * written since the file was last closed by everybody was synced before it was told to anybody. The tail is `blocks`, each
 * of the events that were published together, up to the offset `last`: see `blocks.ts`.
 *
 * What topics keep is in `archived` as well, from the beginning, each event as a block of its own, as long as a topic
 * keeps it: `kept` says which one does. `topics` are those that are kept, by their names as JSON, with the last offset
 * that each has lost, and when that was published, how many events it has, how long they are kept (0: any time), and when
 * there is something to do about it. `kept_bytes` and `rules` are of the archive, see `kept-rows.ts` and
 * `rules-in-force.ts`. `forgotten`, and what `log` has of it, is of topics that are not in `topics` any more, see
 * `forgotten-topics.ts`.
 */
const SCHEMA = `
CREATE TABLE log (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch TEXT NOT NULL,
  first INTEGER NOT NULL,
  head INTEGER NOT NULL,
  at INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL,
  boot TEXT NOT NULL,
  file TEXT NOT NULL,
  is_synced INTEGER NOT NULL,
  kept_bytes INTEGER NOT NULL DEFAULT 0,
  rules TEXT NOT NULL DEFAULT '[]',
  forgotten_lost INTEGER NOT NULL DEFAULT 0,
  forgotten_at INTEGER NOT NULL DEFAULT 0,
  forgotten_sum INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE blocks (
  last INTEGER PRIMARY KEY,
  count INTEGER NOT NULL,
  at INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  text TEXT NOT NULL
);
CREATE TABLE archived (
  offset INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  text TEXT NOT NULL
);
CREATE TABLE topics (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  lost INTEGER NOT NULL,
  lost_at INTEGER NOT NULL,
  count INTEGER NOT NULL,
  keep_for INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  due INTEGER
);
CREATE INDEX topics_by_due ON topics (due) WHERE due IS NOT NULL;
CREATE TABLE kept (
  topic INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  at INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  key TEXT,
  PRIMARY KEY (topic, offset)
) WITHOUT ROWID;
CREATE INDEX kept_by_offset ON kept (offset, topic);
CREATE INDEX kept_by_key ON kept (topic, key) WHERE key IS NOT NULL;
CREATE TABLE forgotten (
  block INTEGER PRIMARY KEY,
  names TEXT NOT NULL
);
CREATE TABLE once (
  key TEXT PRIMARY KEY,
  offset INTEGER NOT NULL,
  at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX once_by_age ON once (at);
PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${FORMAT};
`;

export function createSchema(database: Database): void {
  database.exec(SCHEMA);
}

/**
 * Whether the file has a log, or is empty and can have one. Writes nothing.
 *
 * @throws SseError if it is somebody else's, or of another version
 */
export function hasLog(database: Database, path: string): boolean {
  const application = numberOf(database, 'application_id');
  const format = numberOf(database, 'user_version');
  if (application === APPLICATION_ID) {
    if (format > FORMAT) throw newerError(path, format, FORMAT);
    if (format < FORMAT) throw olderError(path, format);
    return true;
  }
  if (application !== 0 || format !== 0 || numberOf(database, 'schema_version') !== 0) {
    throw foreignError(path);
  }
  return false;
}

/** The one value that a pragma gives. */
export function valueOf(database: Database, pragma: string): unknown {
  return firstValue(database.prepare(`PRAGMA ${pragma}`).get());
}

export function firstValue(row: unknown): unknown {
  return Object.values(row as Record<string, unknown>)[0];
}

export function numberOf(database: Database, pragma: string): number {
  return Number(valueOf(database, pragma));
}

import type { Backplane } from '../backplane/backplane.js';
import { resolveSqliteOptions, type SqliteBackplaneOptions } from './options.js';
import { SqliteBackplane } from './sqlite.backplane.js';

export type { Durability, SqliteBackplaneOptions } from './options.js';

/**
 * A backplane whose log is a SQLite file: it survives a restart, so that clients go on over a deployment as
 * if nothing had happened, and several processes of one machine can share it. Needs Node.js 22.13, or
 * better-sqlite3.
 *
 * @throws SseError `BAD_OPTION`
 * @example SseModule.forRoot({ backplane: sqliteBackplane({ path: 'data/events.db' }) })
 */
export function sqliteBackplane(options: SqliteBackplaneOptions): Backplane {
  return new SqliteBackplane(resolveSqliteOptions(options));
}

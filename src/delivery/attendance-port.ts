import type { Connection } from './connection.js';

/** Told who reads what. */
export interface AttendancePort {
  /** What a connection reads, or whose it is, may not be what it was. */
  update(connection: Connection): void;
  /** It has ended. */
  release(connection: Connection): void;
}

import type { Connection } from './connection.js';

/** Says how many connections somebody may have, and ends those that are too many. */
export interface LimitPort {
  /** A connection is let in, or it is now known whose it is. */
  admit(connection: Connection): void;
  /** It has ended. */
  release(connection: Connection): void;
}

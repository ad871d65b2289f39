import type { Log } from '../log/log.js';

/** What a reader needs beside its sink. */
export interface ReaderContext {
  readonly log: Log;
  /** See `Backplane.isLocal`. */
  readonly isLocal: boolean;
  readonly warn: (message: string, error?: unknown) => void;
}

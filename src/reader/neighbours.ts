import type { Entry } from '../log/entry.js';

/** Events that follow each other in the log, on their way to be one, which has the cursor of the last. */
export interface Neighbours {
  /** Of the last one. */
  readonly offset: number;
  /** False if it is not one with those before it. */
  add(next: Entry): boolean;
  /** What is told in their place; fewer than were added if they cannot be told as one. */
  end(): Entry;
}

/** Makes one of what was in the log before its reader could take it. */
export interface ReplayMerge {
  /**
   * @param upTo the last offset of interest of what may be known already
   * @param isFirst whether nothing of the stream is before it
   */
  begin(first: Entry, upTo: number, isFirst: boolean): Neighbours;
}

import type { Concealment } from '../log/json-faults.js';
import type { Log } from '../log/log.js';
import type { JoinedFramesCache } from '../wire/joined-frames.js';
import type { KeptHistory } from './kept-history.js';
import type { TopicSubjects } from './topic-subjects.js';
import type { WaitingRoom } from './waiting-room.js';

/** What a reader needs beside its sink. */
export interface ReaderContext {
  readonly log: Log;
  /** See `Backplane.isLocal`. */
  readonly isLocal: boolean;
  /** Frames that readers read one after the other, joined once for all that read the same. */
  readonly frames: JoinedFramesCache;
  /** Tell readers that there is something to read. */
  readonly subjects: TopicSubjects;
  readonly waitingRoom: WaitingRoom;
  /** What topics have beyond the tail; undefined where the backplane has no archive. */
  readonly history: KeptHistory | undefined;
  /** What class-transformer would keep back of what a snapshot gives. */
  readonly conceals: Concealment | undefined;
  readonly warn: (message: string, error?: unknown) => void;
  /** For what a mistake in the code brings about again and again. */
  readonly warnOnce: (message: string) => void;
}

import type { Log } from '../log/log.js';
import type { WaitingRoom } from './waiting-room.js';

/** What a reader needs beside its sink. */
export interface ReaderContext {
  readonly log: Log;
  /** See `Backplane.isLocal`. */
  readonly isLocal: boolean;
  readonly waitingRoom: WaitingRoom;
  readonly warn: (message: string, error?: unknown) => void;
}

import type { SseEvent } from '../log/event.js';
import type { Reader } from './reader.js';

/** Where a reader's events go in the end, as the reader sees it: a connection, or a plain subscriber. */
export interface Sink {
  /** Whether more may be read for it. A reader that finds it false is called again when it is true. */
  readonly isReady: boolean;
  /** Calls the reader's `read` in the next turn of the event loop. */
  schedule(): void;
  /** Tells the client its place before anything else; undefined: none yet. Called once, when reading begins. */
  begin(id: string | undefined): void;
  write(frame: Buffer): void;
  /** Delivers a gap, past the user's operators. */
  announce(gap: SseEvent, frame: Buffer): void;
}

/** A connection as a stream finds it: where it sends, where it goes on from, and its one reader. */
export interface Seat extends Sink {
  readonly lastEventId: string | undefined;
  readonly isEnded: boolean;
  /** Whether the request asks for nothing but headers (HEAD), so that nothing is read for it. */
  readonly isSilent: boolean;
  reader: Reader | undefined;
}

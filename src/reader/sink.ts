import type { ExceptedClients } from '../log/entry.js';
import type { SseEvent } from '../log/event.js';
import type { Work } from '../log/turn-scheduler.js';
import type { JoinedFrames } from '../wire/joined-frames.js';
import type { Reader } from './reader.js';

/** Takes frames, at once. */
export interface Outlet {
  /** Whether it may be used: nothing waits that has to go before, and there is room. */
  isClear(): boolean;
  /** Whether it is one of the clients that an event is not for. */
  isExcepted?(except: ExceptedClients): boolean;
  /** Bytes that may be read for it. */
  readonly room: number;
  /** Writes what was read while there was room, all of it. */
  send(frames: JoinedFrames): void;
}

/** What a client that comes back with a cursor goes on from: what is in memory, the archive, or after a gap. */
export type ResumeOutcome = 'tail' | 'archive' | 'gap';

/** Where a reader's events go in the end, as the reader sees it: a connection, or a subscriber. */
export interface Sink extends Work {
  /** Bytes that may be read for it. A reader that finds none is called again when there is some. */
  readonly room: number;
  /** Whether nothing goes out any more. */
  readonly isEnded: boolean;
  /** Calls the reader's `read` in the next turn of the event loop. */
  schedule(): void;
  /** Tells the client its cursor before anything else; undefined: none yet. Called once, when reading begins. */
  begin(id: string | undefined): void;
  write(frame: Buffer): void;
  /** Tells the client an id, and nothing else. */
  tell(id: string): void;
  /** What can be used in the place of the sink by who has nothing to say but frames. */
  readonly outlet?: Outlet | undefined;
  /** Whether it is one of the clients that an event is not for. */
  isExcepted?(except: ExceptedClients): boolean;
  /** Delivers what this package says itself, such as a gap, past the user's operators. */
  announce(event: SseEvent, frame: Buffer): void;
  /** Milliseconds of silence after which a client hears from us; undefined where there is no client. */
  readonly heartbeatInterval?: number | false;
  /**
   * What is read for it is not what it was.
   *
   * @param joined what a stream names that has joined, before anything is read for it
   */
  onTopics?(joined?: readonly string[]): void;
  /** The cursor that the client came back with was found, or not. */
  onResumed?(outcome: ResumeOutcome): void;
  /** There is nothing for the client any more, and it need not come back. */
  endForGood(): void;
}

/** Where what comes out of a stream goes: the user's operators, a subscriber, or the connection itself. */
export interface Output {
  readonly closed: boolean;
  next(message: unknown): void;
  error(error: unknown): void;
  complete(): void;
}

/** How a connection speaks to a client that is no EventSource: without ids and `retry`. */
export interface Dialect {
  /** Beside those of an event stream. */
  readonly headers: Readonly<Record<string, string>>;
  /** Whether everything was said: else the client must not take the end of the response for the end of what it asked for. */
  readonly isWhole: boolean;
  /** What tells a client of an error, and is the last of it. */
  error(message: string): readonly { readonly type?: string; readonly data: string }[];
}

/** A connection as a stream finds it: where it sends, where it goes on from, and its one reader. */
export interface ConnectionPort extends Sink {
  readonly lastEventId: string | undefined;
  /** Whether the request asks for nothing but headers (HEAD), so that nothing is read for it. */
  readonly isSilent?: boolean;
  reader: Reader | undefined;
  /** Chooses how it speaks, before anything is sent. */
  speak?(dialect: Dialect): void;
  /**
   * The connection's own end, if whatever this subscriber is given comes out there as it is, so that there
   * is no need to go through it.
   */
  directOutputFor(subscriber: object): Output | undefined;
}

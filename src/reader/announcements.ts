import type { Cursor } from '../log/cursor.js';
import { looseEvent } from '../log/entry.js';
import { encodeFrame } from '../wire/frame.js';
import type { Sink } from './sink.js';

/** The data of `event: ready`, the first event of a client that is told where it stands. */
export interface ReadyData {
  /** Where it reads from; not there while a snapshot is owed, because a client that came back with it would get none. */
  readonly cursor?: Cursor;
  /** Whether it goes on after its `Last-Event-ID`, with nothing lost. */
  readonly resumed: boolean;
  /** Milliseconds of silence after which it gets a heartbeat; false for none. */
  readonly heartbeatInterval: number | false;
}

/** The data of `event: caught-up`: what was there before the client came has gone out. */
export interface CaughtUpData {
  readonly cursor: Cursor;
  /** Events that were replayed, those of a snapshot too. */
  readonly replayed: number;
}

/** Tells a client where it stands: when it begins, and when it has everything that was there before. */
export class Announcements {
  #replayed = 0;
  #isCaughtUp = false;
  readonly #sink: Sink;
  /** The offset of the last event that was there before. */
  #upTo: number;

  constructor(sink: Sink, upTo: number, ready: Omit<ReadyData, 'heartbeatInterval'>) {
    this.#sink = sink;
    this.#upTo = upTo;
    this.#tell('ready', { ...ready, heartbeatInterval: sink.heartbeatInterval ?? false });
  }

  get isPending(): boolean {
    return !this.#isCaughtUp;
  }

  /** @param head what there is of it now is what the client catches up with */
  onAnotherLog(head: number): void {
    this.#upTo = head;
  }

  onReplayed(): void {
    this.#replayed++;
  }

  /**
   * @param offset Infinity if nothing more is read
   * @param tell gives the id that goes with it
   */
  onReached(offset: number, cursor: Cursor, tell: () => Cursor | undefined): void {
    if (this.#isCaughtUp || offset < this.#upTo) return;
    this.#isCaughtUp = true;
    this.#tell('caught-up', { cursor, replayed: this.#replayed }, tell());
  }

  #tell(type: string, data: ReadyData | CaughtUpData, id?: Cursor): void {
    const text = JSON.stringify(data);
    const event = looseEvent({ topics: [], type, text, isJson: true });
    this.#sink.announce(event, encodeFrame({ id, type, data: text }));
  }
}

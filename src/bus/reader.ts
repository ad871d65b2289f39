import { AsyncResource } from 'node:async_hooks';
import type { Entry } from '../log/entry.js';
import type { GapReason } from '../log/event.js';
import type { Log } from '../log/log.js';
import { makeGap } from './gap.js';
import { Passage } from './passage.js';
import type { ReaderContext } from './reader-context.js';
import { areOwed, haveLost, nextAfter, type ReaderStream, takersOf } from './reader-stream.js';
import type { Selection } from './selection.js';
import type { Sink } from './sink.js';
import { findStart, mayCome, placeByCode } from './start.js';
import { Wait } from './waiting-room.js';

/**
 * Walks the log for one connection and all of its streams. It owns a cursor and nothing else: replay,
 * catching up and live are the loop in {@link read}, and a client that is behind is only a cursor that is.
 */
export class Reader {
  /** What the only stream selects, while it is plain: that reads alone where it can, and needs no passage. */
  #plain: Selection | undefined;
  readonly #context: ReaderContext;
  readonly #log: Log;
  #epoch: string;
  /** Until reading begins, the place of a client that comes now. */
  #cursor: number;
  /** Without a passage, the offset that the client knows; -1 when it knows none. */
  #told = -1;
  readonly #sink: Sink;
  #hasBegun = false;
  /** Copied when it changes: most readers have one stream, and grow no array for it. */
  streams: readonly ReaderStream[] = [];
  #isBehind = false;
  /** Events up to here were in the log before the reader could take them: they are not live. */
  #catchUpTo = 0;
  #passage: Passage | undefined;
  /** Of whoever opened the stream, not of who publishes: operators look there for their connection. */
  #scope: AsyncResource | undefined;
  #joined = 0;
  /** What the client, or else the code, asks to go on from; and the wait for it, if it had to come first. */
  #requested: string | undefined;
  #wait: Wait | undefined;

  constructor(context: ReaderContext, sink: Sink, lastEventId: string | undefined) {
    this.#context = context;
    this.#log = context.log;
    this.#sink = sink;
    this.#requested = lastEventId;
    this.#epoch = context.log.epoch;
    this.#cursor = context.log.head;
  }

  /** What the streams select: topics, and the patterns of matchers. */
  get topics(): string[] {
    return [...new Set(this.streams.flatMap(({ selection }) => selection.names))];
  }

  join(stream: ReaderStream): void {
    stream.joinedAs = ++this.#joined;
    this.streams = [...this.streams, stream];
    if (this.#joined === 1 && stream.isPlain) {
      this.#plain = stream.selection;
    } else {
      this.#keepBook();
      this.#scope ??= new AsyncResource('SseReader');
    }
    if (this.#hasBegun) {
      this.#advance();
      stream.after = this.#cursor;
      stream.selection.seek(this.#cursor);
      stream.askForSnapshot('new', this.#log.head, this.#sink);
    } else {
      stream.after = stream.plan.from === 'earliest' ? this.#log.lost : this.#cursor;
    }
    this.#sink.schedule();
  }

  leave(stream: ReaderStream): void {
    stream.selection.release();
    if (!this.streams.includes(stream)) return;
    this.streams = this.streams.filter((other) => other !== stream);
    this.#follow();
    this.#plain = undefined;
    stream.leftAs = this.#joined;
    this.#passage?.depart(stream);
    if (stream.isOwed) this.#sink.schedule();
    if (this.streams.length === 0) this.#context.waitingRoom.leave(this.#wait);
  }

  /** Reads on while there is something to read and room for it. Called in a turn of its own. */
  read(): void {
    this.#follow();
    if (this.#scope === undefined) this.#readOn();
    else this.#scope.runInAsyncScope(this.#readOn, this);
    const hasReadAll = this.#hasBegun && this.#sink.room > 0;
    this.#plain?.readAlone(this.#cursor, hasReadAll ? this.#sink.outlet : undefined);
  }

  /** Is where a plain stream has come to alone. */
  #follow(): void {
    const reached = this.#plain?.reached ?? -1;
    if (reached > this.#cursor) this.#cursor = this.#told = reached;
  }

  #readOn(): void {
    if (this.streams.length === 0 || (!this.#hasBegun && !this.#begin())) return;
    if (this.#isBehind && this.#sink.room > 0) {
      this.#isBehind = false;
      this.#catchUpTo = this.#log.head;
    }
    while (this.streams.length > 0 && !areOwed(this.streams)) {
      if (this.#sink.room <= 0) {
        this.#isBehind = true;
        return;
      }
      if (!this.#readOne()) return;
    }
  }

  /** The id to tell the client in silence; undefined if it knows its place, or has none yet. */
  heartbeat(): string | undefined {
    if (!this.#hasBegun) return undefined;
    this.#follow();
    this.#advance();
    return this.#tell(this.#cursor);
  }

  /** Takes what came out of the user's operators. */
  take(message: unknown): void {
    this.#keepBook().take(message);
  }

  /** The operators have ended: what came out last is the last. */
  end(): void {
    this.#passage?.flush(true);
  }

  /** The connection is gone: streams that somebody kept end, for nothing would ever be read for them. */
  close(): void {
    if (this.streams.length === 0) return;
    this.#context.warn(
      `A stream of ${this.topics.join(', ')} outlived the connection that it was opened for, and was ` +
        'completed: what several clients or the background share has to be opened outside of @Sse() handlers',
    );
    for (const stream of this.streams) stream.complete();
  }

  /** False while the place to begin at may yet come: until then the client is told of no other. */
  #begin(): boolean {
    const requested = (this.#requested ??= placeByCode(this.streams));
    const isOver = this.#wait?.isOver === true;
    if (requested !== undefined && !isOver && mayCome(this.#context, requested)) {
      this.#wait ??= new Wait(this.#sink, this.#joined, requested);
      this.#context.waitingRoom.enter(this.#wait);
      return false;
    }
    const isReplaced = this.#epoch !== this.#log.epoch;
    const { offset, gap } = findStart(this.#context, this.streams, requested, isReplaced);
    this.#hasBegun = true;
    this.#epoch = this.#log.epoch;
    this.#catchUpTo = this.#log.head;
    this.#cursor = offset;
    for (const stream of this.streams) {
      const isNew = requested === undefined || this.#wait?.precedes(stream) === true;
      if (isNew && gap === undefined) stream.askForSnapshot('new', this.#log.head, this.#sink);
    }
    const id = gap === undefined ? this.#tell(offset) : undefined;
    if (this.#wait === undefined) this.#sink.begin(id);
    if (gap !== undefined) this.#cross(gap, offset, requested);
    return true;
  }

  /** Crosses a gap or hands out one event, of a snapshot or of the log; false if there is nothing. */
  #readOne(): boolean {
    if (this.#epoch !== this.#log.epoch) return this.#cross('epoch', this.#log.lost);
    const answered = this.streams.find(({ snapshot }) => snapshot !== undefined);
    if (answered !== undefined) {
      this.#keepBook().passSnapshot(answered, this.#cursor);
      return true;
    }
    if (this.#cursor >= this.#log.head) return false;
    if (haveLost(this.streams, this.#cursor)) return this.#cross('trimmed', this.#log.lost);
    const entry = nextAfter(this.streams, this.#cursor);
    const hole = this.#log.holeAfter(this.#cursor);
    if (hole !== undefined && (entry === undefined || entry.offset > hole.after)) {
      return this.#cross('trimmed', hole.upTo);
    }
    if (entry === undefined) return false;
    this.#handOut(entry);
    return true;
  }

  #handOut(entry: Entry): void {
    const before = this.#cursor;
    this.#cursor = entry.offset;
    if (this.#plain === undefined) {
      const takers = takersOf(this.streams, entry, before, this.#catchUpTo);
      if (takers.length > 0) this.#keepBook().pass(entry, takers);
    } else {
      this.#told = entry.offset;
      this.#sink.write(entry.frame);
    }
  }

  /** Announces a gap and goes on at `offset`, or at the head if snapshots are the way on. */
  #cross(reason: GapReason, offset: number, from = `${this.#epoch}.${this.#cursor}`): true {
    const isCoveredBySnapshots = this.streams.every(({ plan }) => plan.snapshot !== undefined);
    this.#epoch = this.#log.epoch;
    this.#cursor = isCoveredBySnapshots ? this.#log.head : offset;
    this.#catchUpTo = this.#log.head;
    this.#told = -1;
    this.#passage?.reset();
    for (const stream of this.streams) {
      stream.floor.clear();
      stream.snapshot = undefined;
      if (reason === 'epoch') stream.after = this.#cursor;
      stream.selection.seek(this.#cursor);
      stream.askForSnapshot('gap', this.#log.head, this.#sink);
    }
    const resumedAt = this.#log.cursorAt(this.#cursor);
    const { event, frame } = makeGap(reason, from, resumedAt, this.#tell(this.#cursor));
    this.#sink.announce(event, frame);
    return true;
  }

  /** The cursor to tell the client for having reached `offset`; undefined if that is nothing new or not safe. */
  #tell(offset: number): string | undefined {
    if (this.#passage !== undefined) return this.#passage.tell(offset);
    if (offset <= this.#told) return undefined;
    this.#told = offset;
    return this.#log.cursorAt(offset);
  }

  /** From now on operators may hold what they are handed. */
  #keepBook(): Passage {
    this.#follow();
    this.#plain?.readAlone(this.#cursor, undefined);
    this.#plain = undefined;
    const { warn } = this.#context;
    return (this.#passage ??= new Passage(this.#log, this.#sink, this, warn, this.#told));
  }

  /** A reader that has read everything there is stands at the head. */
  #advance(): void {
    if (this.#epoch !== this.#log.epoch || this.#cursor >= this.#log.head) return;
    if (areOwed(this.streams) || haveLost(this.streams, this.#cursor)) return;
    if (this.#log.holeAfter(this.#cursor) !== undefined) return;
    if (nextAfter(this.streams, this.#cursor) === undefined) this.#cursor = this.#log.head;
  }
}

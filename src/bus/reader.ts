import { AsyncResource } from 'node:async_hooks';
import { encodeFrame } from '../wire/frame.js';
import { type Entry, looseEvent } from '../log/entry.js';
import type { GapData, GapReason } from '../log/event.js';
import type { Log } from '../log/log.js';
import { Passage } from './passage.js';
import type { ReaderContext } from './reader-context.js';
import { haveLost, nextAfter, type ReaderStream } from './reader-stream.js';
import type { Sink } from './sink.js';
import { readSnapshot } from './snapshot.js';
import { findStart, mayCome, placeByCode } from './start.js';
import { Wait } from './waiting-room.js';

/**
 * Walks the log for one connection and all of its streams. It owns a cursor and nothing else: replay,
 * catching up and live are the loop in {@link read}, and a client that is behind is only a cursor that is.
 */
export class Reader {
  readonly #context: ReaderContext;
  readonly #log: Log;
  readonly #sink: Sink;
  readonly #streams: ReaderStream[] = [];
  readonly #passage: Passage;
  /** Of whoever opened the stream, not of who publishes: operators look there for their connection. */
  readonly #scope = new AsyncResource('SseReader');
  #joined = 0;
  #epoch: string;
  /** Until reading begins, the place of a client that comes now. */
  #cursor: number;
  /** Events up to here were in the log before the reader could take them: they are not live. */
  #catchUpTo = 0;
  #hasBegun = false;
  /** What the client, or else the code, asks to go on from; and the wait for it, if it had to come first. */
  #requested: string | undefined;
  #wait: Wait | undefined;
  #isBehind = false;

  constructor(context: ReaderContext, sink: Sink, lastEventId: string | undefined) {
    this.#context = context;
    this.#log = context.log;
    this.#sink = sink;
    this.#requested = lastEventId;
    this.#epoch = context.log.epoch;
    this.#cursor = context.log.head;
    this.#passage = new Passage(context.log, sink, this.#streams, context.warn);
  }

  /** What the streams select: topics, and the patterns of matchers. */
  get topics(): string[] {
    return [...new Set(this.#streams.flatMap(({ selection }) => selection.names))];
  }

  join(stream: ReaderStream): void {
    stream.joinedAs = ++this.#joined;
    this.#streams.push(stream);
    if (this.#hasBegun) {
      this.#advance();
      stream.after = this.#cursor;
      stream.selection.seek(this.#cursor);
      this.#askForSnapshot(stream, 'new');
    } else {
      stream.after = stream.plan.from === 'earliest' ? this.#log.lost : this.#cursor;
    }
    this.#sink.schedule();
  }

  leave(stream: ReaderStream): void {
    stream.selection.release();
    const index = this.#streams.indexOf(stream);
    if (index < 0) return;
    this.#streams.splice(index, 1);
    stream.leftAs = this.#joined;
    this.#passage.depart(stream);
    if (stream.isOwed) this.#sink.schedule();
    if (this.#streams.length === 0) this.#context.waitingRoom.leave(this.#wait);
  }

  /** Reads on while there is something to read and room for it. Called in a turn of its own. */
  read(): void {
    if (this.#streams.length > 0) this.#scope.runInAsyncScope(this.#readOn, this);
  }

  #readOn(): void {
    if (!this.#hasBegun && !this.#begin()) return;
    if (this.#isBehind && this.#sink.isReady) {
      this.#isBehind = false;
      this.#catchUpTo = this.#log.head;
    }
    while (this.#streams.length > 0 && !this.#isOwed()) {
      if (!this.#sink.isReady) {
        this.#isBehind = true;
        return;
      }
      if (!this.#readOne()) return;
    }
  }

  /** The id to tell the client in silence; undefined if it knows its place, or has none yet. */
  heartbeat(): string | undefined {
    if (!this.#hasBegun) return undefined;
    this.#advance();
    return this.#passage.tell(this.#cursor);
  }

  /** Takes what came out of the user's operators. */
  take(message: unknown): void {
    this.#passage.take(message);
  }

  /** The operators have ended: what came out last is the last. */
  end(): void {
    this.#passage.flush(true);
  }

  /** The connection is gone: streams that somebody kept end, for nothing would ever be read for them. */
  close(): void {
    if (this.#streams.length === 0) return;
    this.#context.warn(
      `A stream of ${this.topics.join(', ')} outlived the connection that it was opened for, and was ` +
        'completed: what several clients or the background share has to be opened outside of @Sse() handlers',
    );
    for (const stream of [...this.#streams]) stream.complete();
  }

  /** False while the place to begin at may yet come: until then the client is told of no other. */
  #begin(): boolean {
    const requested = (this.#requested ??= placeByCode(this.#streams));
    const isOver = this.#wait?.isOver === true;
    if (requested !== undefined && !isOver && mayCome(this.#context, requested)) {
      this.#wait ??= new Wait(this.#sink, this.#joined, requested);
      this.#context.waitingRoom.enter(this.#wait);
      return false;
    }
    const isReplaced = this.#epoch !== this.#log.epoch;
    const { offset, gap } = findStart(this.#context, this.#streams, requested, isReplaced);
    this.#hasBegun = true;
    this.#epoch = this.#log.epoch;
    this.#catchUpTo = this.#log.head;
    this.#cursor = offset;
    for (const stream of this.#streams) {
      const isNew = requested === undefined || this.#wait?.precedes(stream) === true;
      if (isNew && gap === undefined) this.#askForSnapshot(stream, 'new');
    }
    const id = gap === undefined ? this.#passage.tell(offset) : undefined;
    if (this.#wait === undefined) this.#sink.begin(id);
    if (gap !== undefined) this.#cross(gap, offset, requested);
    return true;
  }

  /** Crosses a gap or hands out one event, of a snapshot or of the log; false if there is nothing. */
  #readOne(): boolean {
    if (this.#epoch !== this.#log.epoch) return this.#cross('epoch', this.#log.lost);
    for (const stream of this.#streams) {
      if (stream.snapshot === undefined) continue;
      this.#handOutSnapshot(stream);
      return true;
    }
    if (this.#cursor >= this.#log.head) return false;
    if (haveLost(this.#streams, this.#cursor)) return this.#cross('trimmed', this.#log.lost);
    const entry = nextAfter(this.#streams, this.#cursor);
    const hole = this.#log.holeAfter(this.#cursor);
    if (hole !== undefined && (entry === undefined || entry.offset > hole.after)) {
      return this.#cross('trimmed', hole.upTo);
    }
    if (entry === undefined) return false;
    this.#handOut(entry);
    return true;
  }

  #isOwed(): boolean {
    for (const { isOwed } of this.#streams) if (isOwed) return true;
    return false;
  }

  #handOut(entry: Entry): void {
    let first: ReaderStream | undefined;
    let others: ReaderStream[] | undefined;
    for (const stream of this.#streams) {
      if (stream.selection.after(this.#cursor) !== entry) continue;
      if (!stream.wants(entry, this.#catchUpTo)) continue;
      if (first === undefined) first = stream;
      else (others ??= []).push(stream);
    }
    this.#cursor = entry.offset;
    if (first !== undefined) this.#passage.pass(entry, first, others);
  }

  #handOutSnapshot(stream: ReaderStream): void {
    const record = stream.snapshot?.pop();
    const isLast = stream.snapshot?.length === 0;
    if (isLast) {
      stream.snapshot = undefined;
      stream.floor.pin(this.#cursor);
    }
    if (record !== undefined) {
      const id = isLast ? this.#log.cursorAt(this.#cursor) : undefined;
      this.#passage.passSnapshot(looseEvent(record, id), isLast ? this.#cursor : undefined, stream);
      return;
    }
    stream.floor.settle(this.#cursor);
    const id = this.#passage.tell(this.#cursor);
    if (id !== undefined) this.#sink.write(encodeFrame({ id }));
  }

  /** Announces a gap and goes on at `offset`, or at the head if snapshots are the way on. */
  #cross(reason: GapReason, offset: number, from = `${this.#epoch}.${this.#cursor}`): true {
    const isCoveredBySnapshots = this.#streams.every(({ plan }) => plan.snapshot !== undefined);
    this.#epoch = this.#log.epoch;
    this.#cursor = isCoveredBySnapshots ? this.#log.head : offset;
    this.#catchUpTo = this.#log.head;
    this.#passage.reset();
    for (const stream of this.#streams) {
      stream.floor.clear();
      stream.snapshot = undefined;
      if (reason === 'epoch') stream.after = this.#cursor;
      stream.selection.seek(this.#cursor);
      this.#askForSnapshot(stream, 'gap');
    }
    const resumedAt = this.#log.cursorAt(this.#cursor);
    const requested = from.slice(0, 128).toWellFormed();
    const text = JSON.stringify({ reason, requested, resumedAt } satisfies GapData);
    const id = this.#passage.tell(this.#cursor);
    const gap = looseEvent({ topics: [], type: 'gap', text, isJson: true }, resumedAt);
    this.#sink.announce(gap, encodeFrame({ id, type: 'gap', data: text }));
    return true;
  }

  #askForSnapshot(stream: ReaderStream, reason: 'new' | 'gap'): void {
    const { snapshot } = stream.plan;
    if (snapshot === undefined) return;
    stream.after = this.#log.head;
    stream.floor.pin();
    stream.isOwed = true;
    void readSnapshot(() => snapshot({ reason }), stream.selection.names).then((result) => {
      stream.isOwed = false;
      if ('error' in result) stream.error(result.error);
      else stream.snapshot = result.toReversed();
      this.#sink.schedule();
    });
  }

  /** A reader that has read everything there is stands at the head. */
  #advance(): void {
    if (this.#epoch !== this.#log.epoch || this.#cursor >= this.#log.head || this.#isOwed()) return;
    if (haveLost(this.#streams, this.#cursor) || this.#log.holeAfter(this.#cursor) !== undefined)
      return;
    if (nextAfter(this.#streams, this.#cursor) === undefined) this.#cursor = this.#log.head;
  }
}

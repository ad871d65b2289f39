import { AsyncResource } from 'node:async_hooks';
import { type Cursor, formatCursor, parseCursor } from '../log/cursor.js';
import type { Entry } from '../log/entry.js';
import type { GapReason } from '../log/event.js';
import type { Log } from '../log/log.js';
import { OUTLIVED } from '../log/stray-streams.js';
import { Announcements } from './announcements.js';
import { makeGap } from './gap.js';
import { Operators } from './operators.js';
import type { ReaderContext } from './reader-context.js';
import {
  areBounded,
  areOwed,
  endingWith,
  haveLost,
  haveNothingAfter,
  lookBack,
  nextAfter,
  type ReaderStream,
  takersOf,
} from './reader-stream.js';
import type { TopicCursor } from './topic-cursor.js';
import type { ResumeOutcome, Sink } from './sink.js';
import { oldestOf } from './oldest.js';
import { beginningOf, findStart, isNewTo, mayCome, placeByCode, placeWithin } from './start.js';
import { Wait } from './waiting-room.js';

/**
 * Walks the log for one connection and all of its streams. It owns a cursor and nothing else: replay,
 * catching up and live are the loop in {@link read}, and a client that is behind is only a cursor that is.
 */
export class Reader {
  /** What the only stream selects, while it is unmodified: that reads alone where it can, past the operators. */
  #unmodified: TopicCursor | undefined;
  readonly #context: ReaderContext;
  readonly #log: Log;
  #epoch: string;
  /** Until reading begins, the place of a client that comes now. */
  #offset: number;
  /** Without operators, the offset that the client knows; -1 when it knows none. */
  #told = -1;
  readonly #sink: Sink;
  #hasBegun = false;
  /** Copied when it changes: most readers have one stream, and grow no array for it. */
  streams: readonly ReaderStream[] = [];
  #isBehind = false;
  /** Whether a stream has an `until`. */
  #mayEnd = false;
  #announcements: Announcements | undefined;
  /** What a new client asked to begin with, for a gap before its first event. */
  #beginning: string | undefined;
  /** Events up to here were in the log before the reader could take them: they are not live. */
  #catchUpTo = 0;
  #operators: Operators | undefined;
  /** Of whoever opened the stream, not of who publishes: operators look there for their connection. */
  #scope: AsyncResource | undefined;
  #joined = 0;
  /**
   * What the client, or else the code, asks to go on from, until it is known whether it can; and the wait for it,
   * if it had to come first.
   */
  #requested: string | undefined;
  #wait: Wait | undefined;
  /** Whether guests are welcome: there was no stream whose events are known to go to the client. */
  isHost = true;
  /** Whether there was one, or a guest's events have come out where the client's messages do. */
  isProven = false;

  constructor(context: ReaderContext, sink: Sink, lastEventId: string | undefined) {
    this.#context = context;
    this.#log = context.log;
    this.#sink = sink;
    this.#requested = lastEventId;
    this.#epoch = context.log.epoch;
    this.#offset = context.log.head;
  }

  /** What the streams select: topics, and the patterns of matchers. */
  get topics(): string[] {
    return [...new Set(this.streams.flatMap(({ topics }) => topics.names))];
  }

  /** Where it has come to; undefined until it knows where to begin. */
  get cursor(): Cursor | undefined {
    return this.#hasBegun ? formatCursor(this.#epoch, this.#offset) : undefined;
  }

  join(stream: ReaderStream): void {
    this.isHost &&= stream.isGuest;
    this.isProven ||= !stream.isGuest;
    stream.joinedAs = ++this.#joined;
    if (stream.plan.until !== undefined) this.#mayEnd = true;
    this.streams = [...this.streams, stream];
    if (this.#joined === 1 && stream.isUnmodified) {
      this.#unmodified = stream.topics;
    } else {
      this.#throughOperators();
      this.#scope ??= new AsyncResource('SseReader');
    }
    if (this.#hasBegun) {
      this.#advance();
      stream.goOn('new', this.#offset, this.#context, this.#sink);
    } else {
      stream.joinBefore(this.#offset, this.#context);
    }
    this.#sink.schedule();
  }

  leave(stream: ReaderStream): void {
    stream.topics.release();
    if (!this.streams.includes(stream)) return;
    this.streams = this.streams.filter((other) => other !== stream);
    this.#follow();
    this.#unmodified = undefined;
    stream.leftAs = this.#joined;
    this.#operators?.depart(stream);
    if (stream.isOwed) this.#sink.schedule();
    if (this.streams.length === 0) this.#context.waitingRoom.leave(this.#wait);
  }

  /** Reads on while there is something to read and room for it. Called in a turn of its own. */
  read(): void {
    this.#follow();
    if (this.#scope === undefined) this.#readOn();
    else this.#scope.runInAsyncScope(this.#readOn, this);
    const hasReadAll = this.#hasBegun && this.#sink.room > 0;
    this.#unmodified?.readAlone(this.#offset, hasReadAll ? this.#sink.outlet : undefined);
    if (this.#announcements?.isPending === true) this.#announceCaughtUp();
  }

  #announceReady(isResumed: boolean): void {
    if (!this.streams.some(({ plan }) => plan.announce)) return;
    const cursor = areOwed(this.streams) ? {} : { cursor: this.#log.cursorAt(this.#offset) };
    this.#announcements = new Announcements(this.#sink, this.#log.head, {
      ...cursor,
      resumed: isResumed,
    });
  }

  #announceCaughtUp(): void {
    if (this.#sink.room <= 0 || areOwed(this.streams)) return;
    const mayHold = this.#unmodified === undefined;
    for (const { held, snapshot } of mayHold ? this.streams : []) {
      if (snapshot !== undefined || held.value !== Infinity) return;
    }
    this.#advance();
    const cursor = this.#log.cursorAt(this.#offset);
    this.#announcements?.onReached(this.#offset, cursor, () => this.#tell(this.#offset));
  }

  /** Is where an unmodified stream has come to alone. */
  #follow(): void {
    const reached = this.#unmodified?.reached ?? -1;
    if (reached > this.#offset) this.#offset = this.#told = reached;
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

  /** The id to tell the client in silence, if that is news, and the place is known to be the client's own. */
  heartbeat(): string | undefined {
    if (!this.#hasBegun || !this.isProven || this.streams.length === 0) return undefined;
    this.#follow();
    this.#advance();
    return this.#tell(this.#offset);
  }

  /** Takes what came out of the user's operators. */
  onMessage(message: unknown): void {
    this.#throughOperators().onMessage(message);
    // It may be the last one that operators held of what was there before.
    if (this.#announcements?.isPending === true) this.#sink.schedule();
  }

  /** The operators have ended: what came out last is the last. */
  end(): void {
    this.#operators?.flush(true);
  }

  /** The connection is gone: streams that somebody kept end, for nothing would ever be read for them. */
  close(): void {
    if (this.streams.length > 0) this.#context.warnOnce(OUTLIVED);
    for (const stream of this.streams) stream.complete();
  }

  /** False while the place to begin at may yet come: until then the client is told of no other. */
  #begin(): boolean {
    const asked = (this.#requested ??= placeByCode(this.streams));
    const requested = placeWithin(this.#context, this.streams, asked);
    if (
      requested !== undefined &&
      this.#wait?.isOver !== true &&
      mayCome(this.#context, requested)
    ) {
      this.#wait ??= new Wait(this.#sink, this.#joined, requested);
      this.#context.waitingRoom.enter(this.#wait);
      return false;
    }
    if (!this.#isStartKnown(requested)) return false;
    const isReplaced = this.#epoch !== this.#log.epoch;
    const { offset, gap } = findStart(this.#context, this.streams, requested, isReplaced);
    this.#hasBegun = true;
    this.#epoch = this.#log.epoch;
    this.#catchUpTo = this.#log.head;
    this.#offset = offset;
    for (const stream of gap === undefined ? this.streams : [])
      if (isNewTo(this.#context, stream, asked, this.#wait))
        stream.askForSnapshot('new', this.#context, this.#sink);
    const id = gap === undefined ? this.#tell(offset) : undefined;
    if (this.#wait === undefined) this.#sink.begin(id);
    this.#beginning = asked === undefined ? beginningOf(this.streams) : undefined;
    this.#announceReady(asked !== undefined && gap === undefined);
    if (gap !== undefined) this.#onResumed('gap');
    else if (!haveLost(this.streams, offset)) this.#onResumed('tail');
    if (gap !== undefined) this.#cross(gap, offset, asked);
    if (areBounded(this.streams, this.#offset)) this.#throughOperators();
    if (requested !== undefined && gap === undefined) {
      for (const stream of this.streams) if (stream.isOver) stream.complete();
    }
    return true;
  }

  /** False while the archive is asked where to begin, or whether there is anything left to read. */
  #isStartKnown(requested: Cursor | undefined): boolean {
    if (requested === undefined) {
      return this.streams
        .map((stream) => stream.findStart(this.#context, this.#sink))
        .every(Boolean);
    }
    const place = parseCursor(requested);
    if (place?.epoch !== this.#log.epoch) return true;
    const verdicts = this.streams.map((stream) =>
      stream.isOverAt(place.offset, this.#context, this.#sink),
    );
    if (verdicts.includes(undefined)) return false;
    if (!verdicts.every(Boolean)) return true;
    this.#sink.endForGood();
    return false;
  }

  /** Crosses a gap or hands out one event, of a snapshot or of the log; false if there is nothing. */
  #readOne(): boolean {
    if (this.#epoch !== this.#log.epoch)
      return this.#cross('epoch', oldestOf(this.streams, this.#log));
    const answered = this.streams.find(({ snapshot }) => snapshot !== undefined);
    if (answered !== undefined) {
      if (answered.snapshot?.length !== 0) this.#announcements?.onReplayed();
      this.#throughOperators().passSnapshot(answered, this.#offset);
      return true;
    }
    if (this.#offset >= this.#log.head) return false;
    if (haveLost(this.streams, this.#offset)) return this.#lookBack();
    const entry = nextAfter(this.streams, this.#offset);
    const hole = this.#log.holeAfter(this.#offset);
    if (hole !== undefined && (entry === undefined || entry.offset > hole.after)) {
      return this.#cross('trimmed', hole.upTo);
    }
    if (entry === undefined) return false;
    this.#handOut(entry);
    return true;
  }

  /** Told once, of what was asked for. */
  #onResumed(outcome: ResumeOutcome): void {
    if (this.#requested !== undefined) this.#sink.onResumed?.(outcome);
    this.#requested = undefined;
  }

  /** Hands out what the archive has, until the tail reaches back to where the reader is. */
  #lookBack(): boolean {
    const found = lookBack(this.streams, this.#offset, this.#sink);
    switch (found.kind) {
      case 'reading':
        return false;
      case 'lost':
        this.#onResumed('gap');
        for (const { topics } of this.streams) topics.tellAllLost();
        return this.#cross('trimmed', Math.max(found.upTo, this.#offset), this.#beginning);
      case 'entry':
        this.#onResumed('archive');
        this.#handOut(found.entry);
        return true;
      case 'nothing':
        this.#onResumed('tail');
        this.#offset = this.#log.lost;
        return true;
    }
  }

  #handOut(entry: Entry): void {
    const before = this.#offset;
    this.#offset = entry.offset;
    this.#beginning = undefined;
    if (this.#announcements?.isPending === true) this.#announcements.onReplayed();
    const { except } = entry;
    const isExcepted = except !== undefined && this.#sink.isExcepted?.(except) === true;
    if (this.#unmodified === undefined) {
      const takers = isExcepted ? [] : takersOf(this.streams, entry, before, this.#catchUpTo);
      const last = this.#mayEnd ? endingWith(this.streams, entry) : [];
      if (takers.length > 0) this.#throughOperators().pass(entry, takers);
      for (const stream of last) stream.complete();
    } else if (!isExcepted) {
      this.#told = entry.offset;
      this.#sink.write(entry.frame);
    }
  }

  /** Announces a gap and goes on at `offset`, or at the head if snapshots are the way on. */
  #cross(reason: GapReason, offset: number, from = `${this.#epoch}.${this.#offset}`): true {
    this.#beginning = undefined;
    const isCoveredBySnapshots = this.streams.every(({ plan }) => plan.snapshot !== undefined);
    this.#epoch = this.#log.epoch;
    this.#offset = isCoveredBySnapshots ? this.#log.head : offset;
    this.#catchUpTo = this.#log.head;
    this.#told = -1;
    this.#operators?.reset();
    for (const stream of this.streams) stream.goOn(reason, this.#offset, this.#context, this.#sink);
    if (areBounded(this.streams, this.#offset)) this.#throughOperators();
    const resumedAt = this.#log.cursorAt(this.#offset);
    const { event, frame } = makeGap(reason, from, resumedAt, this.#tell(this.#offset));
    this.#sink.announce(event, frame);
    return true;
  }

  /** The cursor to tell the client for having reached `offset`; undefined if that is nothing new or not safe. */
  #tell(offset: number): string | undefined {
    if (this.#operators !== undefined) return this.#operators.tell(offset);
    if (offset <= this.#told) return undefined;
    this.#told = offset;
    return this.#log.cursorAt(offset);
  }

  /** From now on operators may hold what they are handed. */
  #throughOperators(): Operators {
    this.#follow();
    this.#unmodified?.readAlone(this.#offset, undefined);
    this.#unmodified = undefined;
    return (this.#operators ??= new Operators(this.#context, this.#sink, this, this.#told));
  }

  /** A reader that has read everything there is stands at the head. */
  #advance(): void {
    if (this.#epoch !== this.#log.epoch || this.#offset >= this.#log.head) return;
    if (haveNothingAfter(this.streams, this.#offset, this.#log)) this.#offset = this.#log.head;
  }
}

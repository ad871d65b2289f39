import { AsyncResource } from 'node:async_hooks';
import { type Cursor, formatCursor } from '../log/cursor.js';
import type { Entry } from '../log/entry.js';
import type { GapReason } from '../log/event.js';
import type { Log } from '../log/log.js';
import { OUTLIVED } from '../log/stray-streams.js';
import { Announcements } from './announcements.js';
import { makeGap } from './gap.js';
import { Operators } from './operators.js';
import type { ReadPosition } from './read-position.js';
import type { ReaderContext } from './reader-context.js';
import type { ReaderStream } from './reader-stream.js';
import { ReaderStreams } from './reader-streams.js';
import type { TopicCursor } from './topic-cursor.js';
import type { ResumeOutcome, Sink } from './sink.js';
import { Start } from './start.js';

/**
 * Walks the log for one connection and all of its streams. It owns a cursor and nothing else: replay,
 * catching up and live are the loop in {@link read}, and a client that is behind is only a cursor that is.
 */
export class Reader {
  /** What the only stream selects, while it is unmodified: that reads alone where it can, past the operators. */
  #unmodified: TopicCursor | undefined;
  #position: ReadPosition;
  readonly #context: ReaderContext;
  readonly #log: Log;
  #epoch: string;
  readonly #sink: Sink;
  readonly streams = new ReaderStreams();
  /** Undefined when reading has begun. */
  #start: Start | undefined;
  /** Whether a cursor was asked for, and it is not known yet where from it is read. */
  #isResuming = false;
  /** Whether a stream may end with an event. */
  #mayEnd = false;
  /** Whether one has ended with what was read. */
  #hasEnded = false;
  /** Whether what was there before may go out as fewer events. */
  #mayMerge = false;
  #announcements: Announcements | undefined;
  /** What a new client asked to begin with, for a gap before anything else, and where that was. */
  #beginning: { readonly asked: string; readonly offset: number } | undefined;
  /** Events up to here were in the log before the reader could take them: they are not live. */
  #catchUpTo = 0;
  /** It reads up to here, and in another round what is published meanwhile, perhaps by who is given what it reads. */
  #readUpTo = 0;
  #operators: Operators | undefined;
  /** Of whoever opened the stream, not of who publishes: operators look there for their connection. */
  #scope: AsyncResource | undefined;

  constructor(context: ReaderContext, sink: Sink, lastEventId: string | undefined) {
    this.#context = context;
    this.#log = context.log;
    this.#sink = sink;
    this.#start = new Start(context, this.streams, sink, lastEventId);
    this.#epoch = context.log.epoch;
    // Until reading begins, the offset of a client that comes now.
    this.#position = { offset: context.log.head, told: -1, isBehind: false };
  }

  /** What the streams select: topics, and the patterns of matchers. */
  get topics(): string[] {
    return this.streams.names;
  }

  /** Where it has come to; undefined until it knows where to begin. */
  get cursor(): Cursor | undefined {
    return this.#hasBegun ? formatCursor(this.#epoch, this.#offset) : undefined;
  }

  /**
   * The response begins, or ends, before reading does: gives the place that its client is to come back to, or waits for, once.
   * Undefined if none is known, or the client has it.
   */
  beginEarly(): Cursor | undefined {
    return this.#start?.tell({ epoch: this.#epoch, offset: this.#offset });
  }

  join(stream: ReaderStream): void {
    this.streams.add(stream);
    if (stream.mayEnd) this.#mayEnd = true;
    if (stream.plan.span?.merge !== undefined) this.#mayMerge = true;
    if (this.streams.joined === 1 && stream.isUnmodified) {
      this.#unmodified = stream.topics;
      this.#keepPositionIn(stream.topics);
    } else {
      this.#throughOperators();
      this.#scope ??= new AsyncResource('SseReader');
    }
    if (this.#hasBegun) {
      this.#advance();
      this.#joinLate(stream);
    } else {
      stream.joinBefore(this.#offset, this.#context);
    }
    this.#sink.onTopics?.(stream.topics.names);
    this.#sink.schedule();
  }

  #joinLate(stream: ReaderStream): void {
    if (stream.plan.span !== undefined) queueMicrotask(() => this.#joinSpan(stream));
    const hasEnded = stream.hasEndedAt(this.#offset, this.#context, this.#sink);
    if (hasEnded === true) {
      stream.complete();
      return;
    }
    if (hasEnded === undefined) this.streams.unsure = [...this.streams.unsure, stream];
    stream.goOn('new', this.#offset, this.#context, this.#sink);
  }

  /** The archive may have answered whether streams that have joined late have ended. */
  #completeEnded(): void {
    const verdicts = this.streams.unsure.map((stream) => ({
      stream,
      hasEnded: stream.hasEndedAt(stream.after, this.#context, this.#sink),
    }));
    this.streams.unsure = verdicts
      .filter(({ hasEnded }) => hasEnded === undefined)
      .map(({ stream }) => stream);
    for (const { stream, hasEnded } of verdicts) if (hasEnded === true) stream.complete();
  }

  /** It joined when reading had begun: of what was before it gets nothing, and it ends if there is nothing to come. */
  #joinSpan(stream: ReaderStream): void {
    if (!this.streams.all.includes(stream)) return;
    const { isEnded } = this.#sink;
    const reader = { isEnded, schedule: () => this.#joinSpan(stream) };
    const isKnown = stream.findSpan(this.#context, reader);
    if (isKnown && stream.isOverAt(this.#offset, this.#context, this.#sink) === true)
      stream.complete();
  }

  leave(stream: ReaderStream): void {
    stream.topics.release();
    if (!this.streams.remove(stream)) return;
    this.#sink.onTopics?.();
    this.#endReadingAlone();
    this.#operators?.depart(stream);
    if (stream.isOwed) this.#sink.schedule();
    if (this.streams.isEmpty) this.#start?.leave();
  }

  /** Reads on while there is something to read and room for it. Called in a turn of its own. */
  read(): void {
    if (this.#scope === undefined) this.#readOn();
    else this.#scope.runInAsyncScope(this.#readOn, this);
    this.#unmodified?.readAlone(this.#hasReadAll ? this.#sink.outlet : undefined);
    if (this.#announcements?.isPending === true) this.#announceCaughtUp();
  }

  /** Whether there was nothing more to read for it: of a hole, the archive may not have answered yet. */
  get #hasReadAll(): boolean {
    return this.#hasBegun && this.#sink.room > 0 && this.#log.holeAfter(this.#offset) === undefined;
  }

  #announceReady(isAtItsPlace: boolean): void {
    if (!this.streams.all.some(({ plan }) => plan.announce)) return;
    const offset = this.#offset;
    const isLost =
      (this.#log.holeAfter(offset) !== undefined && !this.streams.areKept) ||
      this.streams.lookBack(offset, this.#sink).kind === 'lost';
    const isResumed = isAtItsPlace && !isLost;
    const cursor = this.streams.areOwed ? {} : { cursor: this.#log.cursorAt(this.#offset) };
    this.#announcements = new Announcements(this.#sink, this.#log.head, {
      ...cursor,
      resumed: isResumed,
    });
  }

  #announceCaughtUp(): void {
    if (this.#sink.room <= 0 || this.streams.areOwed) return;
    if (this.#unmodified === undefined && this.streams.arePending) return;
    if (this.#operators?.holdMore === true) return;
    if (this.#hasEnded && this.streams.isEmpty) {
      this.#announceEnd();
      return;
    }
    this.#advance();
    this.#announceReached(this.#offset);
  }

  /** Nothing more is read: the client has all that there was for it, also where its streams ended before the log. */
  #announceEnd(): void {
    if (this.#epoch === this.#log.epoch) this.#announceReached(Infinity);
  }

  #announceReached(offset: number): void {
    const cursor = this.#log.cursorAt(this.#offset);
    this.#announcements?.onReached(offset, cursor, () => this.#tell(this.#offset));
  }

  #readOn(): void {
    if (this.streams.isEmpty || (this.#start !== undefined && !this.#begin(this.#start))) return;
    if (this.streams.unsure.length > 0) this.#completeEnded();
    if (this.#position.isBehind && this.#sink.room > 0) {
      this.#position.isBehind = false;
      this.#catchUpTo = this.#log.head;
    }
    this.#readUpTo = this.#log.head;
    while (this.streams.all.length > 0 && !this.streams.areOwed) {
      if (this.#sink.room <= 0) {
        this.#position.isBehind = true;
        return;
      }
      if (!this.#readOne()) return;
    }
  }

  /** The id to tell the client in silence, if that is news, and the position is known to be the client's own. */
  heartbeat(): string | undefined {
    if (!this.#hasBegun || !this.streams.isProven || this.streams.isEmpty) return undefined;
    this.#advance();
    return this.#tell(this.#offset);
  }

  /** Takes what came out of the user's operators. */
  onMessage(message: unknown): void {
    this.#throughOperators().onMessage(message);
    // It may be the last one that operators held of what was there before.
    if (this.#announcements?.isPending === true) this.#sink.schedule();
  }

  /**
   * Nothing comes out of the operators any more: what came out last is the last.
   *
   * @param isComplete whether they have completed, so that they hold nothing either
   */
  end(isComplete: boolean): void {
    // Of what passes more was to come, if it was cut short: its client gets all of it again.
    this.#operators?.flush(isComplete);
    const isLog = this.#epoch === this.#log.epoch;
    if (!isComplete || !isLog || !this.#hasEnded || !this.streams.haveCompleted) return;
    // An end that `where` or `filter` dropped: who came back to a place before it would get to it again, for ever.
    this.#operators?.tellEnd(this.#offset);
    this.#announceEnd();
  }

  /** The connection is gone: streams that somebody kept end, for nothing would ever be read for them. */
  close(): void {
    if (!this.streams.isEmpty) this.#context.warnOnce(OUTLIVED);
    for (const stream of this.streams.all) stream.complete();
  }

  get #offset(): number {
    return this.#position.offset;
  }

  set #offset(offset: number) {
    this.#position.offset = offset;
  }

  /** Whether it knows where it is. */
  get #hasBegun(): boolean {
    return this.#start === undefined;
  }

  /** False while it is not known where. */
  #begin(start: Start): boolean {
    const point = start.find(this.#epoch !== this.#log.epoch);
    if (point === undefined) return false;
    start.leave();
    this.#start = undefined;
    const { offset, gap } = point;
    this.#epoch = this.#log.epoch;
    this.#operators?.reset(this.#epoch);
    this.#catchUpTo = this.#log.head;
    this.#offset = offset;
    if (gap === undefined) start.askForSnapshots();
    const id = gap === undefined ? this.#tell(offset) : undefined;
    if (start.told === undefined || (id ?? start.told) !== start.told) this.#sink.begin(id);
    const asked = start.beginning;
    if (asked !== undefined) this.#beginning = { asked, offset };
    this.#announceReady(start.requested !== undefined && gap === undefined);
    this.#isResuming = start.requested !== undefined;
    if (gap !== undefined) this.#onResumed('gap');
    else if (!this.streams.haveLost(offset)) this.#onResumed('tail');
    if (gap !== undefined) this.#cross(gap, offset, start.requested ?? start.told);
    if (this.streams.areBounded(this.#offset)) this.#throughOperators();
    this.#completeOver(gap === 'epoch' || gap === 'unknown');
    return true;
  }

  /**
   * Those that were over before reading began.
   *
   * @param isElsewhere whether it is read from another place than the one that they were asked about
   */
  #completeOver(isElsewhere: boolean): void {
    for (const stream of this.streams.all)
      if (isElsewhere ? stream.isGone : stream.isOver) stream.complete();
  }

  /** Crosses a gap or hands out one event, of a snapshot or of the log; false if there is nothing. */
  #readOne(): boolean {
    if (this.#epoch !== this.#log.epoch)
      return this.#cross('epoch', this.streams.oldestIn(this.#log));
    const { answered } = this.streams;
    if (answered !== undefined) {
      if (answered.snapshot?.length !== 0) this.#announcements?.onReplayed();
      this.#throughOperators().passSnapshot(answered, this.#offset);
      return true;
    }
    if (this.#offset >= this.#readUpTo) return false;
    if (this.streams.haveLost(this.#offset)) return this.#lookBack();
    const entry = this.streams.nextAfter(this.#offset);
    const hole = this.#log.holeAfter(this.#offset);
    if (hole !== undefined && (entry === undefined || entry.offset > hole.after)) {
      if (this.streams.haveKept) return this.#lookBack(hole.upTo);
      return this.#cross('trimmed', hole.upTo);
    }
    return entry !== undefined && this.#handOutKnown(entry);
  }

  /**
   * Hands out what the archive has, until the tail reaches back to where the reader is.
   *
   * @param upTo the end of a hole in the tail
   */
  #lookBack(upTo = 0): boolean {
    const found = this.streams.lookBack(this.#offset, this.#sink, upTo);
    switch (found.kind) {
      case 'reading':
        return false;
      case 'lost':
        this.#onResumed('gap');
        for (const { topics } of this.streams.all) topics.tellAllLost();
        return this.#cross('trimmed', Math.max(found.upTo, this.#offset), this.#askedBeginning);
      case 'entry':
        this.#onResumed('archive');
        return this.#handOutKnown(found.entry);
      case 'nothing':
        this.#onResumed('tail');
        this.#offset = Math.max(this.#log.lost, upTo);
        return true;
    }
  }

  /** What a new client asked to begin with, while it has been told of no place after that. */
  get #askedBeginning(): string | undefined {
    const beginning = this.#beginning;
    return beginning?.offset === this.#offset ? beginning.asked : undefined;
  }

  #onResumed(outcome: ResumeOutcome): void {
    if (this.#isResuming) this.#sink.onResumed?.(outcome);
    this.#isResuming = false;
  }

  /** False while it is not known which streams it is a part of, or which of them it ends. */
  #handOutKnown(entry: Entry): boolean {
    if (this.#mayEnd && !this.streams.areKnownUpTo(entry, this.#sink)) return false;
    if (entry.isEnd) return this.#endTopics(entry);
    this.#handOut(entry);
    return true;
  }

  #handOut(entry: Entry): void {
    const before = this.#offset;
    this.#offset = entry.offset;
    if (this.#announcements?.isPending === true) this.#announcements.onReplayed();
    const { except } = entry;
    const isExcepted = except !== undefined && this.#sink.isExcepted?.(except) === true;
    if (this.#unmodified === undefined) {
      const takers = isExcepted ? [] : this.streams.takersOf(entry, before, this.#catchUpTo);
      const last = this.#mayEnd ? this.streams.endingWith(entry) : [];
      const merged =
        this.#mayMerge && last.length === 0 ? this.#merge(entry, before, takers) : entry;
      if (takers.length > 0) this.#throughOperators().pass(merged, takers);
      if (last.length > 0) this.#complete(last);
    } else if (!isExcepted) {
      this.#position.told = entry.offset;
      this.#sink.write(entry.frame);
    }
  }

  /** What was in the log before the reader could take it may be one with what follows it. */
  #merge(entry: Entry, before: number, takers: readonly ReaderStream[]): Entry {
    const [taker] = takers;
    const upTo = this.#catchUpTo;
    if (taker === undefined || takers.length > 1 || entry.offset > upTo) return entry;
    const { span } = taker.plan;
    if (span?.merge === undefined) return entry;
    // What others have in between has to come in its place.
    const isAlone = this.streams.all.length === 1;
    const knownUpTo = isAlone ? upTo : entry.offset;
    const neighbours = span.merge.begin(entry, knownUpTo, isAlone && taker.isFirstAfter(before));
    if (isAlone) {
      const last = Math.min(upTo, span.knownUpTo(entry.epoch));
      taker.addNeighbours(neighbours, last, this.#sink);
    }
    for (;;) {
      const next = this.#neighbourAfter(neighbours.offset, taker);
      if (next === undefined || !neighbours.add(next)) break;
    }
    const merged = neighbours.end();
    this.#offset = merged.offset;
    taker.topics.seek(merged.offset);
    return merged;
  }

  /** What comes next, if it is known to be that, was there before, and is for nobody but one stream. */
  #neighbourAfter(offset: number, taker: ReaderStream): Entry | undefined {
    const next = this.#wholeAfter(offset);
    if (next === undefined || next.offset > this.#catchUpTo || !next.isForAll) return undefined;
    if (!this.streams.areKnownUpTo(next, this.#sink)) return undefined;
    if (this.streams.endingWith(next).length > 0) return undefined;
    const takers = this.streams.takersOf(next, offset, this.#catchUpTo);
    return takers.length === 1 && takers[0] === taker ? next : undefined;
  }

  /** What comes next, from the tail or the archive; undefined if something before it may be missing. */
  #wholeAfter(offset: number): Entry | undefined {
    const next = this.streams.nextAfter(offset);
    const hole = this.#log.holeAfter(offset);
    const isInHole = hole !== undefined && (next === undefined || next.offset > hole.after);
    if (!isInHole && !this.streams.haveLost(offset)) return next;
    if (isInHole && !this.streams.areKept) return undefined;
    const found = this.streams.lookBack(offset, this.#sink, isInHole ? hole.upTo : 0);
    return found.kind === 'entry' ? found.entry : undefined;
  }

  /**
   * A client whose streams end is told the cursor of that, so that it has nothing left to come back for. False while it
   * is not known whether they do.
   */
  #endTopics(entry: Entry): boolean {
    const isLive = entry.offset > this.#catchUpTo && !this.#log.hasLost(entry.offset);
    const { all } = this.streams;
    const verdicts = all.map((each) => each.isEndedWith(entry, isLive, this.#context, this.#sink));
    if (verdicts.includes(undefined)) return false;
    this.#offset = entry.offset;
    const ended = all.filter((_, index) => verdicts[index] === true);
    if (ended.length === 0) return true;
    const id = this.streams.isProven ? this.#tell(entry.offset) : undefined;
    if (id !== undefined) this.#sink.tell(id);
    this.#complete(ended);
    return true;
  }

  /** Streams end with what was read. Of a connection {@link end} tells when that was all; else nobody does. */
  #complete(streams: readonly ReaderStream[]): void {
    this.#hasEnded = true;
    for (const stream of streams) {
      if (stream.way === 'subscriber') this.#announceEnd();
      stream.complete();
    }
  }

  /** Announces a gap and goes on at `offset`, or at the head if snapshots are the way on. */
  #cross(reason: GapReason, offset: number, from = `${this.#epoch}.${this.#offset}`): true {
    this.#beginning = undefined;
    const isCoveredBySnapshots = this.streams.all.every(({ plan }) => plan.snapshot !== undefined);
    if (this.#epoch !== this.#log.epoch) this.#announcements?.onAnotherLog(this.#log.head);
    this.#epoch = this.#log.epoch;
    this.#offset = isCoveredBySnapshots ? this.#log.head : offset;
    this.#catchUpTo = this.#readUpTo = this.#log.head;
    this.#position.told = -1;
    this.#operators?.reset(this.#epoch);
    for (const stream of this.streams.all)
      stream.goOn(reason, this.#offset, this.#context, this.#sink);
    if (this.streams.areBounded(this.#offset)) this.#throughOperators();
    const resumedAt = this.#log.cursorAt(this.#offset);
    const { event, frame } = makeGap(reason, from, resumedAt, this.#tell(this.#offset));
    this.#sink.announce(event, frame);
    return true;
  }

  /** The cursor to tell the client for having reached `offset`; undefined if that is nothing new or not safe. */
  #tell(offset: number): string | undefined {
    if (this.#operators !== undefined) return this.#operators.tell(offset);
    if (offset <= this.#position.told) return undefined;
    this.#position.told = offset;
    return this.#log.cursorAt(offset);
  }

  /** From now on operators may hold what they are handed. */
  #throughOperators(): Operators {
    this.#endReadingAlone();
    return (this.#operators ??= new Operators(this.#context, this.#sink, this.streams, {
      epoch: this.#epoch,
      offset: this.#position.told,
    }));
  }

  #endReadingAlone(): void {
    if (this.#unmodified === undefined) return;
    this.#unmodified.readAlone(undefined);
    this.#unmodified = undefined;
    this.#keepPositionIn({ offset: 0, told: 0, isBehind: false });
  }

  #keepPositionIn(position: ReadPosition): void {
    position.offset = this.#position.offset;
    position.told = this.#position.told;
    position.isBehind = this.#position.isBehind;
    this.#position = position;
  }

  /** A reader that has read everything there is stands at the head. */
  #advance(): void {
    if (this.#epoch !== this.#log.epoch || this.#offset >= this.#log.head) return;
    if (this.streams.haveNothingAfter(this.#offset, this.#log)) this.#offset = this.#log.head;
  }
}

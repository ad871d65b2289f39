import { disown, received } from '../errors.js';
import { formatCursor, type StreamPosition } from '../log/cursor.js';
import type { Entry, EventRecord } from '../log/entry.js';
import type { GapReason, SseEvent } from '../log/event.js';
import type { Log } from '../log/log.js';
import { HeldOffsets } from './held-offsets.js';
import type { PageReader } from './archive-pages.js';
import { seekStart } from './archived-start.js';
import type { ReaderContext } from './reader-context.js';
import type { TopicCursor } from './topic-cursor.js';
import type { Output, Sink } from './sink.js';
import { mayHaveEnded, TopicEnds } from './topic-ends.js';
import { MissedPart } from './missed-part.js';
import { readSnapshot } from './snapshot.js';
import type { Neighbours } from './neighbours.js';
import type { Span, StreamPlan, StreamStart } from './stream-options.js';

/** An offset before all others. */
const NOTHING = -1;

/** One stream that a reader serves. */
export class ReaderStream {
  #held: HeldOffsets | undefined;
  /** Events up to this offset are not for this stream. */
  after = 0;
  /** What was lost up to this offset before anybody looked is no gap: it asked for what there was when it began. */
  settledUpTo = NOTHING;
  /** Whether a snapshot was asked for and is not there yet. */
  isOwed = false;
  /** Whether it has come to its own end, and was not left before that. */
  hasCompleted = false;
  /** Events of a snapshot that are still to be handed out, the first of them last. */
  snapshot: EventRecord[] | undefined;
  /** When it joined and left its reader, counted over all streams of the reader. */
  joinedAs = 0;
  leftAs: number | undefined;
  /** How far it is with finding out where it starts, if that has to be found out. */
  #start: 'asked' | 'placed' | 'found' | undefined;
  #isOver: boolean | 'asked' | undefined;
  #span: Span | 'gone' | undefined;
  #missed: MissedPart | undefined;
  /** Why its client, who comes back to a place before its part of the topic, has a gap there. */
  gapBefore: GapReason | undefined;
  #ends: TopicEnds | undefined;
  #hasEnded = false;
  readonly #output: Output;
  #hasReported = false;

  constructor(
    readonly topics: TopicCursor,
    readonly plan: StreamPlan,
    output: Output,
    readonly report: (message: string, error?: unknown) => void,
    /**
     * What becomes of what it emits: it comes back as messages; it comes back at once, as it is; it is
     * delivered by being emitted.
     */
    readonly way: 'operators' | 'direct' | 'subscriber',
    /**
     * Makes it leave the connection, if it is there as a guest: nobody can see whether its events go to the
     * client, so it is there only while no stream is of which that can be seen.
     */
    readonly expel?: (() => void) | undefined,
  ) {
    this.#output = output;
  }

  /** Whether whatever its topics have goes to the client as it is. */
  get isUnmodified(): boolean {
    const { where, until, snapshot, latestPerKey, span } = this.plan;
    const isPart = where !== undefined || until !== undefined || span !== undefined;
    const isAll = !isPart && snapshot === undefined;
    return this.way === 'direct' && isAll && !latestPerKey;
  }

  /** Puts the stream after an offset, or as far as its boundary is behind that. */
  startAfter(offset: number, context: Pick<ReaderContext, 'log' | 'isLocal'>): void {
    this.after = Math.max(offset, this.#boundaryOffset(context));
  }

  /** Nothing of a log that began before the boundary's is for it. */
  #boundaryOffset(context: Pick<ReaderContext, 'log' | 'isLocal'>): number {
    const boundary = this.boundaryIn(context);
    const { epoch } = context.log;
    if (boundary === undefined || boundary.epoch < epoch) return NOTHING;
    return boundary.epoch > epoch ? Infinity : boundary.offset;
  }

  /** The offset up to which nothing is for this stream. In memory, every log but this one is gone for good. */
  boundaryIn({ log, isLocal }: Pick<ReaderContext, 'log' | 'isLocal'>): StreamPosition | undefined {
    const notBefore = this.#begin ?? this.plan.notBefore;
    return isLocal && notBefore?.epoch !== log.epoch ? undefined : notBefore;
  }

  /** Made when it is needed: what an unmodified stream reads is never held. */
  get held(): HeldOffsets {
    return (this.#held ??= new HeldOffsets());
  }

  /** See {@link expel}. */
  get isGuest(): boolean {
    return this.expel !== undefined;
  }

  get isClosed(): boolean {
    return this.#output.closed;
  }

  next(event: SseEvent): void {
    if (this.way === 'subscriber') this.held.settle(Infinity);
    this.#output.next(event);
  }

  complete(): void {
    this.hasCompleted = true;
    this.#output.complete();
  }

  error(error: unknown): void {
    this.#output.error(error);
  }

  /**
   * Asks for a snapshot, if the stream has any: until it is there, and has been handed out, no cursor is safe.
   *
   * What is published after it was asked for follows it.
   *
   * @param reader told when it is there
   */
  askForSnapshot(
    reason: 'new' | 'gap',
    context: ReaderContext,
    reader: Pick<Sink, 'schedule'>,
  ): void {
    const { snapshot } = this.plan;
    if (snapshot === undefined) return;
    this.startAfter(context.log.head, context);
    this.held.pin();
    this.isOwed = true;
    const asked = readSnapshot(() => snapshot({ reason }), this.topics.names, context.conceals);
    void asked.then((answer) => {
      this.isOwed = false;
      if ('error' in answer) this.error(answer.error);
      else this.snapshot = answer.toReversed();
      reader.schedule();
    });
  }

  /** It joins a reader that has yet to begin, at `offset` unless somebody says otherwise. */
  joinBefore(offset: number, context: ReaderContext): void {
    const { from } = this.plan;
    if (from === 'earliest') this.startAnew(context);
    else this.startAfter(from === 'start' ? 0 : offset, context);
  }

  /** All that there is of its topics is new to it, and what there is not is no gap. */
  startAnew(context: ReaderContext): void {
    this.startAfter(this.oldestIn(context.log), context);
    this.#beLenient(context.log);
  }

  /** The offset before the oldest event that there may be for it, of this log. */
  oldestIn(log: Log): number {
    return this.topics.isKept ? 0 : log.lost;
  }

  /** Goes on where its client was: whatever is gone since then is a gap. */
  resumeAfter(offset: number, context: ReaderContext): void {
    this.settledUpTo = NOTHING;
    this.topics.forgetLost();
    this.startAfter(offset, context);
  }

  /** What there was before it began, and is gone, is no gap. */
  #beLenient({ head }: Log): void {
    this.settledUpTo = head;
    this.topics.settleAllLost(this.after);
  }

  /** The last events, those since a time, or what there is: finds out where they begin. False while the archive is asked. */
  findStart(context: ReaderContext, reader: PageReader): boolean {
    const { from } = this.plan;
    if (this.#start === 'found' || this.plan.span !== undefined) return true;
    if (typeof from !== 'string' && !this.#findPlace(from, context, reader)) return false;
    const isLenient = typeof from === 'string' ? from === 'earliest' : from.last !== undefined;
    if (isLenient && !this.#passLost(context, reader)) return false;
    this.#start = 'found';
    return true;
  }

  /** Goes past what is gone: a client that is cut off before it has anything is told of none of it when it comes back. */
  #passLost(context: ReaderContext, reader: PageReader): boolean {
    const oldest = this.topics.oldestAfter(this.after, reader);
    if (oldest === undefined) return false;
    if (oldest > this.after) this.startAfter(oldest, context);
    return true;
  }

  #findPlace(from: StreamStart, context: ReaderContext, reader: PageReader): boolean {
    if (this.#start !== undefined) return this.#start === 'placed';
    const found = this.topics.findStart(from);
    const { kept } = this.topics;
    const isKnown = typeof found === 'number';
    if (isKnown || kept === undefined || context.history === undefined) {
      this.#start = 'placed';
      const oldest = from.last === undefined ? 0 : context.log.lost;
      this.startAfter(isKnown ? found : oldest, context);
      if (from.last !== undefined) this.#beLenient(context.log);
      return true;
    }
    this.#start = 'asked';
    const { epoch } = context.log;
    context.history.ask(
      reader,
      `start ${epoch} ${JSON.stringify(found.start)} ${this.topics.selection}`,
      (archive) => seekStart(archive, { topics: kept, epoch }, found),
      (start) => {
        this.#start = 'placed';
        this.startAfter(Math.max(start, found.atLeast ?? 0), context);
        if (from.last !== undefined) this.#beLenient(context.log);
      },
    );
    return false;
  }

  /** Whether it is known where it begins for a new client. */
  isPlaced(context: ReaderContext, reader: PageReader): boolean {
    return (
      (this.plan.span === undefined || this.#span !== undefined) && this.findStart(context, reader)
    );
  }

  get #begin(): StreamPosition | undefined {
    return this.#span === 'gone' ? undefined : this.#span?.begin;
  }

  /** Finds out which part of its topic it is, if it is only a part. False while that is not known. */
  findSpan(context: ReaderContext, reader: PageReader, resumed?: StreamPosition): boolean {
    const { span } = this.plan;
    if (span === undefined || this.#span !== undefined) return true;
    const found = span.find(() => reader.schedule(), resumed);
    if (found === undefined) return false;
    if (found instanceof Error) {
      this.error(found);
      return false;
    }
    if (found !== 'gone' && resumed !== undefined) {
      this.#missed ??= new MissedPart();
      const gap = this.#missed.gapAfter(resumed, found.begin, this.topics, context, reader);
      if (gap === undefined) return false;
      this.gapBefore = gap === 'none' ? undefined : gap;
    }
    this.#span = found;
    if (found !== 'gone') this.startAfter(0, context);
    return true;
  }

  /** Whether the part of its topic that it is for is not there, or no longer. */
  get isGone(): boolean {
    return this.#span === 'gone';
  }

  #isSpanOverAt(span: Span | 'gone', offset: number, { epoch }: Log): boolean {
    if (span === 'gone') return true;
    return span.end?.epoch === epoch && offset >= span.end.offset;
  }

  /** Whether there is nothing for a new client, and will be nothing. Undefined while the archive is asked. */
  isOverFromStart(context: ReaderContext, reader: PageReader): boolean | undefined {
    if (this.#span !== undefined) return this.isGone;
    if (!this.findStart(context, reader)) return undefined;
    return this.hasEndedAt(this.after, context, reader);
  }

  /** Whether its topics have all ended, and nothing of them is left after an offset. Undefined while the archive is asked. */
  hasEndedAt(offset: number, context: ReaderContext, reader: PageReader): boolean | undefined {
    const { named } = this.topics;
    if (!named.some((topic) => mayHaveEnded(topic, context))) return false;
    this.#ends ??= new TopicEnds(named);
    const verdict = this.#ends.areAllAt(offset, context, reader);
    this.#hasEnded = verdict === true;
    return verdict;
  }

  /**
   * Whether an entry that is an end ends the last of its topics. Undefined while the archive is asked.
   *
   * @param isLive whether it is read as it comes: what follows it has its turn later
   * @param reader told when the archive has answered
   */
  isEndedWith(
    entry: Entry,
    isLive: boolean,
    context: ReaderContext,
    reader: PageReader,
  ): boolean | undefined {
    const { named } = this.topics;
    if (entry.offset <= this.after || named.length === 0) return false;
    this.#ends ??= new TopicEnds(named);
    return isLive ? this.#ends.add(entry, context.log) : this.#ends.addOld(entry, context, reader);
  }

  /** Whether it has ended at or before an offset, for good. Undefined while the archive is asked. */
  isOverAt(offset: number, context: ReaderContext, reader: PageReader): boolean | undefined {
    if (this.#span !== undefined) {
      return (this.#hasEnded = this.#isSpanOverAt(this.#span, offset, context.log));
    }
    const hasEnded = this.hasEndedAt(offset, context, reader);
    return hasEnded === false ? this.#isUntilOverAt(offset, context, reader) : hasEnded;
  }

  #isUntilOverAt(offset: number, context: ReaderContext, reader: PageReader): boolean | undefined {
    if (this.plan.until === undefined) return false;
    if (this.#isOver !== undefined) return this.#isOver === 'asked' ? undefined : this.#isOver;
    // What is not for it does not end it.
    const boundary = this.#boundaryOffset(context);
    if (offset <= boundary) return (this.#isOver = false);
    const latest = this.topics.latestUpTo(offset);
    const kept = this.topics.keptWhole;
    const { history, log } = context;
    if (latest !== undefined || kept === undefined || history === undefined) {
      return (this.#isOver = latest !== undefined && this.#isEndedBehind(boundary, latest));
    }
    this.#isOver = 'asked';
    history.ask(
      reader,
      `latest ${log.epoch} ${offset} ${this.topics.selection}`,
      (archive) => archive.latest({ topics: kept, epoch: log.epoch }, offset),
      (found) => {
        this.#isOver =
          found !== undefined &&
          this.#isEndedBehind(boundary, log.archived(found.offset, found.record));
      },
    );
    return undefined;
  }

  #isEndedBehind(boundary: number, latest: Entry): boolean {
    return latest.offset > boundary && this.isEndedBy(latest);
  }

  /** Whether it was found to have ended before its client came back. */
  get isOver(): boolean {
    return this.#isOver === true || this.#hasEnded || this.isGone;
  }

  selects(entry: Entry): boolean {
    return entry.offset > this.after && this.topics.selectsAnyOf(entry.topics);
  }

  /** Whether it may end with an event, and not only with its topics. */
  get mayEnd(): boolean {
    return this.plan.until !== undefined || this.plan.span !== undefined;
  }

  /** Whether an entry is the first one of its part of the topic, of those after an offset. */
  isFirstAfter(offset: number): boolean {
    return offset <= (this.#begin?.offset ?? NOTHING);
  }

  /** Whether an event is the last one, as `until` says, or where its part of the topic ends. */
  isEndedBy(entry: Entry): boolean {
    const { until, span } = this.plan;
    if (span?.isLast(entry) === true) return true;
    return until !== undefined && this.#decide('until', until, entry, 'did not end the stream at');
  }

  /** Goes on after an offset: that of the connection which it joins now, or the other side of a gap. */
  goOn(
    reason: 'new' | GapReason,
    offset: number,
    context: ReaderContext,
    reader: Pick<Sink, 'schedule'>,
  ): void {
    this.snapshot = undefined;
    if (reason === 'new' || reason === 'epoch') this.startAfter(offset, context);
    if (reason === 'epoch') {
      this.#beLenient(context.log);
      // They were of the log that has gone.
      this.#ends = undefined;
    }
    this.topics.seek(offset);
    this.askForSnapshot(reason === 'new' ? 'new' : 'gap', context, reader);
  }

  /** @param catchUpTo events up to this offset were not read live */
  wants(entry: Entry, catchUpTo: number): boolean {
    if (entry.offset <= this.after || this.isClosed || !this.#admits(entry)) return false;
    if (!this.plan.latestPerKey || entry.offset > catchUpTo) return true;
    // What `where` drops replaces nothing: the client would be left with neither.
    return !this.topics.isReplaced(entry, (later) => this.#admits(later));
  }

  /** Adds what follows, of a stream that is alone on its connection: not all is asked again for each of thousands. */
  addNeighbours(neighbours: Neighbours, upTo: number, reader: PageReader): void {
    const { span, where, until, latestPerKey } = this.plan;
    if (span === undefined || where !== undefined || until !== undefined || latestPerKey) return;
    const take = (entry: Entry) =>
      entry.isForAll && span.goesOnWith(entry) && neighbours.add(entry);
    this.topics.readAhead(Math.max(neighbours.offset, this.after), { upTo, reader, take });
  }

  #admits(entry: Entry): boolean {
    const { where, span } = this.plan;
    if (span?.admits(entry) === false) return false;
    return where === undefined || this.#decide('where', where, entry, 'dropped');
  }

  #decide(
    name: string,
    ask: (event: SseEvent) => unknown,
    entry: Entry,
    consequence: string,
  ): boolean {
    try {
      const verdict = ask(entry.event);
      if (typeof verdict === 'boolean') return verdict;
      disown(verdict);
      this.#reportOnce(
        `A stream's ${name} returned ${received(verdict)} and no boolean, and ${consequence} event ${idOf(entry)}. It ` +
          'is asked while the log is read and cannot wait: decide by what the event holds, or publish what it needs',
        undefined,
      );
    } catch (error) {
      // Ending the stream with an error would bring the client back to the same event, for ever.
      this.#reportOnce(`A stream's ${name} threw, and ${consequence} event ${idOf(entry)}`, error);
    }
    return false;
  }

  #reportOnce(message: string, error: unknown): void {
    if (!this.#hasReported) this.report(message, error);
    this.#hasReported = true;
  }
}

function idOf({ epoch, offset }: Entry): string {
  return formatCursor(epoch, offset);
}

import { type Frame } from './frames.js';
import type { Kept } from './kept.js';
import { admits, concerns, ends, hasSnapshot, isHolding, type Lane, wants } from './lane.js';
import type { LaneView } from './lane-view.js';
import { Losses } from './losses.js';
import {
  isWithin,
  type LostRange,
  type Place,
  placeOf,
  type Published,
  type Reference,
  timeOf,
} from './reference.js';
import { Standing } from './standing.js';

/** What the time of any event begins with, as text. */
const DATE = new Date(timeOf(0)).toISOString().slice(0, 5);

/** One time that a snapshot was asked for. */
export interface SnapshotCall {
  readonly serial: number;
  /** The place that the snapshot holds everything up to. */
  readonly at: Place;
  /** How many events it gives. */
  readonly parts: number;
  isDone: boolean;
}

/** What an instance had at some moment. */
export interface Moment {
  readonly epoch: string;
  readonly head: number;
  /** The last offset that its tail had lost. */
  readonly lost: number;
  /** How many events kept topics had lost. */
  readonly losses: number;
  /** How many events had been published. */
  readonly published: number;
  /** What its tail has missed, up to the head. */
  readonly holes: readonly LostRange[];
  /** When the oldest question was asked to which the archive had not answered: others may get that answer too. */
  readonly asked: Pick<Moment, 'lost' | 'losses' | 'published'>;
}

/** What the witness has to know of the run beside what the client sees. */
export interface Circumstances {
  readonly reference: Reference;
  readonly holes: readonly LostRange[];
  readonly kept?: Kept;
}

/**
 * Watches one client and holds it against the reference: for each lane the log in order, each event once,
 * and no hole that a gap has not announced before anything newer. Throws when it is not so.
 */
export class Witness {
  lastEventId: string | undefined;
  /** All ids that the client ever had. */
  readonly ids: string[] = [];
  /** Those that a server came up with, rather than the client itself. */
  readonly #issued = new Set<string>();
  seen = 0;
  gaps = 0;
  repeats = 0;
  views: LaneView[] = [];
  readonly #circumstances: Circumstances;
  readonly #dispatched = new Set<string>();
  #requested: string | undefined;
  #told: Place | undefined;
  readonly #frames: (string | Frame)[] = [];
  readonly #losses: Losses;
  /** Of the frame that is looked at, where the run says so. */
  #moment: Moment | undefined;
  readonly #standing: Standing;
  /** The epoch of the log that the connection began in. */
  #begunIn: string | undefined;
  #isRefused = false;

  constructor(circumstances: Circumstances) {
    this.#circumstances = circumstances;
    this.#losses = new Losses(circumstances.kept);
    this.#standing = new Standing((view, upTo) => this.#expected(view, upTo));
  }

  /** The last frames, for the report of a failure. */
  get story(): string {
    return this.#frames
      .slice(-40)
      .map((seen) => (typeof seen === 'string' ? seen : JSON.stringify(seen)))
      .join('\n');
  }

  /** A connection begins. */
  connect(requested: string | undefined, views: LaneView[], moment?: Moment): void {
    this.#requested = requested;
    this.#told = undefined;
    this.#moment = this.#begunIn = undefined;
    this.views = views;
    this.#standing.reset(views);
    for (const view of views) {
      view.came = moment;
      view.mayBeOver = !view.isNew && view.lane.sources.some(({ until }) => until > 0);
    }
    this.#frames.push(`-- connects with ${requested ?? 'nothing'}`);
  }

  /** A stream of the connection took the place of another, or joined. */
  join(view: LaneView): void {
    this.views.push(view);
    this.#frames.push(`-- lane ${view.lane.tag} joins after ${view.at.epoch}.${view.freeUpTo}`);
  }

  receive(frame: Frame, moment?: Moment): void {
    this.#frames.push(frame);
    if (this.#moment === undefined && moment !== undefined) this.#begin(moment);
    this.#moment = moment;
    if (frame.type === 'gap') this.#onGap(frame);
    else if (frame.type === 'ready')
      this.#standing.onReady(frame, this.views, moment, this.#isKnownToBeLost(moment));
    else if (frame.type === 'caught-up') this.#standing.onCaughtUp(frame, this.views);
    else if (frame.type === 'exception') return;
    else if (frame.data !== undefined) this.#onMessage(JSON.parse(frame.data) as Message);
    if (frame.id !== undefined) this.#onId(frame.id, frame.type === 'gap');
  }

  /** The client was told that there is nothing to come back for. */
  refuse(): void {
    const isRight = this.views.every(
      (view) => (this.#endBefore(view) ?? this.#endBefore(view, view.came?.head)) !== undefined,
    );
    if (!isRight) throw new Error('It was told not to come back, and there is more to come');
    this.#isRefused = true;
  }

  /** Whether the tail had lost something that the client came back for, and no archive can have it. */
  #isKnownToBeLost(moment: Moment | undefined): boolean {
    const { kept, reference } = this.#circumstances;
    if (moment === undefined || this.#requested === undefined) return false;
    if (!/^e\d+\.\d+$/.test(this.#requested)) return true;
    const { epoch, offset } = placeOf(this.#requested);
    if (epoch !== moment.epoch) return true;
    if ((kept?.rules.length ?? 0) > 0) return false;
    const sources = this.views.flatMap(({ lane }) => lane.sources);
    return reference
      .between(epoch, offset, moment.lost)
      .some((event) => sources.some((source) => concerns(source, event)));
  }

  #begin(moment: Moment): void {
    this.#begunIn = moment.epoch;
    for (const view of this.views) {
      if (view.isNew) view.beginAnew(moment, this.#circumstances.reference, this.#losses);
    }
  }

  /** What the client should have got by now, if everything on its way has arrived. */
  due(epoch: string, head: number, moment?: Moment): string[] {
    this.#moment = moment ?? this.#moment;
    if (this.#isRefused) return [];
    const areOver = this.views.every((view) => this.#isOver(view));
    if (areOver) return ['the word that there is nothing to come back for'];
    const all = this.views.flatMap((view) => {
      this.#takeEmptySnapshot(view);
      const name = `lane '${view.lane.tag}'`;
      if (view.isOwed) return [`${name}: a snapshot`];
      // A new client has no place in a log that began after it came, until it gets something.
      if (view.endedBy !== undefined || this.#endBefore(view) !== undefined) return [];
      const isUnplaced = view.isNew && view.at === view.start && view.at.epoch !== epoch;
      if (!isUnplaced && view.at.epoch !== epoch) return [`${name}: anything of epoch ${epoch}`];
      const due = isUnplaced ? this.#lastForAll(epoch, head) : this.#expected(view, head);
      return due.map(({ n, offset }) => `${name}: event ${n} at ${offset}`);
    });
    const mayHold = this.views.some(({ lane }) => lane.way === 'holdNoId' || lane.way === 'filter');
    return all.length > 0 || mayHold ? all : this.#standing.due();
  }

  /** What the client should have been told before its response ends, because its streams have. */
  dueAtEnd({ epoch }: Moment): string[] {
    return this.#standing.isIn(epoch) ? this.#standing.due() : [];
  }

  #lastForAll(epoch: string, head: number): Published[] {
    const last = this.#circumstances.reference.between(epoch, head - 1, head);
    return last.filter(({ isForAll }) => isForAll);
  }

  #onMessage({ n, s = '', snap, part = 0 }: Message): void {
    const view = this.views.findLast(({ lane }) => lane.tag === s);
    if (view === undefined) throw new Error(`A message of lane '${s}', which there is not`);
    this.#standing.onSeen(snap === undefined);
    if (snap !== undefined) {
      this.#onSnapshot(view, snap, part);
      return;
    }
    const event = n === undefined ? undefined : this.#circumstances.reference.event(n);
    if (event === undefined) throw new Error(`Event ${n} was never published`);
    if (!wants(view.lane, event)) throw new Error(`Event ${n} is not for lane '${s}'`);
    if (this.#isLate(view, event)) return;
    this.#takeEmptySnapshot(view);
    if (view.isOwed) throw new Error(`Event ${n} came before the snapshot`);
    this.#expect(view, event);
    this.#settle(view, event);
    this.seen++;
    const mark = `${s}/${n}`;
    if (this.#dispatched.has(mark)) this.repeats++;
    this.#dispatched.add(mark);
  }

  /** Whether the event is of the time before a gap, held by operators until now. */
  #isLate({ late, lane }: LaneView, event: Published): boolean {
    const { epoch, offset, n } = event;
    const range = late.find(({ upTo, ...held }) => held.epoch === epoch && offset <= upTo);
    if (range === undefined) return false;
    // What several streams held when the gap came is not known to be the same any more.
    if (range.isOver === true) throw new Error(`\`caught-up\` came before ${n}, which was held`);
    const isRepeated = lane.sources.length > 1 ? offset < range.at : offset <= range.at;
    if (isRepeated) throw new Error(`Event ${n} came again after a gap`);
    range.at = offset;
    return true;
  }

  #expect(view: LaneView, event: Published): void {
    const { offset, epoch } = event;
    // A log that is replaced before a new client has a place in it is no gap for that client.
    if (view.isNew && view.at === view.start && epoch !== view.at.epoch) {
      view.at = { epoch, offset: offset - 1 };
    }
    if (epoch !== view.at.epoch) {
      throw new Error(`Event ${event.n} is of epoch ${epoch}, and no gap was announced`);
    }
    if (offset <= view.at.offset && !this.#mayBeOlder(view)) {
      throw new Error(`Event ${event.n} came again, or too late, after offset ${view.at.offset}`);
    }
    view.mayHaveEnded = false;
    const end = this.#endAfter(view);
    if (view.endedBy !== undefined || (end !== undefined && end.offset < offset)) {
      throw new Error(`Event ${event.n} came after the end of its stream`);
    }
    const missed = this.#expected(view, offset - 1);
    if (missed.length > 0 && offset > view.freeUpTo) {
      throw new Error(`Event ${event.n} came, but not ${missed.map(({ n }) => n).join(', ')}`);
    }
    view.at = { epoch, offset };
    view.freeUpTo = 0;
  }

  /** Before a time it gets what an event of another stream brings along. */
  #mayBeOlder(view: LaneView): boolean {
    if (!view.beginsAtTime || view.at !== view.start || this.views.length === 1) return false;
    view.optionalUpTo = Math.max(view.optionalUpTo, view.start.offset);
    return true;
  }

  #expected(view: LaneView, upTo: number): Published[] {
    const { at, lane, freeUpTo, optionalUpTo } = view;
    if (view.mayHaveEnded || view.endedBy !== undefined) return [];
    if (this.#endBefore(view) !== undefined) return [];
    const from = Math.max(at.offset, freeUpTo, optionalUpTo);
    const last = this.#endAfter(view, true)?.offset ?? upTo;
    return this.#circumstances.reference
      .between(at.epoch, from, Math.min(last, upTo))
      .filter((event) => wants(lane, event) && !this.#isReplaced(lane, event))
      .filter((event) => !this.#losses.isReplaced(lane, event) && !this.#isExcused(view, event));
  }

  #isExcused(view: LaneView, event: Published): boolean {
    const { began } = view;
    // What was published after it had begun was never what there was then.
    const isOfThen = began?.epoch !== event.epoch || event.offset <= began.head;
    const moment = view.isLenient && isOfThen ? this.#moment : view.excused;
    if (moment === undefined || this.#isInTail(event, moment)) return false;
    return this.#losses.wasGone(view.lane, event, moment, false);
  }

  /** What an event shows of its lane, having come. */
  #settle(view: LaneView, event: Published): void {
    const [source] = view.lane.sources;
    if (view.mayBeOver && this.#isOver(view))
      throw new Error(`Event ${event.n} came after the end`);
    view.mayBeOver = false;
    if (view.isLenient && !isHolding(view.lane)) {
      view.isLenient = false;
      view.excused = this.#moment;
    }
    if (view.isBeforeTheLast(event)) {
      throw new Error(`Event ${event.n} came, and is none of the last that were asked for`);
    }
    if (source !== undefined && ends(source, event.n)) view.endedBy = event;
  }

  /**
   * The next event that ends a lane.
   *
   * @param mayBeSilent also one that may have come though it was gone, if its client would not see that
   */
  #endAfter(view: LaneView, mayBeSilent = false): Published | undefined {
    const { at, freeUpTo } = view;
    const source = view.lane.sources.find(({ until }) => until > 0);
    if (source === undefined) return undefined;
    return this.#circumstances.reference
      .between(at.epoch, Math.max(at.offset, freeUpTo), Infinity)
      .filter((each) => concerns(source, each) && ends(source, each.n))
      .find((each) => !this.#isExcused(view, each) || (mayBeSilent && !wants(view.lane, each)));
  }

  /** The event that a lane may have ended with before its client came back. */
  #endBefore(view: LaneView, upTo = Infinity): Published | undefined {
    const source = view.lane.sources.find(({ until }) => until > 0);
    if (!view.mayBeOver || source === undefined || this.#requested === undefined) return undefined;
    if (!/^e\d+\.\d+$/.test(this.#requested)) return undefined;
    const { epoch, offset } = placeOf(this.#requested);
    const last = this.#circumstances.reference
      .between(epoch, 0, Math.min(offset, upTo))
      .findLast((event) => concerns(source, event));
    return last !== undefined && ends(source, last.n) ? last : undefined;
  }

  /** Whether a lane had ended before its client came back, and somebody still has that event. */
  #isOver(view: LaneView): boolean {
    const end = this.#endBefore(view);
    const moment = this.#moment;
    if (end === undefined || moment?.epoch !== end.epoch) return false;
    const isInTail = end.offset <= moment.head && this.#isInTail(end, moment);
    const isInArchive =
      view.lane.sources.every((source) => this.#losses.readsAll(source)) &&
      this.#losses.isKept(view.lane, end);
    return isInTail || isInArchive;
  }

  /** Whether a later event of the same key may stand for this one, even if a `filter` drops that. */
  #isReplaced(lane: Lane, event: Published): boolean {
    const [source] = lane.sources;
    if (!source?.latestPerKey || event.key === undefined) return false;
    const { epoch, offset, key, topics } = event;
    return this.#circumstances.reference
      .between(epoch, offset, Infinity)
      .some(
        (later) =>
          later.key === key &&
          (later.isForAll || admits(source, later.n)) &&
          concerns(source, { ...later, topics: later.topics.filter((t) => topics.includes(t)) }),
      );
  }

  #onSnapshot(view: LaneView, serial: number, part: number): void {
    const call = view.calls.find((made) => made.serial === serial);
    if (call === undefined) throw new Error(`Snapshot ${serial} is not of this lane`);
    if (serial < (view.owed?.serial ?? 0)) return;
    if (!view.isOwed || call !== view.owed) throw new Error(`Snapshot ${serial} was not owed`);
    if (part !== view.part++) throw new Error(`Part ${part} of snapshot ${serial} is out of order`);
    if (view.part < call.parts) return;
    view.isOwed = false;
    view.at = call.at;
  }

  #takeEmptySnapshot(view: LaneView): void {
    const { owed } = view;
    if (!view.isOwed || owed === undefined || !owed.isDone || owed.parts > 0) return;
    view.isOwed = false;
    view.at = owed.at;
  }

  #onGap({ data = '' }: Frame): void {
    this.gaps++;
    const { reason, requested, resumedAt } = JSON.parse(data) as Gap;
    const to = placeOf(resumedAt);
    const from = this.#placeAsked(requested, to);
    const isAnswer = requested === this.#requested;
    this.#standing.onGap(this.#moment);
    if (reason !== 'trimmed') this.#told = undefined;
    if (reason === 'unknown' && !isAnswer) throw new Error('A gap is unknown in mid-stream');
    if (reason === 'unknown' && this.#issued.has(requested)) throw new Error('It had been issued');
    for (const view of this.views) {
      if (reason !== 'unknown') this.#crossAt(view, from, reason, to);
      if (reason !== 'unknown') this.#endBeforeGap(view, from);
      this.#passGap(view, reason);
      // A stream that began at the head has not missed what a stream of more patience goes on from.
      const mayBeOlder = requested.startsWith(DATE) && view.beginsAtTime;
      const isAhead = !mayBeOlder && view.at.epoch === to.epoch && view.at.offset > to.offset;
      if (reason === 'unknown') view.at = view.start.epoch === to.epoch ? view.start : to;
      else if (reason === 'epoch' || !isAhead) view.at = to;
      view.freeUpTo = 0;
      view.gaps++;
      view.part = 0;
      view.isOwed = hasSnapshot(view.lane);
      if (view.isOwed && view.owed === undefined) throw new Error('A gap without a snapshot');
    }
    if (reason === 'trimmed' && !this.#isJustified(from, to)) {
      throw new Error(`A gap from ${requested} to ${resumedAt}, and nothing was lost`);
    }
  }

  /** Where the client was; a new one may have asked for a beginning. */
  #placeAsked(requested: string, { epoch }: Place): Place {
    const isBeginning = requested === 'start' || requested.startsWith(DATE);
    if (!isBeginning) return /\.\d+$/.test(requested) ? placeOf(requested) : { epoch, offset: 0 };
    if (this.#requested !== undefined || this.#standing.hasSeen) {
      throw new Error(`A gap from ${requested} comes late`);
    }
    return { epoch, offset: 0 };
  }

  /** What a gap has told is no longer missing. */
  #passGap(view: LaneView, reason: string): void {
    if (reason !== 'trimmed') {
      // It may have been over before its log was.
      if (reason === 'epoch' && this.#endBefore(view)?.epoch === this.#begunIn) {
        view.mayHaveEnded = this.#begunIn !== undefined;
      }
      view.last = undefined;
      view.optionalUpTo = 0;
      view.mayBeOver = false;
    } else if (this.views.every((each) => this.#isOver(each))) {
      throw new Error('A gap came after the end');
    }
    view.excused = this.#moment;
    const [source] = view.lane.sources;
    if (reason === 'epoch') {
      view.isLenient = source?.start !== 'snapshot';
      view.began = this.#moment;
    } else if (reason === 'unknown' && this.#moment !== undefined) {
      view.excused = undefined;
      view.beginAnew(this.#moment, this.#circumstances.reference, this.#losses);
    }
  }

  /** A stream that has ended goes on in no other log. */
  #endBeforeGap(view: LaneView, from: Place): void {
    if (view.at.epoch !== from.epoch || isHolding(view.lane)) return;
    const end = this.#endAfter(view, true);
    if (end === undefined || end.offset > from.offset) return;
    if (this.#isExcused(view, end)) view.mayHaveEnded = true;
    else view.endedBy ??= end;
  }

  #crossAt(view: LaneView, from: Place, reason: string, to: Place): void {
    if ((reason === 'epoch') === (from.epoch === to.epoch)) throw new Error(`Gap: ${reason}?`);
    if (to.epoch < from.epoch) throw new Error('A gap leads back to a log that is gone');
    // What is lost may lie behind the next event that is there.
    if (reason === 'trimmed' && to.offset < from.offset) throw new Error('A gap leads back');
    // The operators may hold a snapshot, and what followed it.
    let at = view.isOwed ? view.owed?.at : view.at;
    const isUnplaced = isHolding(view.lane) && view.isNew && view.at === view.start;
    if (isUnplaced && at?.epoch !== from.epoch) at = { epoch: from.epoch, offset: 0 };
    if (at?.epoch !== from.epoch) return;
    if (isHolding(view.lane)) {
      const isBeginning = view.gaps === 0 && `${from.epoch}.${from.offset}` === this.#requested;
      if (isBeginning) return;
      view.late.push({ epoch: from.epoch, at: at.offset, upTo: from.offset });
      return;
    }
    if (view.isOwed) return;
    const kept = this.#expected(view, reason === 'trimmed' ? to.offset : from.offset).filter(
      (event) =>
        reason === 'trimmed' && !hasSnapshot(view.lane) && this.#losses.isKept(view.lane, event),
    );
    if (kept.length > 0) throw new Error(`A gap passes ${kept.map(({ n }) => n).join()}: kept`);
    const missed = this.#expected(view, from.offset);
    if (missed.length > 0) throw new Error(`A gap that hides ${missed.map(({ n }) => n).join()}`);
  }

  /** A gap is a matter of topics: something of the client's topics is gone, or nobody knows what is. */
  #isJustified(from: Place, to: Place): boolean {
    const { reference, holes } = this.#circumstances;
    const { epoch, offset } = from;
    const isHole = holes.some(
      (hole) => hole.epoch === epoch && hole.upTo > offset && hole.after < to.offset,
    );
    if (isHole) return true;
    if (this.#circumstances.kept?.isVague === true) return true;
    const sources = this.views.flatMap(({ lane }) => lane.sources);
    // What one topic has lost is told before what another has is given.
    const areSeveral =
      sources.length > 1 || sources.some((each) => each.isPattern || each.topics.length > 1);
    return reference
      .between(epoch, offset, areSeveral ? Infinity : to.offset)
      .some((event) =>
        sources.some((source) => concerns(source, event) && this.#losses.isLoss(source, event)),
      );
  }

  #isInTail(event: Published, { epoch, lost }: Moment): boolean {
    return event.epoch === epoch && event.offset > lost && !this.#isInHole(event);
  }

  #isInHole(event: Published): boolean {
    return this.#circumstances.holes.some((hole) => isWithin(hole, event));
  }

  #onId(id: string, isGap: boolean): void {
    const place = placeOf(id);
    const told = this.#told;
    const isEcho = told === undefined && id === this.#requested;
    if (told !== undefined && told.epoch === place.epoch && place.offset < told.offset) {
      throw new Error(`The id went back to ${id}`);
    }
    if (told !== undefined && told.epoch !== place.epoch && !isGap) {
      throw new Error(`The id changed to epoch ${place.epoch} without a gap`);
    }
    if (isGap && this.views.some(({ isOwed }) => isOwed)) {
      throw new Error('A gap carries an id, and a snapshot is owed');
    }
    for (const view of this.views) {
      if (!isGap && !isEcho) this.#checkNotOvertaken(view, place, told === undefined);
    }
    this.#told = place;
    this.lastEventId = id;
    this.ids.push(id);
    if (!isEcho) this.#issued.add(id);
  }

  #checkNotOvertaken(view: LaneView, place: Place, isFirst: boolean): void {
    this.#takeEmptySnapshot(view);
    if (view.isOwed) throw new Error(`Id ${place.offset} came while a snapshot was owed`);
    if (view.isNew && view.at.epoch !== place.epoch && isFirst) view.at = place;
    const overtaken = this.#expected(view, place.offset);
    if (overtaken.length > 0) {
      throw new Error(`Id ${place.offset} overtook ${overtaken.map(({ n }) => n).join(', ')}`);
    }
  }
}

interface Message {
  readonly n?: number;
  readonly s?: string;
  readonly snap?: number;
  readonly part?: number;
}

interface Gap {
  readonly reason: string;
  readonly requested: string;
  readonly resumedAt: string;
}

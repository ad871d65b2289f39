import { type Frame } from './frames.js';
import { admits, concerns, hasSnapshot, isHolding, type Lane, wants } from './lane.js';
import { type Place, placeOf, type Published, type Reference } from './reference.js';

/** One time that a snapshot was asked for. */
export interface SnapshotCall {
  readonly serial: number;
  /** The place that the snapshot holds everything up to. */
  readonly at: Place;
  /** How many events it gives. */
  readonly parts: number;
  isDone: boolean;
}

/** Offsets that an instance lost from the middle of its log. */
export interface LostRange {
  readonly epoch: string;
  readonly after: number;
  readonly upTo: number;
}

/** What the witness has to know of the run beside what the client sees. */
export interface Circumstances {
  readonly reference: Reference;
  readonly holes: readonly LostRange[];
}

/** A lane of a connection as its client knows it. */
export class LaneView {
  /** What may still come of the time before a gap: the operators held it. */
  readonly late: { readonly epoch: string; at: number; readonly upTo: number }[] = [];
  isOwed: boolean;
  part = 0;
  gaps = 0;

  /**
   * @param at everything after this place is due, but what is up to `freeUpTo` and before the first message
   * @param start where a new client would begin
   * @param isNew whether the client came without a cursor
   */
  constructor(
    readonly lane: Lane,
    public at: Place,
    readonly start: Place,
    readonly isNew: boolean,
    readonly calls: SnapshotCall[],
    public freeUpTo = 0,
  ) {
    this.isOwed = isNew && hasSnapshot(lane);
  }

  /** The snapshot that is owed: one is asked for by a new client, and one for each gap. */
  get owed(): SnapshotCall | undefined {
    return this.calls[this.gaps - (this.isNew ? 0 : 1)];
  }
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

  constructor(circumstances: Circumstances) {
    this.#circumstances = circumstances;
  }

  /** The last frames, for the report of a failure. */
  get story(): string {
    return this.#frames
      .slice(-40)
      .map((seen) => (typeof seen === 'string' ? seen : JSON.stringify(seen)))
      .join('\n');
  }

  /** A connection begins. */
  connect(requested: string | undefined, views: LaneView[]): void {
    this.#requested = requested;
    this.#told = undefined;
    this.views = views;
    this.#frames.push(`-- connects with ${requested ?? 'nothing'}`);
  }

  /** A stream of the connection took the place of another, or joined. */
  join(view: LaneView): void {
    this.views.push(view);
    this.#frames.push(`-- lane ${view.lane.tag} joins after ${view.at.epoch}.${view.freeUpTo}`);
  }

  receive(frame: Frame): void {
    this.#frames.push(frame);
    if (frame.type === 'gap') this.#onGap(frame);
    else if (frame.type === 'exception') return;
    else if (frame.data !== undefined) this.#onMessage(JSON.parse(frame.data) as Message);
    if (frame.id !== undefined) this.#onId(frame.id, frame.type === 'gap');
  }

  /** What the client should have got by now, if everything on its way has arrived. */
  due(epoch: string, head: number): string[] {
    return this.views.flatMap((view) => {
      this.#takeEmptySnapshot(view);
      const name = `lane '${view.lane.tag}'`;
      if (view.isOwed) return [`${name}: a snapshot`];
      // A new client has no place in a log that began after it came, until it gets something.
      const isUnplaced = view.isNew && view.at === view.start && view.at.epoch !== epoch;
      if (!isUnplaced && view.at.epoch !== epoch) return [`${name}: anything of epoch ${epoch}`];
      const due = isUnplaced ? this.#lastForAll(epoch, head) : this.#expected(view, head);
      return due.map(({ n, offset }) => `${name}: event ${n} at ${offset}`);
    });
  }

  #lastForAll(epoch: string, head: number): Published[] {
    const last = this.#circumstances.reference.between(epoch, head - 1, head);
    return last.filter(({ isForAll }) => isForAll);
  }

  #onMessage({ n, s = '', snap, part = 0 }: Message): void {
    const view = this.views.findLast(({ lane }) => lane.tag === s);
    if (view === undefined) throw new Error(`A message of lane '${s}', which there is not`);
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
    if (offset <= view.at.offset) throw new Error(`Event ${event.n} came again, or too late`);
    const missed = this.#expected(view, offset - 1);
    if (missed.length > 0 && offset > view.freeUpTo) {
      throw new Error(`Event ${event.n} came, but not ${missed.map(({ n }) => n).join(', ')}`);
    }
    view.at = { epoch, offset };
    view.freeUpTo = 0;
  }

  #expected(view: LaneView, upTo: number): Published[] {
    const { at, lane, freeUpTo } = view;
    const from = Math.max(at.offset, freeUpTo);
    return this.#circumstances.reference
      .between(at.epoch, from, upTo)
      .filter((event) => wants(lane, event) && !this.#isReplaced(lane, event));
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
    const isAnswer = requested === this.#requested;
    if (reason !== 'trimmed') this.#told = undefined;
    if (reason === 'unknown' && !isAnswer) throw new Error('A gap is unknown in mid-stream');
    if (reason === 'unknown' && this.#issued.has(requested)) throw new Error('It had been issued');
    for (const view of this.views) {
      if (reason !== 'unknown') this.#crossAt(view, placeOf(requested), reason, to);
      // A stream that began at the head has not missed what a stream of more patience goes on from.
      const isAhead = view.at.epoch === to.epoch && view.at.offset > to.offset;
      if (reason === 'unknown') view.at = view.start.epoch === to.epoch ? view.start : to;
      else if (reason === 'epoch' || !isAhead) view.at = to;
      view.freeUpTo = 0;
      view.gaps++;
      view.part = 0;
      view.isOwed = hasSnapshot(view.lane);
      if (view.isOwed && view.owed === undefined) throw new Error('A gap without a snapshot');
    }
    if (reason === 'trimmed' && !this.#isJustified(placeOf(requested), to)) {
      throw new Error(`A gap from ${requested} to ${resumedAt}, and nothing was lost`);
    }
  }

  #crossAt(view: LaneView, from: Place, reason: string, to: Place): void {
    if ((reason === 'epoch') === (from.epoch === to.epoch)) throw new Error(`Gap: ${reason}?`);
    if (to.epoch < from.epoch) throw new Error('A gap leads back to a log that is gone');
    if (reason === 'trimmed' && to.offset <= from.offset) throw new Error('A gap leads back');
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
    const sources = this.views.flatMap(({ lane }) => lane.sources);
    return reference
      .between(epoch, offset, to.offset)
      .some((event) => sources.some((source) => concerns(source, event)));
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

import { concerns, hasSnapshot, type Lane } from './lane.js';
import type { Losses } from './losses.js';
import { isWithin, type Place, type Published, type Reference } from './reference.js';
import type { Circumstances, Moment, SnapshotCall } from './witness.js';

/** Where a new client of a lane begins, if it comes now: everything after that is due, unless it is gone. */
export function startOf(
  lane: Lane,
  { epoch, head }: Moment,
  { reference, holes }: Pick<Circumstances, 'reference' | 'holes'>,
): Place {
  const [source] = lane.sources;
  const start = source?.start ?? 'now';
  if (start === 'now' || start === 'snapshot') return { epoch, offset: head };
  if (typeof start === 'object' && start.since !== undefined) {
    // When what is in a hole was published nobody knows.
    const place = { epoch, offset: Math.min(head, reference.before(epoch, start.since)) };
    while (holes.some((hole) => isWithin(hole, place))) place.offset--;
    return place;
  }
  return { epoch, offset: 0 };
}

/** A lane of a connection as its client knows it. */
export class LaneView {
  /** What may still come of the time before a gap: the operators held it. */
  readonly late: {
    readonly epoch: string;
    at: number;
    readonly upTo: number;
    /** Whether the client was told that all has come. */
    isOver?: boolean;
  }[] = [];
  /** What was gone then is no gap: a gap has told of it, or the lane asked for what there was. */
  excused: Moment | undefined;
  /** Whether that is whatever is gone by now, because nothing has shown yet that anybody has looked. */
  isLenient = false;
  began: Moment | undefined;
  /** Events up to this offset need not come: which were the last when it began, nobody has seen. */
  optionalUpTo = 0;
  /** What there was when the client came. */
  came: Moment | undefined;
  /** How many of the last ones it asks for, and which are known to have been there. */
  last: { readonly count: number; readonly there: readonly Published[] } | undefined;
  /** The event that it ended with. */
  endedBy: Published | undefined;
  /** Whether it may have ended with an event of which nobody has seen anything, before a gap. */
  mayHaveEnded = false;
  /** Whether nothing has shown yet that it was not over when its client came back. */
  mayBeOver = false;
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

  /** Whether a new client of it asks for what was published since a time: where that is gone it gets what there is. */
  get beginsAtTime(): boolean {
    const [source] = this.lane.sources;
    return typeof source?.start === 'object' && source.start.since !== undefined;
  }

  /** It begins as that of a new client does. */
  beginAnew(moment: Moment, reference: Reference, losses: Losses): void {
    const [source] = this.lane.sources;
    const { start } = source ?? {};
    // All of a log that began after it came is new to it.
    const isReplaced = this.start.epoch !== moment.epoch;
    const isLast = typeof start === 'object' && start.last !== undefined;
    this.began = moment;
    this.isLenient = start === 'earliest' || isLast;
    if (isReplaced) {
      this.isLenient = true;
      return;
    }
    if (typeof start !== 'object' || source === undefined) return;
    if (start.since !== undefined) {
      this.optionalUpTo = reference.before(moment.epoch, start.since);
      return;
    }
    const came = this.came ?? moment;
    const all = reference
      .between(moment.epoch, 0, moment.head)
      .filter((event) => concerns(source, event));
    const possible = all.filter((event) => losses.mayHaveBeenThere(source, event, came, moment));
    const first = start.last === 0 ? moment.head + 1 : (possible.at(-start.last)?.offset ?? 0);
    this.optionalUpTo = Math.max(0, first - 1);
    const there = all.filter((event) =>
      [came, moment].every((each) => losses.wasThere(source, event, each)),
    );
    this.last = { count: start.last, there };
  }

  /** Whether there were as many after an event as the client has asked for. */
  isBeforeTheLast({ offset }: Published): boolean {
    if (this.last === undefined || offset > (this.came?.head ?? 0)) return false;
    const { count, there } = this.last;
    return there.filter((event) => event.offset >= offset).length > count;
  }

  /** The snapshot that is owed: one is asked for by a new client, and one for each gap. */
  get owed(): SnapshotCall | undefined {
    return this.calls[this.gaps - (this.isNew ? 0 : 1)];
  }
}

import type { Frame } from './frames.js';
import type { LaneView } from './lane-view.js';
import { placeOf, type Published } from './reference.js';
import type { Moment } from './witness.js';

/** Holds what a connection says of where its client stands, `ready` and `caught-up`, against what it sees. */
export class Standing {
  /** Whether the client has got anything of its topics. */
  hasSeen = false;
  #isAsked = false;
  #hasGap = false;
  #isReady: Moment | undefined;
  #isCaughtUp = false;
  readonly #expected: (view: LaneView, upTo: number) => readonly Published[];

  constructor(expected: (view: LaneView, upTo: number) => readonly Published[]) {
    this.#expected = expected;
  }

  reset(views: readonly LaneView[]): void {
    this.#isAsked = views.some(({ lane }) => lane.sources.some(({ announce }) => announce));
    this.hasSeen = this.#hasGap = this.#isCaughtUp = false;
    this.#isReady = undefined;
  }

  /** @param isOfLog whether it is not of a snapshot */
  onSeen(isOfLog: boolean): void {
    if (this.#isAsked && this.#isReady === undefined)
      throw new Error('An event came before `ready`');
    this.hasSeen ||= isOfLog;
  }

  /** @param moment what its instance has; of another log, that is what the client catches up with */
  onGap(moment: Moment | undefined): void {
    if (this.#isAsked && this.#isReady === undefined) throw new Error('A gap came before `ready`');
    if (this.#isReady !== undefined && this.#isReady.epoch !== moment?.epoch)
      this.#isReady = moment;
    this.#hasGap = true;
  }

  /** @param isLost whether it is known that the client cannot go on where it was */
  onReady(
    { data = '' }: Frame,
    views: readonly LaneView[],
    moment: Moment | undefined,
    isLost: boolean,
  ): void {
    if (!this.#isAsked || this.#isReady !== undefined || this.hasSeen || this.#hasGap) {
      throw new Error('`ready` came late, or to nobody who had asked');
    }
    const { resumed } = JSON.parse(data) as { resumed: boolean };
    if (resumed && views.some(({ isNew }) => isNew))
      throw new Error('A new client resumes nothing');
    if (resumed && isLost) throw new Error('`ready` said that nothing is lost');
    this.#isReady = moment;
  }

  onCaughtUp({ data = '' }: Frame, views: readonly LaneView[]): void {
    if (this.#isReady === undefined || this.#isCaughtUp) throw new Error('`caught-up` came twice');
    this.#isCaughtUp = true;
    for (const range of views.flatMap(({ late }) => late)) range.isOver = true;
    const { epoch, head } = this.#isReady;
    const { cursor } = JSON.parse(data) as { cursor: string };
    if (placeOf(cursor).epoch !== epoch) return;
    for (const view of views) {
      if (view.at.epoch !== epoch || view.isOwed) continue;
      const [late] = this.#expected(view, head);
      if (late !== undefined) throw new Error(`\`caught-up\` came, but not ${late.n}`);
    }
  }

  /** Whether what the client catches up with is of that log. */
  isIn(epoch: string): boolean {
    return this.#isReady?.epoch === epoch;
  }

  /** What it has still to say. */
  due(): string[] {
    return this.#isReady !== undefined && !this.#isCaughtUp ? ['`caught-up`'] : [];
  }
}

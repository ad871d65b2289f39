import type { Visitor } from './visitor.js';
import type { Window } from './window.js';

/** What is promised, in milliseconds. */
export interface PresencePromise {
  readonly lease: number;
  readonly grace: number;
  /** Within which whoever has an open connection is shown. */
  readonly missing: number;
  /** What a busy machine may add. */
  readonly slack: number;
  /** For longer than that the log must not be silent, or it counts as being away, as it does for instances. */
  readonly patience: number;
}

/**
 * Milliseconds between two looks from which on it is not the judge who decided when to look; and until an answer of the log from
 * which on it is not the instances who decided when somebody is told.
 */
const PAUSE = 100;

/**
 * Looks again and again whether what the windows show is so. Time counts in which instances could do what is promised: not
 * that for which this process, which some of them are in, was held up, and not that for which the log did not answer.
 */
export class PresenceJudge {
  readonly faults: string[] = [];
  /** How often somebody had to be shown, or not to be. */
  looks = 0;
  leaves = 0;
  readonly #visitors: readonly Visitor[];
  readonly #promise: PresencePromise;
  readonly #now: () => number;
  #lookedAt: number;
  /** When this process was held up, or the log did not answer, one after the other. */
  readonly #pauses: { readonly from: number; readonly to: number }[] = [];
  /** Since when questions to the log have no answer. */
  readonly #asked = new Set<number>();
  /** How many faults there are of the kind in which nobody can be told anything. */
  #silences = 0;
  /** Since when everybody can be told. */
  #audibleSince = -Infinity;

  constructor(
    visitors: readonly Visitor[],
    promise: PresencePromise,
    now = () => performance.now(),
  ) {
    this.#visitors = visitors;
    this.#promise = promise;
    this.#now = now;
    this.#lookedAt = now();
  }

  /** While it lasts the log cannot be written; what is promised is promised from its end on. */
  async duringSilence(fault: () => Promise<void>): Promise<void> {
    this.#silences++;
    try {
      await fault();
    } finally {
      this.#silences--;
      this.#audibleSince = this.#now();
    }
  }

  /** Asks the log for something: if that takes too long, what is promised is promised from its end on. */
  async ask(question: () => Promise<unknown>): Promise<void> {
    const asked = this.#now();
    this.#asked.add(asked);
    await question();
    this.#asked.delete(asked);
    if (this.#isAway(asked)) this.#audibleSince = this.#now();
    else this.#addPause(asked);
  }

  look(windows: readonly Window[]): void {
    const now = this.#now();
    const from = this.#lookedAt;
    this.#lookedAt = now;
    const isLate = this.#addPause(from);
    const isAsking = [...this.#asked].some((asked) => now - asked > PAUSE);
    // What has come meanwhile is yet to be read.
    if (isLate || isAsking || this.#silences > 0) return;
    for (const [number, { model, openSince }] of windows.entries()) {
      if (openSince === undefined || !this.#isSettled(openSince, now)) continue;
      for (const visitor of this.#visitors) this.#lookFor(visitor, now, number, model.owners);
    }
  }

  /** Nobody leaves who is there, or was a moment ago. */
  onLeave(owner: string): void {
    this.leaves++;
    const visitor = this.#visitors.find((each) => each.owner === owner);
    if (visitor === undefined) return;
    const { openSince, openUntil, wasOpenSince } = visitor;
    const now = this.#now();
    const awayFor = now - openUntil;
    if (openSince === undefined) {
      // Of who came for a moment only, it may be the absence before that they leave for.
      const wasKnown = this.#isSettled(wasOpenSince, openUntil);
      if (wasKnown && awayFor < this.#promise.grace - this.#promise.slack)
        this.faults.push(`${owner} leaves after ${Math.round(awayFor)} ms`);
    } else if (this.#silences === 0 && this.#isSettled(openSince, now)) {
      this.faults.push(`${owner} leaves and is there`);
    }
  }

  /** False if it was too short to be one. */
  #addPause(from: number): boolean {
    const to = this.#now();
    if (to - from <= PAUSE) return false;
    const after = this.#pauses.at(-1)?.to ?? -Infinity;
    if (to > after) this.#pauses.push({ from: Math.max(from, after), to });
    return true;
  }

  /** Whether everybody has to know of what began then. */
  #isSettled(since: number, now: number): boolean {
    const { missing, slack } = this.#promise;
    return this.#elapsed(since, now) > missing + slack;
  }

  #isAway(asked: number): boolean {
    return this.#now() - asked > this.#promise.patience;
  }

  /** Milliseconds in which something could be done about what has been so since then. */
  #elapsed(since: number, now: number): number {
    const from = Math.max(since, this.#audibleSince);
    const held = this.#pauses.map((pause) => Math.min(pause.to, now) - Math.max(pause.from, from));
    return held.reduce((left, each) => left - Math.max(each, 0), now - from);
  }

  #lookFor(visitor: Visitor, now: number, number: number, shown: ReadonlySet<string>): void {
    const { owner, openSince, openUntil } = visitor;
    const { lease, slack } = this.#promise;
    const isShown = shown.has(owner);
    if (openSince !== undefined && this.#isSettled(openSince, now)) {
      this.looks++;
      if (!isShown)
        this.faults.push(`window ${number} misses ${owner}, there since ${now - openSince} ms`);
    }
    const isGone = this.#elapsed(openUntil, now) > lease + slack;
    if (openSince === undefined && isGone) {
      this.looks++;
      if (isShown)
        this.faults.push(`window ${number} shows ${owner}, away for ${now - openUntil} ms`);
    }
  }
}

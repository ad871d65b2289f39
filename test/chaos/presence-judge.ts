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
}

/** Looks again and again whether what the windows show is so. */
export class PresenceJudge {
  readonly faults: string[] = [];
  /** How often somebody had to be shown, or not to be. */
  looks = 0;
  leaves = 0;
  readonly #visitors: readonly Visitor[];
  readonly #promise: PresencePromise;
  #lookedAt = performance.now();
  /** How many faults there are of the kind in which nobody can be told anything. */
  #silences = 0;
  /** Since when everybody can be told. */
  #audibleSince = -Infinity;

  constructor(visitors: readonly Visitor[], promise: PresencePromise) {
    this.#visitors = visitors;
    this.#promise = promise;
  }

  /** While it lasts the log cannot be written; what is promised is promised from its end on. */
  async duringSilence(fault: () => Promise<void>): Promise<void> {
    this.#silences++;
    try {
      await fault();
    } finally {
      this.#silences--;
      this.#audibleSince = performance.now();
    }
  }

  look(windows: readonly Window[]): void {
    const now = performance.now();
    // Whoever judges late knows nothing.
    const isLate = now - this.#lookedAt > 250;
    this.#lookedAt = now;
    if (isLate || this.#silences > 0) return;
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
    const now = performance.now();
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

  /** Whether everybody has to know of what began then. */
  #isSettled(since: number, now: number): boolean {
    const { missing, slack } = this.#promise;
    return now - Math.max(since, this.#audibleSince) > missing + slack;
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
    const isGone = now - Math.max(openUntil, this.#audibleSince) > lease + slack;
    if (openSince === undefined && isGone) {
      this.looks++;
      if (isShown)
        this.faults.push(`window ${number} shows ${owner}, away for ${now - openUntil} ms`);
    }
  }
}

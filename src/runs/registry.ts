import type { EventBus } from '../bus/event-bus.js';
import { isBefore, type StreamPosition } from '../log/cursor.js';
import type { Entry } from '../log/entry.js';
import { RegistryLog } from './registry-log.js';
import { Run } from './run.js';
import { parseEnd, parseRunEntry, type RunEntry } from './run-entry.js';

/** Told of what the log says, after it was taken in. */
export interface RunObserver {
  onStart(run: Run): void;
  onStop(run: Run): void;
  onEnd(run: Run): void;
  /** The log has gone, and with it all runs. */
  onLost(runs: readonly Run[]): void;
}

/** What each token became: its run, or undefined for a claim that did not win. */
type Claims = Map<string, Run | undefined>;

/** All runs that the log knows of, as far as this instance has read it. */
export class RunRegistry {
  readonly #observer: RunObserver;
  readonly #log: RegistryLog;
  /** Of each id those that are known, the last one at the end. */
  #byId = new Map<string, Run[]>();
  #byToken: Claims = new Map();
  #isClosed = false;
  /** The latest time of a claim, in milliseconds since the Unix epoch. */
  #time = 0;
  /** Who waits for a run of an id to start. */
  readonly #awaited = new Map<string, Set<(run: Run) => void>>();
  /** Who waits until this instance has read up to a place. */
  #waiting: { readonly place: StreamPosition; readonly resolve: () => void }[] = [];

  constructor(bus: EventBus, observer: RunObserver) {
    this.#observer = observer;
    bus.onRound(() => this.readOn());
    this.#log = new RegistryLog(bus, {
      take: (entry) => this.#apply(entry),
      onLogLost: (epoch) => this.#onLogLost(epoch),
      onRead: () => this.#serve(),
    });
    // Who observes may have yet to be made.
    queueMicrotask(() => this.#log.readOn());
  }

  /** Whether nothing is read any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether what the log has by now is known. */
  get isLoaded(): boolean {
    this.readOn();
    return this.#log.isLoaded;
  }

  /** Resolves when what was there is known. */
  whenLoaded(): Promise<void> {
    return this.#log.whenLoaded();
  }

  /** The last run of an id, as the log has it now. */
  get(id: string): Run | undefined {
    this.readOn();
    const run = this.#byId.get(id)?.at(-1);
    return run?.isExpiredHere === true ? undefined : run;
  }

  /** The run of an id that somebody has read a part of who has read up to a place, if that has ended behind it and can be read. */
  partlyReadAt(id: string, place: StreamPosition): Run | undefined {
    return this.#byId.get(id)?.find((run) => {
      const isIn = run.end !== undefined && isBefore(place, run.end.place) && run.isBefore(place);
      return isIn && !run.isExpiredHere;
    });
  }

  /** What became of a claim, once it is read: its run, or undefined if it did not win. */
  ofToken(token: string): Run | undefined {
    this.readOn();
    return this.#byToken.get(token);
  }

  /** The last run of each id. */
  get all(): readonly Run[] {
    this.readOn();
    return [...this.#byId.values()].flatMap((runs) => {
      const run = runs.at(-1);
      return run === undefined || run.isExpiredHere ? [] : [run];
    });
  }

  /** Whether there are so many that are live or can still be read. */
  hasAtLeast(count: number): boolean {
    return this.#byId.size >= count && this.all.length >= count;
  }

  /** The token of the last run of an id, if it can no longer be read. */
  expiredToken(id: string): string | undefined {
    const run = this.#byId.get(id)?.at(-1);
    return run?.isExpiredHere === true ? run.claim.token : undefined;
  }

  /** Whether what the log says of runs up to a place is known; so it is when nothing is read any more. */
  hasRead(place: StreamPosition): boolean {
    return place.offset <= this.readUpTo(place.epoch);
  }

  /** The offset in the log of an epoch up to which that is so. */
  readUpTo(epoch: string): number {
    this.readOn();
    const { position } = this.#log;
    if (this.#isClosed || position.epoch > epoch) return Infinity;
    return position.epoch === epoch ? position.offset : -1;
  }

  /** Resolves when that is so, or when it cannot be: its log has gone. */
  async whenRead(place: StreamPosition): Promise<void> {
    if (this.hasRead(place)) return;
    await new Promise<void>((resolve) => this.#waiting.push({ place, resolve }));
  }

  /**
   * Tells of the next run of an id, once, before anybody reads of it.
   *
   * @returns what ends the waiting
   */
  awaitStart(id: string, onStart: (run: Run) => void): () => void {
    const waiting = this.#awaited.get(id) ?? new Set();
    this.#awaited.set(id, waiting.add(onStart));
    return () => {
      waiting.delete(onStart);
      if (waiting.size === 0 && this.#awaited.get(id) === waiting) this.#awaited.delete(id);
    };
  }

  /** Takes in what the log has by now: nobody who reads it is ahead of what is known here. */
  readOn(): void {
    this.#log.readOn();
  }

  /** Forgets runs that can no longer be read, as the log has the time: no claim to come finds one that others know. */
  forgetExpired(): void {
    for (const [id, runs] of this.#byId) {
      const left = runs.filter((run) => !run.isExpired(this.#time));
      for (const run of runs) if (!left.includes(run)) this.#byToken.delete(run.claim.token);
      if (left.length === 0) this.#byId.delete(id);
      else if (left.length < runs.length) this.#byId.set(id, left);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#log.close();
    for (const { resolve } of this.#waiting.splice(0)) resolve();
    for (const run of [...this.#byId.values()].flat()) run.abandon();
  }

  #onLogLost(epoch: string): void {
    const gone = [...this.#byId.values()].flat().filter(({ claim }) => claim.begin.epoch !== epoch);
    this.#byId = new Map();
    this.#byToken = new Map();
    this.#observer.onLost(gone);
  }

  #apply(entry: Entry): void {
    if (entry.type === 'run-end') this.#onEnd(entry);
    else {
      const found = parseRunEntry(entry);
      if (found?.kind === 'claim') this.#onClaim(found, entry);
      else if (found?.kind === 'token') this.#onToken(found.token, found.next, entry.offset);
      else if (found !== undefined) this.#onStop(found.token);
    }
  }

  #onClaim(claim: Extract<RunEntry, { kind: 'claim' }>, entry: Entry): void {
    const { id, token, owner, keepFor, lease, over, since } = claim;
    if (this.#byToken.has(token)) return;
    const { epoch, offset, at } = since ?? { ...placeOf(entry), at: entry.publishedAt };
    const begin = { epoch, offset };
    this.#time = Math.max(this.#time, entry.publishedAt);
    const known = this.#byId.get(id) ?? [];
    // Those before the last one have lost the id to it. What is said again has won before.
    const last = known.findLast((run) => run.isBefore(begin));
    if (since === undefined && last?.holdsAgainst(begin, at, over) === true) {
      this.#byToken.set(token, undefined);
      return;
    }
    const run = new Run({ id, token, owner, keepFor, lease, begin, at }, since?.tokens);
    this.#byToken.set(token, run);
    this.#byId.set(id, [...known, run]);
    const waiting = this.#awaited.get(id) ?? [];
    this.#awaited.delete(id);
    for (const onStart of waiting) onStart(run);
    this.#observer.onStart(run);
  }

  #onToken(token: string, next: string, offset: number): void {
    const run = this.#byToken.get(token);
    const isNew = run?.tokens.every((each) => each.token !== next) === true;
    if (isNew && run.end === undefined) run.changeToken({ after: offset, token: next });
  }

  #onStop(token: string): void {
    const run = this.#byToken.get(token);
    if (run === undefined || run.end !== undefined || run.isStopping) return;
    run.isStopping = true;
    this.#observer.onStop(run);
  }

  #onEnd(entry: Entry): void {
    const end = parseEnd(entry);
    const run = end === undefined ? undefined : this.#byToken.get(end.token);
    if (end === undefined || run === undefined || run.end !== undefined) return;
    const { token: _, events, bytes, ...rest } = end;
    run.events = Math.max(run.events, events);
    run.bytes = Math.max(run.bytes, bytes);
    const toldAt = this.#log.isLoaded ? performance.now() : undefined;
    run.endWith({ ...rest, place: placeOf(entry), at: entry.publishedAt, toldAt });
    this.#observer.onEnd(run);
  }

  #serve(): void {
    const { position } = this.#log;
    const due = this.#waiting.filter(({ place }) => !isBefore(position, place));
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter(({ place }) => isBefore(position, place));
    for (const { resolve } of due) resolve();
  }
}

function placeOf({ epoch, offset }: Entry): StreamPosition {
  return { epoch, offset };
}

import type { StreamPosition } from '../log/cursor.js';
import type { Entry } from '../log/entry.js';
import type { RunToken } from './run-entry.js';

/** How a run ended: by itself, with an error, because somebody stopped it, or because its process was gone. */
export type RunEndStatus = 'done' | 'failed' | 'stopped' | 'lost';

/** The data of `event: run-end`, the last one of every run. */
export interface RunEndData {
  readonly status: RunEndStatus;
  /** Of a run that failed: what may be told to clients. */
  readonly error?: string | undefined;
}

/** What is known of a run. */
export interface RunInfo {
  readonly id: string;
  readonly status: 'live' | RunEndStatus;
  /** Of one that failed: what its clients are told. */
  readonly error?: string | undefined;
  readonly startedAt: Date;
  readonly endedAt?: Date | undefined;
  /** What it has emitted; of one that is live on another instance, a few seconds ago. */
  readonly events: number;
  /** Bytes of that: data, types and keys. */
  readonly bytes: number;
  /** The instance that it runs on. */
  readonly owner: string;
  /** Its readers on this instance. */
  readonly readers: number;
}

/** The end of a run, in its place in the log. */
export interface RunEnd extends RunEndData {
  readonly place: StreamPosition;
  /** When, in milliseconds since the Unix epoch. */
  readonly at: number;
  /** The instance that said so. */
  readonly by: string;
  /** When this instance was told, on its monotonic clock, if that was when it came: not of what it has found in the log. */
  readonly toldAt?: number | undefined;
}

/** A claim that won: who may emit under an id, from its place in the log on. */
export interface RunClaim {
  readonly id: string;
  readonly token: string;
  readonly owner: string;
  /** Milliseconds after its end. */
  readonly keepFor: number;
  /** Milliseconds of silence after which its owner is gone. */
  readonly lease: number;
  readonly begin: StreamPosition;
  /** When, in milliseconds since the Unix epoch. */
  readonly at: number;
}

/** One run, as this instance knows it from the log. */
export class Run {
  readers = 0;
  events = 0;
  bytes = 0;
  isStopping = false;
  #tokens: readonly RunToken[];
  #end: RunEnd | undefined;
  #onEnd: ((end: RunEnd | undefined) => void) | undefined;
  readonly #ended: Promise<RunEnd | undefined>;

  constructor(
    readonly claim: RunClaim,
    tokens: readonly RunToken[] = [{ after: claim.begin.offset, token: claim.token }],
  ) {
    this.#tokens = tokens;
    this.#ended = new Promise((resolve) => (this.#onEnd = resolve));
  }

  get tokens(): readonly RunToken[] {
    return this.#tokens;
  }

  /** Its entries have another token from a place on. */
  changeToken(next: RunToken): void {
    this.#tokens = [...this.#tokens, next];
  }

  get end(): RunEnd | undefined {
    return this.#end;
  }

  /** Resolves with its end when that is known; with undefined when nothing is read any more. */
  get ended(): Promise<RunEnd | undefined> {
    return this.#ended;
  }

  /** What the log says first is its end. */
  endWith(end: RunEnd): void {
    this.#end ??= end;
    this.#onEnd?.(this.#end);
  }

  /** Nothing is read of it any more. */
  abandon(): void {
    this.#onEnd?.(undefined);
  }

  /** Whether an entry of its topic is part of it: not what came of somebody else, or after its end. */
  admits({ epoch, offset, key, type }: Entry): boolean {
    const { begin } = this.claim;
    if (epoch !== begin.epoch || offset <= begin.offset) return false;
    const end = this.#end;
    if (type === 'run-end') return offset === end?.place.offset;
    if (end !== undefined && offset > end.place.offset) return false;
    return key?.startsWith(this.#tokenAt(offset)) === true;
  }

  #tokenAt(offset: number): string {
    const first = this.#tokens[0];
    if (this.#tokens.length === 1 && first !== undefined) return first.token;
    return this.#tokens.findLast(({ after }) => after < offset)?.token ?? this.claim.token;
  }

  isBefore({ epoch, offset }: StreamPosition): boolean {
    const { begin } = this.claim;
    return begin.epoch === epoch && begin.offset < offset;
  }

  /**
   * Whether it keeps its id from a claim behind it: as long as it is live, and while it can be read unless the claim names it.
   * That is asked of the log's own times, which are the same for all.
   *
   * @param at of the claim, in milliseconds since the Unix epoch
   */
  holdsAgainst({ offset }: StreamPosition, at: number, over: string | undefined): boolean {
    if (this.#end === undefined || this.#end.place.offset > offset) return true;
    return this.claim.token !== over && !this.isExpired(at);
  }

  /**
   * Whether it can no longer be read, by the times that the log has.
   *
   * @param at in milliseconds since the Unix epoch
   */
  isExpired(at: number): boolean {
    return this.#end !== undefined && at - this.#end.at > this.claim.keepFor;
  }

  /** The same on this instance. Its clock may be set, or be another than the log's: nothing depends on that which need not. */
  get isExpiredHere(): boolean {
    const toldAt = this.#end?.toldAt;
    if (toldAt === undefined) return this.isExpired(Date.now());
    return performance.now() - toldAt > this.claim.keepFor;
  }

  get info(): RunInfo {
    const { id, owner, at } = this.claim;
    const end = this.#end;
    return Object.freeze({
      id,
      status: end?.status ?? 'live',
      ...(end?.error !== undefined && { error: end.error }),
      startedAt: new Date(at),
      ...(end !== undefined && { endedAt: new Date(end.at) }),
      events: this.events,
      bytes: this.bytes,
      owner,
      readers: this.readers,
    });
  }
}

import { type BodyWriter, bodyWriter } from './body-writer.js';
import type { HttpResponse } from './http.js';
import type { JoinedFramesCache } from './joined-frames.js';

/** Bounds of what waits for one client, in bytes. */
export interface OutboxLimits {
  readonly highWaterMark: number;
  readonly maxBuffered: number;
}

/** The frames that wait for one client, written together, once a turn. */
export class Outbox {
  readonly #response: HttpResponse;
  readonly #cache: JoinedFramesCache;
  readonly #limits: OutboxLimits;
  readonly #onTaken: () => void;
  #writer: BodyWriter | undefined;
  #frames: Buffer[] = [];
  #waiting = 0;
  #sent = 0;
  /** Writes that crossed the high-water mark and were not yet taken. */
  #crossings = 0;

  /** @param onTaken called when a client that was behind has taken what it was behind with */
  constructor(
    response: HttpResponse,
    cache: JoinedFramesCache,
    limits: OutboxLimits,
    onTaken: () => void,
  ) {
    this.#response = response;
    this.#cache = cache;
    this.#limits = limits;
    this.#onTaken = onTaken;
  }

  /** Bytes written for this client. */
  get sent(): number {
    return this.#sent;
  }

  get isEmpty(): boolean {
    return this.#frames.length === 0;
  }

  /** Whether the client has yet to take what crossed the high-water mark. */
  get isBehind(): boolean {
    return this.#crossings > 0;
  }

  get isReady(): boolean {
    return this.#crossings === 0 && this.#waiting < this.#limits.highWaterMark;
  }

  /** Whether so much waits that it should go out before the turn ends, and the kernel may take it. */
  get isFull(): boolean {
    const { highWaterMark } = this.#limits;
    return this.#waiting >= highWaterMark && (this.#writer?.unsent ?? 0) < highWaterMark;
  }

  get isOverflowing(): boolean {
    return this.#crossings > 0 && this.#waiting > this.#limits.maxBuffered;
  }

  push(frame: Buffer): void {
    this.#frames.push(frame);
    this.#waiting += frame.length;
  }

  /** For the first frame of all, which may find messages that were emitted before there were headers. */
  pushFirst(frame: Buffer): void {
    this.#frames.unshift(frame);
    this.#waiting += frame.length;
  }

  /** Writes what waits. The headers are out. */
  flush(): void {
    if (this.#frames.length === 0) return;
    const joined = this.#cache.join(this.#frames);
    const length = this.#waiting;
    this.#frames = [];
    this.#waiting = 0;
    this.#sent += length;
    this.#writer ??= bodyWriter(this.#response);
    // 'drain' is about the socket's own mark; the callback of the write that crosses ours is about ours.
    const crosses = this.#writer.unsent + length >= this.#limits.highWaterMark;
    if (!crosses) {
      this.#writer.write(joined, undefined);
      return;
    }
    this.#crossings++;
    this.#writer.write(joined, () => {
      if (--this.#crossings === 0) this.#onTaken();
    });
  }
}

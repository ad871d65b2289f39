import { type BodyWriter, bodyWriter } from './body-writer.js';
import type { HttpResponse } from './http.js';
import type { JoinedFrames, JoinedFramesCache } from './joined-frames.js';

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
  #waiting: JoinedFrames | undefined;
  #sent = 0;
  /** Writes that crossed the high-water mark and were not yet taken. */
  #crossings = 0;
  #queued = 0;

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

  /** Whether something was written: then the headers are out. */
  get hasBegun(): boolean {
    return this.#writer !== undefined;
  }

  get isEmpty(): boolean {
    return this.#waiting === undefined;
  }

  /** Whether the client has yet to take what crossed the high-water mark. */
  get isBehind(): boolean {
    return this.#crossings > 0;
  }

  get isReady(): boolean {
    return this.#crossings === 0 && this.#length < this.#limits.highWaterMark;
  }

  /** Whether so much waits that it should go out before the turn ends, and the kernel may take it. */
  get isFull(): boolean {
    const { highWaterMark } = this.#limits;
    return this.#length >= highWaterMark && (this.#writer?.unsent ?? 0) < highWaterMark;
  }

  get isOverflowing(): boolean {
    return this.#crossings > 0 && this.#length > this.#limits.maxBuffered;
  }

  /** Whether the client has taken anything since this was last asked. */
  hasMoved(): boolean {
    const before = this.#queued;
    this.#queued = this.#writer?.queued ?? 0;
    return this.#queued !== before;
  }

  push(frame: Buffer): void {
    this.#waiting = this.#cache.join(this.#waiting, frame);
  }

  /** For the first frame of all, which may find messages that were emitted before there were headers. */
  pushFirst(frame: Buffer): void {
    const emitted: Buffer[] = [];
    for (let at = this.#waiting; at !== undefined; at = at.before) emitted.push(at.frame);
    this.#waiting = undefined;
    this.push(frame);
    for (const later of emitted.reverse()) this.push(later);
  }

  /** Writes what waits. The headers are out. */
  flush(): void {
    const frames = this.#waiting;
    if (frames === undefined) return;
    this.#waiting = undefined;
    this.#sent += frames.length;
    this.#writer ??= bodyWriter(this.#response);
    // 'drain' is about the socket's own mark; the callback of the write that crosses ours is about ours.
    const crosses = this.#writer.unsent + frames.length >= this.#limits.highWaterMark;
    if (!crosses) {
      this.#writer.write(frames, undefined);
      return;
    }
    this.#crossings++;
    this.#writer.write(frames, () => {
      if (--this.#crossings === 0) this.#onTaken();
    });
  }

  /** Bytes that wait to be written. */
  get #length(): number {
    return this.#waiting?.length ?? 0;
  }
}

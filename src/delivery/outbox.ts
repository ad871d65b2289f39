import type { ServerResponse } from 'node:http';
import type { ExceptedClients } from '../log/entry.js';
import type { Outlet } from '../reader/sink.js';
import type { JoinedFrames, JoinedFramesCache } from '../wire/joined-frames.js';
import { type BodyTarget, leastProgressOf, mayWriteToSocket } from './body-target.js';
import type { HttpResponse } from './http.js';

/** Bounds of what waits for one client, in bytes. */
export interface OutboxLimits {
  readonly highWaterMark: number;
  readonly maxBuffered: number;
}

/** Whose frames they are. */
export interface OutboxOwner {
  /** Bytes that the kernel has taken so far, or 0: see `NestPort`. */
  readonly taken: number;
  /** The client was behind, and has taken what it was behind with. */
  schedule(): void;
  isExcepted(except: ExceptedClients): boolean;
  /** Somebody has ended the response. */
  end(reason: 'complete'): void;
}

/** The frames that wait for one client, written together, once a turn. */
export class Outbox implements Outlet {
  #waiting: JoinedFrames | undefined;
  /** Decided once, when the headers are out. */
  #target: BodyTarget | undefined;
  #isChunked = false;
  /** Writes that crossed the high-water mark and were not yet taken. */
  #crossings = 0;
  #sent = 0;
  #isClosed = false;
  readonly #limits: OutboxLimits;
  readonly #cache: JoinedFramesCache;
  readonly #response: HttpResponse;
  readonly #owner: OutboxOwner;
  /** What the kernel had taken, and what waited, when the client was last seen to take something. */
  #taken = 0;
  #leftThen = 0;

  constructor(
    response: HttpResponse,
    cache: JoinedFramesCache,
    limits: OutboxLimits,
    owner: OutboxOwner,
  ) {
    this.#response = response;
    this.#cache = cache;
    this.#limits = limits;
    this.#owner = owner;
  }

  /** Bytes written for this client. */
  get sent(): number {
    return this.#sent;
  }

  /** Whether something was written: then the headers are out. */
  get hasBegun(): boolean {
    return this.#target !== undefined;
  }

  /** Whether bytes go to the socket, past the response. */
  get writesToSocket(): boolean {
    return this.#isChunked;
  }

  get isEmpty(): boolean {
    return this.#waiting === undefined;
  }

  isClear(): boolean {
    return (
      this.#crossings === 0 &&
      this.#waiting === undefined &&
      this.#target !== undefined &&
      !this.#isClosed
    );
  }

  isExcepted(except: ExceptedClients): boolean {
    return this.#owner.isExcepted(except);
  }

  /** Whether the client has yet to take what crossed the high-water mark. */
  get isBehind(): boolean {
    return this.#crossings > 0;
  }

  /** Bytes that may come until it is enough; none for a client that is behind, or that has its all. */
  get room(): number {
    return this.#crossings > 0 || this.#isClosed ? 0 : this.#limits.highWaterMark - this.#length;
  }

  /** Whether so much waits that it should go out before the turn ends, and the kernel may take it. */
  get isFull(): boolean {
    const { highWaterMark } = this.#limits;
    return this.#length >= highWaterMark && (this.#target?.writableLength ?? 0) < highWaterMark;
  }

  /** Whether more waits than may wait for a client that cannot be written to. */
  get isOverflowing(): boolean {
    return this.#length > this.#limits.maxBuffered;
  }

  /** Whether the client has taken anything since this was last true. */
  hasMoved(): boolean {
    const { taken } = this.#owner;
    const left = this.#response.writableLength;
    const isMore = taken - this.#taken >= leastProgressOf(this.#response);
    if (!isMore && left === this.#leftThen) return false;
    this.#taken = taken;
    this.#leftThen = left;
    return true;
  }

  /** Nothing is written any more. */
  close(): void {
    this.#isClosed = true;
    this.#waiting = undefined;
  }

  /** Writes a frame though it is closed: the response is not over yet. */
  writeLate(frame: Buffer): void {
    this.#write(this.#cache.join(undefined, frame));
  }

  push(frame: Buffer): void {
    if (!this.#isClosed) this.#waiting = this.#cache.join(this.#waiting, frame);
  }

  /** For the first frame of all, which may find messages that were emitted before there were headers. */
  pushFirst(frame: Buffer): void {
    const emitted = this.#waiting?.frames ?? [];
    this.#waiting = undefined;
    for (const each of [frame, ...emitted]) this.push(each);
  }

  /**
   * Writes at once, if nothing waits that has to go before. What waits is kept by an old object, which the
   * garbage collector has to be told of each time: that costs more than all the rest of this.
   */
  send(frames: JoinedFrames): void {
    if (this.#isClosed) return;
    this.#cache.delivered += frames.count;
    if (this.#target !== undefined && this.#waiting === undefined) this.#write(frames);
    else for (const frame of frames.frames) this.push(frame);
  }

  /** Writes what waits. The headers are out. */
  flush(): void {
    const frames = this.#waiting;
    if (frames === undefined) return;
    this.#waiting = undefined;
    this.#write(frames);
  }

  #write(frames: JoinedFrames): void {
    const target = this.#target ?? this.#choose();
    // Nothing may come after the end of a response, whoever ended it.
    if (!this.#isChunked && this.#response.writableEnded) {
      this.#owner.end('complete');
      return;
    }
    this.#sent += frames.length;
    const bytes = this.#isChunked ? frames.chunk : frames.body;
    // 'drain' is about the socket's own mark; the callback of the write that crosses ours is about ours.
    if (target.writableLength + frames.length >= this.#limits.highWaterMark) {
      this.#crossings++;
      target.write(bytes, () => this.#onTaken());
    } else {
      target.write(bytes);
    }
  }

  /** Straight to the socket if nobody can notice, through the response otherwise. */
  #choose(): BodyTarget {
    const response = this.#response;
    this.#isChunked = mayWriteToSocket(response) && !response.writableEnded;
    if (!this.#isChunked) return (this.#target = response as ServerResponse);
    // Told within the call that ends it, so that looking before each write can be spared.
    response.on('prefinish', () => this.#owner.end('complete'));
    return (this.#target = response.socket as BodyTarget);
  }

  #onTaken(): void {
    if (--this.#crossings === 0 && !this.#isClosed) this.#owner.schedule();
  }

  /** Bytes that wait to be written. */
  get #length(): number {
    return this.#waiting?.length ?? 0;
  }
}

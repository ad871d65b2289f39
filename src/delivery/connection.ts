import type { Reader } from '../bus/reader.js';
import type { Outlet, Output, Seat } from '../bus/sink.js';
import type { SseEvent } from '../log/event.js';
import type { Task } from '../log/turn.js';
import { encodeFrame } from '../wire/frame.js';
import type { ConnectionInfo, EndReason } from './connection-info.js';
import type { Delivery } from './delivery.js';
import { destroy, type HttpResponse, isGone, tellHeartbeat } from './http.js';
import { Intake } from './intake.js';
import type { Completion, Opening } from './opening.js';
import { Outbox } from './outbox.js';

const HEARTBEAT = encodeFrame({ comment: '' });

/**
 * One SSE response. It gives its reader a place to write to and says when there is room; it writes once a
 * turn; and it ends once, for one reason.
 */
export class Connection implements Seat, Task {
  reader: Reader | undefined;
  #reason: EndReason | undefined;
  #isOpen = false;
  #isBeatDue = false;
  #isRunning = false;
  readonly #outbox: Outbox;
  queued = false;
  readonly #delivery: Delivery;
  /** When something was last seen to be written; while behind, when the client last took anything. */
  #lastWriteAt: number;
  /** Bytes that had been written then. */
  #sentBefore = 0;
  readonly id: number;
  readonly intake = new Intake(this);
  readonly #opening: Opening;
  readonly #since: number;
  readonly #endsAt: number | undefined;
  #completion: Completion | undefined;

  constructor(id: number, opening: Opening, delivery: Delivery) {
    this.id = id;
    this.#opening = opening;
    this.#delivery = delivery;
    const { maxLifetime } = delivery.options;
    this.#outbox = new Outbox(opening.response, delivery.cache, delivery.options, this);
    this.#since = this.#lastWriteAt = delivery.now;
    // Clients that came together do not have to leave together.
    if (maxLifetime !== false)
      this.#endsAt = this.#since + Math.round(maxLifetime * (1 - Math.random() / 10));
    opening.gate.divert(this.intake);
  }

  get lastEventId(): string | undefined {
    return this.#opening.lastEventId;
  }

  get isEnded(): boolean {
    return this.#reason !== undefined;
  }

  get outlet(): Outlet {
    return this.#outbox;
  }

  get room(): number {
    return this.#reason === undefined ? this.#outbox.room : 0;
  }

  /** Whether Nest has finished its part of the response. */
  get isOurs(): boolean {
    return this.#isOpen && this.#completion === undefined;
  }

  get response(): HttpResponse {
    return this.#opening.response;
  }

  get info(): ConnectionInfo {
    return {
      id: this.id,
      route: this.#opening.route,
      remoteAddress: this.#opening.remoteAddress,
      topics: this.reader?.topics ?? [],
      since: new Date(performance.timeOrigin + this.#since),
      bytes: this.#outbox.sent,
      isBehind: this.#outbox.isBehind,
    };
  }

  attach(completion: Completion): void {
    this.#completion = completion;
  }

  behind(subscriber: object): Output | undefined {
    return this.intake.behind(subscriber, this.#delivery.layers);
  }

  schedule(): void {
    if (this.#reason === undefined) this.#delivery.turn.add(this);
  }

  run(): void {
    if (this.isEnded) return;
    this.#isRunning = true;
    this.reader?.read();
    this.#isRunning = false;
    if (this.#reason !== undefined || this.#outbox.isBehind) return;
    if (!this.#isOpen && !this.#outbox.isEmpty) this.#open(undefined);
    if (this.#isBeatDue) this.#beat();
    this.#flush();
  }

  begin(id: string | undefined): void {
    if (this.#isOpen) {
      if (id !== undefined) this.#outbox.push(encodeFrame({ id }));
    } else {
      this.#open(id);
    }
  }

  write(frame: Buffer): void {
    if (this.#reason !== undefined) return;
    this.#outbox.push(frame);
    if (this.#outbox.isFull) this.#flush();
    if (this.#outbox.isOverflowing) this.end('overflow');
    if (!this.#isRunning) this.schedule();
  }

  announce(_gap: SseEvent, frame: Buffer): void {
    this.write(frame);
  }

  /** Writes what comes after the end of what the handler emits, while the response is still there. */
  writeLate(frame: Buffer): void {
    const { response } = this;
    if (!response.headersSent || response.writableEnded || isGone(response)) return;
    this.#outbox.push(frame);
    this.#outbox.flush();
  }

  /** The Observable failed: before anything went out Nest can still answer, later the client is told. */
  fail(error: unknown): void {
    if (this.#reason !== undefined) return;
    this.reader?.end();
    if (!this.#isOpen && this.#outbox.isEmpty) {
      this.#finish('error');
      this.#completion?.error(error);
      return;
    }
    this.write(this.#delivery.exceptionFrame(error));
    this.end('error');
  }

  /** Ends the response: what waits goes out first, unless the client does not take it. */
  end(reason: EndReason): void {
    if (this.#reason !== undefined) return;
    this.reader?.end();
    const isHopeless = reason === 'stalled' || reason === 'overflow' || reason === 'client';
    if (!isHopeless && !this.response.writableEnded) {
      if (!this.#isOpen) this.#open(undefined, reason);
      this.#flush();
    }
    if (this.isEnded) return;
    this.#finish(reason);
    if (isHopeless) destroy(this.response);
    if (this.isOurs) {
      this.#opening.gate.end();
      this.intake.close();
    }
    this.#completion?.complete();
  }

  /** Looks at the clock, on behalf of all the timers that a connection would need. */
  tick(now: number): void {
    const { openTimeout, stallTimeout, heartbeatInterval } = this.#delivery.options;
    const { sent } = this.#outbox;
    if (sent !== this.#sentBefore) this.#lastWriteAt = now;
    this.#sentBefore = sent;
    const quiet = now - this.#lastWriteAt;
    if (this.#endsAt !== undefined && now >= this.#endsAt) {
      this.end('lifetime');
    } else if (!this.#isOpen) {
      if (quiet >= openTimeout) this.#open(undefined);
      this.#flush();
    } else if (this.#outbox.isBehind) {
      if (this.#outbox.hasMoved()) this.#lastWriteAt = now;
      else if (stallTimeout !== false && quiet >= stallTimeout) this.end('stalled');
    } else if (heartbeatInterval !== false && quiet >= heartbeatInterval) {
      this.#isBeatDue = true;
      this.schedule();
    }
  }

  warn(message: string, error: unknown): void {
    this.#delivery.warn(message, error);
  }

  #open(id: string | undefined, ending?: EndReason): void {
    tellHeartbeat(this.response, this.#delivery.options.heartbeatInterval);
    try {
      this.#opening.gate.commit();
    } catch (error) {
      this.#finish('error');
      this.#completion?.error(error);
      return;
    }
    this.#isOpen = true;
    const retry = this.#delivery.drawRetry(ending);
    if (retry === undefined && id === undefined) return;
    this.#outbox.pushFirst(encodeFrame({ retry, id }));
  }

  #beat(): void {
    this.#isBeatDue = false;
    if (!this.#outbox.isEmpty) return;
    const id = this.reader?.heartbeat();
    this.#outbox.push(id === undefined ? HEARTBEAT : encodeFrame({ id }));
  }

  #flush(): void {
    if (!this.#isOpen || this.#outbox.isEmpty) return;
    if (!this.#outbox.hasBegun && !this.response.headersSent) {
      // Without a gate it is Nest that sends the headers, within a macrotask or two.
      setTimeout(() => this.schedule(), 1).unref();
      return;
    }
    const isFirst = !this.#outbox.hasBegun;
    this.#outbox.flush();
    if (isFirst && this.intake.isDirect && this.#opening.isOutermost) this.#takeOver();
  }

  /** Nothing comes from Nest any more: it need not wait for the end. */
  #takeOver(): void {
    const completion = this.#completion;
    // A response that waits for its turn, or shares its socket, is looked after by Nest.
    if (!this.#outbox.isPlain || !this.#delivery.takesOver || completion === undefined) return;
    this.#completion = undefined;
    this.#opening.gate.takeOver(() => completion.complete());
    // Some other Nest that ends it all the same has cost this client a reconnect, and costs no other any.
    if (this.response.writableEnded) this.#delivery.takesOver = false;
  }

  #finish(reason: EndReason): void {
    this.#reason = reason;
    this.#delivery.onEnd(this, reason);
  }
}

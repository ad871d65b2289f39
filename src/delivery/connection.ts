import type { Reader } from '../bus/reader.js';
import type { Seat } from '../bus/sink.js';
import type { SseEvent } from '../log/event.js';
import type { Task } from '../log/turn.js';
import { encodeFrame } from '../wire/frame.js';
import { toFields } from '../wire/message.js';
import type { ConnectionInfo, EndReason } from './connection-info.js';
import type { Delivery } from './delivery.js';
import { destroy, type HttpResponse, isGone } from './http.js';
import type { Completion, Opening } from './opening.js';
import { Outbox } from './outbox.js';

const HEARTBEAT = encodeFrame({ comment: '' });

/**
 * One SSE response. It gives its reader a place to write to and says when there is room; it writes once a
 * turn; and it ends once, for one reason.
 */
export class Connection implements Seat, Task {
  queued = false;
  reader: Reader | undefined;
  readonly isSilent = false;
  readonly id: number;
  readonly #opening: Opening;
  readonly #delivery: Delivery;
  readonly #outbox: Outbox;
  readonly #since = Date.now();
  #completion: Completion | undefined;
  #reason: EndReason | undefined;
  #isOpen = false;
  #isBeatDue = false;
  #isRunning = false;
  /** While behind, when the client last took anything: nothing is written then. */
  #lastWriteAt: number;
  #endsAt = Infinity;

  constructor(id: number, opening: Opening, delivery: Delivery) {
    this.id = id;
    this.#opening = opening;
    this.#delivery = delivery;
    const { maxLifetime } = delivery.options;
    this.#outbox = new Outbox(opening.response, delivery.cache, delivery.options, () =>
      this.schedule(),
    );
    this.#lastWriteAt = delivery.now;
    // Clients that came together do not have to leave together.
    if (maxLifetime !== false) this.#endsAt = delivery.now + maxLifetime * (1 - Math.random() / 10);
    opening.gate.divert((message) => this.takeFromOutside(message));
  }

  get lastEventId(): string | undefined {
    return this.#opening.lastEventId;
  }

  get isEnded(): boolean {
    return this.#reason !== undefined;
  }

  get isReady(): boolean {
    return this.#reason === undefined && this.#outbox.isReady;
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
      since: new Date(this.#since),
      bytes: this.#outbox.sent,
      isBehind: this.#outbox.isBehind,
    };
  }

  attach(completion: Completion): void {
    this.#completion = completion;
  }

  schedule(): void {
    if (this.#reason === undefined) this.#delivery.turn.add(this);
  }

  run(): void {
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

  /** Takes what the handler's Observable emitted, after all interceptors within ours. */
  take(message: unknown): void {
    if (this.#reason !== undefined || message === undefined) return;
    if (this.reader !== undefined) {
      this.reader.take(message);
      return;
    }
    const frame = this.#encode(message);
    if (frame !== undefined) this.write(frame);
  }

  /** Takes what an interceptor further out emitted, which may go on when the handler's Observable has ended. */
  takeFromOutside(message: unknown): void {
    const { response } = this;
    if (this.#reason === undefined) {
      this.take(message);
    } else if (response.headersSent && !response.writableEnded && !isGone(response)) {
      const frame = this.#encode(message);
      if (frame === undefined) return;
      this.#outbox.push(frame);
      this.#outbox.flush();
    }
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
    this.#completion?.complete();
  }

  /** Looks at the clock, on behalf of all the timers that a connection would need. */
  tick(now: number): void {
    const { openTimeout, stallTimeout, heartbeatInterval } = this.#delivery.options;
    const quiet = now - this.#lastWriteAt;
    if (now >= this.#endsAt) {
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

  #encode(message: unknown): Buffer | undefined {
    try {
      const fields = toFields(message);
      // Ids of a client that reads the log are places in the log.
      return encodeFrame(this.reader === undefined ? fields : { ...fields, id: undefined });
    } catch (error) {
      this.#delivery.warn('A message was dropped: its data is not what JSON can hold', error);
      return undefined;
    }
  }

  #open(id: string | undefined, ending?: EndReason): void {
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
    this.#lastWriteAt = this.#delivery.now;
    // Somebody may have ended the response without asking us: nothing may come after its end.
    if (this.response.writableEnded) this.end('complete');
    else this.#outbox.flush();
  }

  #finish(reason: EndReason): void {
    this.#reason = reason;
    this.#delivery.onEnd(this, reason);
  }
}

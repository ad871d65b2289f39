import type { Reader } from '../reader/reader.js';
import type { Outlet, Output, ConnectionPort } from '../reader/sink.js';
import type { SseEvent } from '../log/event.js';
import { isOfLog } from '../log/stray-event.js';
import type { Task } from '../log/turn-scheduler.js';
import { encodeFrame } from '../wire/frame.js';
import type { ConnectionInfo, EndReason } from './connection-info.js';
import type { Connections } from './connections.js';
import { destroy, type HttpResponse, isGone } from './http.js';
import { HandlerObserver } from './handler-observer.js';
import type { NestObserver, OpenRequest } from './open-request.js';
import type { ConnectionOptions } from './options.js';
import { Outbox } from './outbox.js';

const HEARTBEAT = encodeFrame({ comment: '' });

/**
 * One SSE response. It gives its reader a place to write to and says when there is room; it writes once a
 * turn; and it ends once, for one reason.
 */
export class Connection implements ConnectionPort, Task {
  reader: Reader | undefined;
  #reason: EndReason | undefined;
  /** Why it ends as soon as Nest has sent the headers. */
  #ending: EndReason | undefined;
  #isOpen = false;
  #isBeatDue = false;
  #isRunning = false;
  readonly #outbox: Outbox;
  queued = false;
  readonly #connections: Connections;
  /** When something was last seen to be written; while behind, when the client last took anything. */
  #lastWriteAt: number;
  /** Bytes that had been written then. */
  #sentBefore = 0;
  readonly id: number;
  readonly handler = new HandlerObserver(this);
  readonly #request: OpenRequest;
  readonly #since: number;
  readonly #endsAt: number | undefined;
  #nest: NestObserver | undefined;

  constructor(id: number, opening: OpenRequest, delivery: Connections) {
    this.id = id;
    this.#request = opening;
    this.#connections = delivery;
    const { maxLifetime } = opening.options;
    this.#outbox = new Outbox(opening.response, delivery.cache, opening.options, this);
    this.#since = this.#lastWriteAt = delivery.now;
    // Clients that came together do not have to leave together.
    if (maxLifetime !== false)
      this.#endsAt = this.#since + Math.round(maxLifetime * (1 - Math.random() / 10));
    opening.gate.divert(this.handler);
  }

  get lastEventId(): string | undefined {
    return this.#request.lastEventId;
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
    return this.#isOpen && this.#nest === undefined;
  }

  get options(): ConnectionOptions {
    return this.#request.options;
  }

  get response(): HttpResponse {
    return this.#request.response;
  }

  get info(): ConnectionInfo {
    return {
      id: this.id,
      route: this.#request.route,
      remoteAddress: this.#request.remoteAddress,
      topics: this.reader?.topics ?? [],
      since: new Date(performance.timeOrigin + this.#since),
      bytes: this.#outbox.sent,
      isBehind: this.#outbox.isBehind,
    };
  }

  attach(completion: NestObserver): void {
    this.#nest = completion;
  }

  directOutputFor(subscriber: object): Output | undefined {
    return this.handler.directOutputFor(subscriber, this.#connections.chain);
  }

  schedule(): void {
    if (this.#reason === undefined) this.#connections.turn.add(this);
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
      this.#nest?.error(error);
      return;
    }
    this.write(this.#connections.exceptionFrame(error));
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
      if (this.#isAwaitingHeaders) {
        this.#ending = reason;
        return;
      }
    }
    if (this.isEnded) return;
    this.#finish(reason);
    if (isHopeless) destroy(this.response);
    if (this.isOurs) {
      this.#request.gate.end();
      this.handler.close();
    }
    this.#nest?.complete();
  }

  /** Looks at the clock, on behalf of all the timers that a connection would need. */
  tick(now: number): void {
    const { openTimeout, stallTimeout, heartbeatInterval } = this.options;
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

  /** Whether the client may be told the id that a message brings, past a reader or without one. */
  takesId(message: unknown, id: string): boolean {
    // Ids of a client that reads the log are places in the log, and its reader tells them.
    if (this.reader !== undefined) return false;
    if (!isOfLog(message, id, this.#connections.log)) return true;
    this.#connections.onStray();
    return false;
  }

  warn(message: string, error: unknown): void {
    this.#connections.warn(message, error);
  }

  /** Whether something waits for Nest to send the headers, where there is no gate to send them ourselves. */
  get #isAwaitingHeaders(): boolean {
    const { response } = this;
    return !this.isEnded && !this.#outbox.isEmpty && !response.headersSent && !isGone(response);
  }

  #open(id: string | undefined, ending?: EndReason): void {
    try {
      this.#request.gate.commit();
    } catch (error) {
      this.#finish('error');
      this.#nest?.error(error);
      return;
    }
    this.#isOpen = true;
    const retry = this.#connections.drawRetry(this.options, ending);
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
      setTimeout(() => {
        if (this.#ending === undefined) this.schedule();
        else this.end(this.#ending);
      }, 1).unref();
      return;
    }
    const isFirst = !this.#outbox.hasBegun;
    this.#outbox.flush();
    if (isFirst && this.handler.isDirect && this.#request.isOutermost) this.#takeOver();
  }

  /** Nothing comes from Nest any more: it need not wait for the end. */
  #takeOver(): void {
    const completion = this.#nest;
    // A response that waits for its turn, or shares its socket, is looked after by Nest.
    if (!this.#outbox.writesToSocket || !this.#connections.takesOver || completion === undefined)
      return;
    this.#nest = undefined;
    this.#request.gate.takeOver(() => completion.complete());
    // Some other Nest that ends it all the same has cost this client a reconnect, and costs no other any.
    if (this.response.writableEnded) this.#connections.takesOver = false;
  }

  #finish(reason: EndReason): void {
    this.#reason = reason;
    this.#connections.onEnd(this, reason);
  }
}

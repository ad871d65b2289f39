import type { Reader } from '../reader/reader.js';
import type { ConnectionPort, Dialect, Outlet, Output, ResumeOutcome } from '../reader/sink.js';
import type { ExceptedClients } from '../log/entry.js';
import type { SseEvent } from '../log/event.js';
import type { Task } from '../log/turn-scheduler.js';
import { encodeFrame } from '../wire/frame.js';
import { ConnectionClock } from './connection-clock.js';
import { type ConnectionInfo, type EndReason, infoOf } from './connection-info.js';
import type { Connections } from './connections.js';
import { farewellFrame, refusal } from './farewell.js';
import {
  asksAsEventSource,
  breakOff,
  destroy,
  type HttpResponse,
  isGone,
  tell,
  tellHeartbeat,
  needsEventWithId,
} from './http.js';
import { HandlerObserver } from './handler-observer.js';
import { ClientIdentity, NO_TAGS } from './identity.js';
import type { NestObserver, OpenRequest } from './open-request.js';
import type { ConnectionOptions } from './options.js';
import { isMeant, type OrderInLog, precedes } from './orders.js';
import { Outbox } from './outbox.js';

const HEARTBEAT = encodeFrame({ comment: '' });
/** Nobody listens to it: it is for the id that comes with it. */
const CURSOR_EVENT = 'sse-cursor';

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
  #wasOpened = false;
  /** Why it ends in its next turn, and reads nothing before: it has opened a topic that it may not. */
  #ordered: EndReason | undefined;
  /** Whether it ends as soon as it has read what is there. */
  #isLeaving = false;
  readonly #outbox: Outbox;
  queued = false;
  readonly #connections: Connections;
  readonly #number: number;
  #identity: ClientIdentity | undefined;
  #isAdmitted = false;
  readonly handler: HandlerObserver;
  readonly #request: OpenRequest;
  readonly #clock: ConnectionClock;
  #nest: NestObserver | undefined;
  /** Undefined for the one of EventSource. */
  #dialect: Dialect | undefined;

  constructor(number: number, request: OpenRequest, connections: Connections) {
    this.#number = number;
    this.#request = request;
    this.#connections = connections;
    this.handler = new HandlerObserver(this, connections);
    this.#outbox = new Outbox(request.response, connections.cache, request.options, this);
    this.#clock = new ConnectionClock(connections.now, request.options);
    request.gate.divert(this.handler);
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
    return (this.#reason ?? this.#ordered) ? 0 : this.#outbox.room;
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

  /** Bytes of `text/event-stream` written. */
  get bytes(): number {
    return this.#outbox.sent;
  }

  /** Whether the client has yet to take what passed the high-water mark. */
  get isBehind(): boolean {
    return this.#outbox.isBehind;
  }

  get taken(): number {
    return this.#connections.nest.takenOf(this.response);
  }

  get info(): ConnectionInfo {
    return infoOf(
      this.id,
      this.#identity,
      this.#request,
      this.#clock.since,
      this.reader,
      this.#outbox,
    );
  }

  /** See `ConnectionInfo.id`; made when it is asked for, as most are never. */
  get id(): string {
    return `${this.#connections.instance}-${this.#number}`;
  }

  /** Milliseconds since it began. */
  get age(): number {
    return performance.now() - this.#clock.since;
  }

  /** Whose it is, if that was said. */
  get owner(): string | undefined {
    return this.#identity?.owner;
  }

  get tags(): readonly string[] {
    return this.#identity?.tags ?? NO_TAGS;
  }

  /** See `ConnectionInfo.topics`. */
  get topics(): readonly string[] {
    return this.reader?.topics ?? [];
  }

  get remoteAddress(): string {
    return this.#request.remoteAddress;
  }

  /** Whether it was said whose it is. */
  get isIdentified(): boolean {
    return this.#identity !== undefined;
  }

  /** Whether the client was told that its stream is open. */
  get wasOpened(): boolean {
    return this.#wasOpened;
  }

  /**
   * Says who is at the other end, as far as it was not said before; what was ordered for them meanwhile is done.
   *
   * @param source who said it, for messages
   * @throws SseError `BAD_OPTION`
   */
  identify(identity: unknown, source: string): void {
    (this.#identity ??= new ClientIdentity()).add(identity, source);
    this.#endIfOrdered();
    if (this.#isAdmitted) this.#connections.limits?.admit(this);
    this.onTopics();
  }

  /** Who opens a stream is in the middle of something: it ends for that in a turn of its own. */
  onTopics(joined?: readonly string[]): void {
    if (joined !== undefined) {
      const { topicOrders } = this.#connections;
      this.#ordered ??= topicOrders.reasonToEnd(this.#request.arrival, joined);
    }
    if (this.#ordered === undefined) this.#connections.attendance?.update(this);
  }

  /** Whether the handler is to be asked: not for a client that left, was closed meanwhile, or has expired. */
  admit(): boolean {
    if (this.#identity?.isExpiredAt(Date.now()) === true) this.end('expired');
    else this.#endIfOrdered();
    this.#isAdmitted = true;
    this.#connections.limits?.admit(this);
    return !this.isEnded;
  }

  isExcepted({ connection, owner }: ExceptedClients): boolean {
    if (owner !== undefined && this.#identity?.owner === owner) return true;
    return connection !== undefined && connection === this.id;
  }

  /** Ends it if an order means it, and it was opened before: with what came before the order, which is what is there now. */
  obey(order: OrderInLog): void {
    if (!precedes(this.#request.arrival, order) || !isMeant(order, this.info)) return;
    this.run();
    this.end(order.reason);
  }

  /** It may have come after an order that was given after its guards had let it in. */
  #endIfOrdered(): void {
    if (this.isEnded) return;
    const { orders } = this.#connections;
    const reason = orders.reasonToEnd(this.#request.arrival, () => this.info);
    if (reason !== undefined) this.end(reason);
  }

  speak(dialect: Dialect): void {
    this.#dialect = dialect;
  }

  attach(nest: NestObserver): void {
    this.#nest = nest;
  }

  directOutputFor(subscriber: object): Output | undefined {
    return this.handler.directOutputFor(subscriber);
  }

  schedule(): void {
    if (this.#reason === undefined) this.#connections.turn.add(this);
  }

  run(): void {
    // Of what it streams nothing was known before.
    if (!this.#isOpen) this.#endIfOrdered();
    if (this.#ordered !== undefined) this.end(this.#ordered);
    if (this.isEnded) return;
    this.#isRunning = true;
    this.reader?.read();
    this.#isRunning = false;
    if (this.#reason !== undefined || this.#outbox.isBehind) return;
    if (this.#isOpen) this.#tellPlace();
    else if (!this.#outbox.isEmpty) this.#open(this.#takePlace());
    if (this.#isBeatDue) this.#beat();
    this.#flush();
    this.handler.resume();
    if (this.#isLeaving) this.leave();
  }

  /** Ends for the drain: now if it has read everything, else when it has. */
  leave(): void {
    this.#isLeaving = true;
    if (!this.#outbox.isBehind && !this.queued) this.end('drain');
  }

  begin(id: string | undefined): void {
    if (this.#isOpen) {
      if (id !== undefined) this.#outbox.push(this.#frameOf(id));
    } else if (this.#reason === undefined) {
      this.#open(id);
    }
  }

  write(frame: Buffer): void {
    if (this.#reason !== undefined) return;
    this.#connections.cache.delivered++;
    this.#push(frame);
  }

  #push(frame: Buffer): void {
    this.#outbox.push(frame);
    if (this.#outbox.isFull) {
      // Streams may have yet to join, so that no place is known.
      if (!this.#isOpen) this.#open(undefined);
      this.#flush();
    }
    // Before the headers nothing bounds a handler's Observable; a reader has its room.
    const mayWait = this.#outbox.hasBegun || this.#isRunning;
    if ((this.#outbox.isBehind || !mayWait) && this.#outbox.isOverflowing) this.end('overflow');
    if (!this.#isRunning) this.schedule();
  }

  tell(id: string): void {
    this.write(this.#frameOf(id));
  }

  announce(event: SseEvent, frame: Buffer): void {
    if (this.#reason !== undefined) return;
    this.#connections.onAnnounced(event);
    this.#push(frame);
  }

  onResumed(outcome: ResumeOutcome): void {
    if (this.lastEventId !== undefined) this.#connections.resumes[outcome]++;
  }

  /** Writes what comes after the end of what the handler emits, while the response is still there. */
  writeLate(frame: Buffer): void {
    const { response } = this;
    if (!response.headersSent || response.writableEnded || isGone(response)) return;
    this.#outbox.writeLate(frame);
  }

  /** The Observable failed: before anything went out Nest can still answer, later the client is told. */
  fail(error: unknown): void {
    if (this.#reason !== undefined) return;
    this.reader?.end(false);
    if (!this.#isOpen && this.#outbox.isEmpty) {
      this.#finish('error');
      this.#nest?.error(error);
      return;
    }
    this.#push(this.#connections.exceptionFrame(this, error, this.#dialect));
    this.end('error');
  }

  /** Ends the response: what waits goes out first, unless the client does not take it. */
  end(reason: EndReason): void {
    if (this.#reason !== undefined) return;
    this.reader?.end(reason === 'complete');
    const isHopeless = reason === 'stalled' || reason === 'overflow' || reason === 'client';
    if (!isHopeless && this.#isCutShort(reason)) {
      this.#breakOff(reason);
      return;
    }
    if (!isHopeless && this.#isTurnedAway(reason)) {
      this.#turnAway(reason);
      return;
    }
    if (!isHopeless && !this.response.writableEnded) {
      const wasOpen = this.#isOpen;
      if (wasOpen) this.#tellPlace();
      else this.#open(this.#takePlace(), reason);
      if (this.#ending === undefined) this.#sayFarewell(reason, wasOpen);
      this.#flush(reason);
      if (this.#ending !== undefined) return;
    }
    if (this.isEnded) return;
    this.#finish(reason);
    // Nest does so when the client leaves: what waits on the signal is not to find its Observable gone.
    if (reason !== 'complete' && reason !== 'error') this.#request.gate.abort();
    if (isHopeless) destroy(this.response);
    if (this.isOurs) {
      this.#request.gate.end();
      this.handler.close();
    }
    this.#nest?.complete();
  }

  /** Whether its client would take the end of the response for that of what was asked for. */
  #isCutShort(reason: EndReason): boolean {
    return this.#dialect?.isWhole === false && reason !== 'error';
  }

  #breakOff(reason: EndReason): void {
    this.#finish(reason);
    this.#request.gate.abort();
    breakOff(this.response);
    this.#nest?.complete();
  }

  /** Whether its client would take the end of a response without a stream for all that there is. */
  #isTurnedAway(reason: EndReason): boolean {
    if (reason === 'complete' || reason === 'error') return false;
    const { response } = this;
    const hasBegun = this.#isOpen || !this.#outbox.isEmpty || response.headersSent;
    return !hasBegun && !asksAsEventSource(response);
  }

  #turnAway(reason: EndReason): void {
    const wait = this.#connections.drawRetry(this.options, reason);
    if (wait !== undefined) tell(this.response, { 'Retry-After': String(Math.ceil(wait / 1_000)) });
    this.#finish(reason);
    this.#request.gate.abort();
    this.#nest?.error(refusal(reason === 'replaced' || (reason === 'refused' && this.#isAdmitted)));
  }

  #sayFarewell(reason: EndReason, wasTold: boolean): void {
    if (this.#dialect !== undefined) return;
    const retry = wasTold ? this.#connections.retryAtEnd(this.options, reason) : undefined;
    const frame = farewellFrame(reason, retry);
    if (frame !== undefined) this.#outbox.push(frame);
  }

  /**
   * There is nothing more for this client, now or later. 204 keeps an EventSource from coming back (WHATWG HTML
   * 9.2.3); once something was sent only the end of the response can be told.
   */
  endForGood(): void {
    if (this.#reason !== undefined) return;
    const { gate } = this.#request;
    if (this.#isOpen || !this.#outbox.isEmpty || !gate.answerNoContent()) {
      this.end('complete');
      return;
    }
    this.#finish('complete');
    this.#nest?.complete();
  }

  get heartbeatInterval(): number | false {
    return this.options.heartbeatInterval;
  }

  /**
   * @param isLate whether it is too late to see whether anybody took anything meanwhile
   * @param time in milliseconds since the Unix epoch
   */
  tick(now: number, isLate: boolean, time: number): void {
    // What is said of who it is may still be its answer.
    if (!this.#isAdmitted) this.#clock.restart(now);
    const due = this.#clock.due(now, isLate, this.#isOpen, this.#outbox, this.options);
    if (due === 'lifetime') {
      this.end('lifetime');
    } else if (this.#identity?.isExpiredAt(time) === true) {
      this.end('expired');
    } else if (due === 'headers') {
      this.#open(this.#takePlace());
      this.#flush();
    } else if (due === 'stalled') {
      this.end('stalled');
    } else if (due === 'heartbeat') {
      this.#isBeatDue = true;
      this.schedule();
    }
  }

  warn(message: string, error?: unknown): void {
    this.#connections.report(this, message, error);
  }

  /** The place of a client for which nothing has been read yet, once: from now on it knows it. */
  #takePlace(): string | undefined {
    return this.reader?.beginEarly();
  }

  #tellPlace(): void {
    const id = this.#takePlace();
    if (id !== undefined && this.#dialect === undefined) this.#outbox.push(this.#frameOf(id));
  }

  #open(id: string | undefined, ending?: EndReason): void {
    tellHeartbeat(this.response, this.options.heartbeatInterval);
    if (this.#dialect !== undefined) tell(this.response, this.#dialect.headers);
    try {
      this.#request.gate.commit();
    } catch (error) {
      this.#finish('error');
      this.#nest?.error(error);
      return;
    }
    this.#isOpen = true;
    if (this.#dialect === undefined) this.#pushFirst(id, ending);
    if (ending !== undefined) return;
    this.#wasOpened = true;
    // Whoever is told may end it: what its client has to know goes before.
    this.#connections.onOpen(this);
  }

  #pushFirst(id: string | undefined, ending: EndReason | undefined): void {
    const retry = this.#connections.drawRetry(this.options, ending);
    if (id !== undefined) this.#outbox.pushFirst(this.#frameOf(id, retry));
    else if (retry !== undefined) this.#outbox.pushFirst(encodeFrame({ retry }));
  }

  #frameOf(id: string, retry?: number): Buffer {
    if (!needsEventWithId(this.response)) return encodeFrame({ retry, id });
    return encodeFrame({ retry, id, type: CURSOR_EVENT, data: JSON.stringify(id) });
  }

  #beat(): void {
    this.#isBeatDue = false;
    if (!this.#outbox.isEmpty) return;
    const id = this.reader?.heartbeat();
    this.#outbox.push(id === undefined ? HEARTBEAT : this.#frameOf(id));
  }

  /** @param ending why the response ends as soon as this is out */
  #flush(ending?: EndReason): void {
    this.#ending = undefined;
    if (!this.#isOpen || this.#outbox.isEmpty) return;
    if (!this.#outbox.hasBegun && !this.response.headersSent) {
      // Without a gate it is Nest that sends the headers, within a macrotask or two.
      this.#ending = ending;
      setTimeout(() => (ending === undefined ? this.schedule() : this.end(ending)), 1).unref();
      return;
    }
    const isFirst = !this.#outbox.hasBegun;
    this.#outbox.flush();
    if (isFirst && this.handler.isDirect && this.#request.isOutermost) this.#takeOver();
  }

  /** Nothing comes from Nest any more: it need not wait for the end. */
  #takeOver(): void {
    const nest = this.#nest;
    // A response that waits for its turn, or shares its socket, is looked after by Nest.
    if (!this.#outbox.writesToSocket || !this.#connections.takesOver || nest === undefined) return;
    this.#nest = undefined;
    this.#request.gate.takeOver(() => nest.complete());
    // Some other Nest that ends it all the same has cost this client a reconnect, and costs no other any.
    if (this.response.writableEnded) this.#connections.takesOver = false;
  }

  #finish(reason: EndReason): void {
    this.#reason = reason;
    this.#outbox.close();
    this.#connections.onEnd(this, reason);
  }
}

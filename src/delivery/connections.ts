import { Logger } from '@nestjs/common';
import { Subject } from 'rxjs';
import { renderError } from '../errors.js';
import { randomDigits } from '../log/epoch.js';
import type { GapData, GapReason, SseEvent } from '../log/event.js';
import type { Log } from '../log/log.js';
import { STRAY_EVENT } from '../log/stray-streams.js';
import type { TurnScheduler } from '../log/turn-scheduler.js';
import type { Dialect, ResumeOutcome } from '../reader/sink.js';
import type { JoinedFramesCache } from '../wire/joined-frames.js';
import { Arrivals } from './arrivals.js';
import type { AttendancePort } from './attendance-port.js';
import { ClientSockets } from './client-sockets.js';
import { Connection } from './connection.js';
import {
  type ConnectionInfo,
  END_REASONS,
  type EndedConnection,
  type EndReason,
  type LateError,
} from './connection-info.js';
import { exceptionFrame } from './exception.js';
import { destroy, isGone, onceReset } from './http.js';
import { Deadline } from './deadline.js';
import { Drain } from './drain.js';
import { isToStayAway } from './farewell.js';
import type { LimitPort } from './limit-port.js';
import type { ConnectionTracer, NestPort, OpenRequest } from './open-request.js';
import type { ConnectionOptions, DeliveryOptions } from './options.js';
import { Orders, type OrderInLog } from './orders.js';
import { TopicOrders } from './topic-orders.js';
import { Ticker } from './ticker.js';

/** Milliseconds that stand for `retry.max` where `retry` is off, and a client is to be told something. */
const RETRY_MAX = 6_000;
/** Milliseconds for what was written in the last moment of the drain to get on its way. */
const LAST_MOMENT = 100;
/** What a refused client is told, before random doubling, as a multiple of `retry.max`. */
const LONG_RETRY_FACTOR = 5;

/** All connections of the application, their one timer, and their end. */
export class Connections {
  /** Whether Nest, when it finishes its part, lets the response live. */
  takesOver: boolean;
  readonly ended: Record<EndReason, number>;
  /** Gaps that clients were told of. */
  readonly gaps: Record<GapReason, number> = { trimmed: 0, epoch: 0, unknown: 0 };
  /** Clients that came back with a cursor, by what they go on from. */
  readonly resumes: Record<ResumeOutcome, number> = { tail: 0, archive: 0, gap: 0 };
  /** Of connections that have ended. */
  #bytesOfEnded = 0;
  readonly #connections = new Set<Connection>();
  /** Ended, but the client has not taken the response to its end; since when, by the {@link Ticker}. */
  readonly #leaving = new Map<Connection, number>();
  readonly #logger = new Logger('SseConnections');
  #count = 0;
  readonly #ticker = new Ticker((isLate) => this.#tick(isLate));
  readonly #drain: Drain;
  #hasSeenStray = false;
  readonly errors = new Subject<LateError>();
  readonly openings = new Subject<ConnectionInfo>();
  readonly ends = new Subject<EndedConnection>();
  /** What the ids of this instance's connections begin with. */
  readonly instance = randomDigits() + randomDigits();
  readonly orders: Orders;
  readonly topicOrders = new TopicOrders();
  readonly arrivals: Arrivals;
  readonly sockets = new ClientSockets();
  /** Undefined where anybody may have any number of connections. */
  limits: LimitPort | undefined;
  /** Undefined where nobody asks who is there. */
  attendance: AttendancePort | undefined;
  /** Undefined unless requests are traced. */
  tracer: ConnectionTracer | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(
    readonly options: DeliveryOptions,
    readonly turn: TurnScheduler,
    /** Whose cursors are the ids of events. */
    readonly log: Log,
    readonly nest: NestPort,
    /** Shared with the readers, of which many write what connections write too. */
    readonly cache: JoinedFramesCache,
  ) {
    this.#drain = new Drain(options.drain);
    this.orders = new Orders(log);
    this.arrivals = new Arrivals(log);
    this.takesOver = nest.holdsResponses;
    this.ended = Object.fromEntries(END_REASONS.map((reason) => [reason, 0])) as typeof this.ended;
  }

  /** Whole milliseconds: see {@link Ticker}. */
  get now(): number {
    return this.#ticker.now;
  }

  get connections(): ReadonlySet<Connection> {
    return this.#connections;
  }

  /** Bytes of `text/event-stream` written since the start, by all connections. */
  get bytes(): number {
    let bytes = this.#bytesOfEnded;
    for (const connection of this.#connections) bytes += connection.bytes;
    return bytes;
  }

  /** Whether all of them end, because the application does. */
  get isDraining(): boolean {
    return this.#drain.hasBegun;
  }

  /** Whether one more connection is welcome; if not, it is to be opened and ended as `refused`. */
  get isFull(): boolean {
    const { maxConnections } = this.options;
    return (
      this.isDraining || (maxConnections !== false && this.#connections.size >= maxConnections)
    );
  }

  open(request: OpenRequest): Connection {
    this.#ticker.start(request.options);
    const connection = new Connection(++this.#count, request, this);
    this.#connections.add(connection);
    request.response.on('close', () => this.#onClose(connection));
    onceReset(request.response, () => connection.end('client'));
    this.sockets.watch(request, this.isDraining);
    return connection;
  }

  /** Calls what asks a connection's handler. */
  runFor<T>(connection: Connection, work: () => T): T {
    return this.tracer === undefined ? work() : this.tracer.run(connection, work);
  }

  onOpen(connection: Connection): void {
    if (this.openings.observed) this.openings.next(connection.info);
  }

  onAnnounced({ type, data }: SseEvent): void {
    if (type === 'gap') this.gaps[(data as unknown as GapData).reason]++;
  }

  /** Ends what an order means. */
  obey(order: OrderInLog): void {
    this.topicOrders.add(order);
    for (const connection of this.#connections) connection.obey(order);
  }

  /** Orders may have been lost: those that could have been meant by whose they are pass the guards anew, the others
   * when they open a stream. */
  onOrdersLost(): void {
    this.topicOrders.onLost(this.orders.position);
    for (const connection of this.#connections)
      if (connection.isIdentified) connection.end('expired');
  }

  onEnd(connection: Connection, reason: EndReason): void {
    this.ended[reason]++;
    if (this.ends.observed) this.ends.next(endOf(connection, reason));
    this.#connections.delete(connection);
    this.limits?.release(connection);
    this.attendance?.release(connection);
    this.#bytesOfEnded += connection.bytes;
    if (!isGone(connection.response)) this.#leaving.set(connection, this.now);
    if (reason === 'drain') this.sockets.endAfter(connection.response);
    this.#logger.verbose(`Connection ${describe(connection)} ended: ${reason}`);
  }

  /** Milliseconds for `retry:`, drawn at random so that a herd of clients spreads out. */
  drawRetry({ retry }: ConnectionOptions, reason: EndReason | undefined): number | undefined {
    if (isToStayAway(reason)) {
      // There is room on the instance that comes in the place of this one.
      const factor = this.isDraining ? 1 : LONG_RETRY_FACTOR;
      const max = retry === false ? RETRY_MAX : retry.max;
      return Math.round(max * factor * (1 + Math.random()));
    }
    if (retry === false) return undefined;
    const share = (this.isDraining ? this.#drain.progress : undefined) ?? Math.random();
    return Math.round(retry.min + share * (retry.max - retry.min));
  }

  /** What a client that knows its `retry` is told of it at the end, if it is to be another. */
  retryAtEnd(options: ConnectionOptions, reason: EndReason): number | undefined {
    // Those that go in waves come back in the same order: none of them meets those of the wave before.
    const isInWaves = reason === 'drain' && this.#drain.progress !== undefined;
    return isToStayAway(reason) || isInWaves ? this.drawRetry(options, reason) : undefined;
  }

  exceptionFrame(connection: Connection, error: unknown, dialect: Dialect | undefined): Buffer {
    this.report(connection, 'A stream failed after its response had begun', error);
    return exceptionFrame(error, dialect);
  }

  /** An event is on its way to a client, and its id would be ignored when the client comes back with it. */
  onStray(): void {
    if (!this.#hasSeenStray) this.#logger.warn(STRAY_EVENT);
    this.#hasSeenStray = true;
  }

  report(connection: Connection, message: string, error?: unknown): void {
    this.#logger.error(message, error === undefined ? undefined : renderError(error));
    if (this.errors.observed) this.errors.next({ error, message, connection: connection.info });
  }

  /**
   * Ends all connections, so that the process can stop. What was published before still goes out: who has
   * read it to the end goes at once, or, with `drain.over`, when it is its turn; who is behind reads on, and who has not
   * taken it within `drain.timeout` is cut off.
   *
   * @param caughtUp called once; resolves when what was published is in the log
   */
  drain(caughtUp: () => Promise<unknown>): Promise<void> {
    if (!this.isDraining) this.sockets.drain();
    return this.#drain.begin(this, caughtUp);
  }

  /** Lets those go at once whose turn has yet to come, if it is a drain in waves. */
  hurry(): void {
    this.#drain.hurry();
  }

  /** Resolves when there is no connection or request for one, and those that have ended are taken to the end. */
  async whenEmpty(): Promise<void> {
    await this.arrivals.whenAnswered();
    if (this.#connections.size === 0 && this.#leaving.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  /**
   * Drops what clients have not taken of responses that have ended, a moment later.
   *
   * @param left milliseconds that are left of the drain
   */
  async cutOff(left: number): Promise<void> {
    if (this.#leaving.size > 0) await this.#cutOffLeaving();
    const patience = Math.max(left, LAST_MOMENT);
    this.arrivals.limit(patience);
    this.sockets.close(patience);
  }

  async #cutOffLeaving(): Promise<void> {
    const moment = new Deadline(LAST_MOMENT);
    await moment.orSooner(this.whenEmpty());
    moment.clear();
    for (const { response } of this.#leaving.keys()) this.sockets.destroy(response);
  }

  #onClose(connection: Connection): void {
    connection.end('client');
    this.#leaving.delete(connection);
    this.#rest();
  }

  #rest(): void {
    if (this.#leaving.size > 0) return;
    if (this.#connections.size > 0) return;
    this.#onEmpty?.();
    this.#ticker.stop();
  }

  #tick(isLate: boolean): void {
    const { now } = this.#ticker;
    const time = Date.now();
    for (const connection of this.#connections) connection.tick(now, isLate, time);
    for (const [connection, endedAt] of this.#leaving) {
      const { response } = connection;
      const { stallTimeout } = connection.options;
      if (stallTimeout !== false && now - endedAt >= stallTimeout) destroy(response);
      if (isGone(response)) this.#leaving.delete(connection);
    }
    this.#rest();
  }
}

function endOf(connection: Connection, reason: EndReason): EndedConnection {
  const { info, age, wasOpened } = connection;
  return { connection: info, reason, duration: age, bytes: info.bytes, wasOpened };
}

function describe(connection: Connection): string {
  const { id, route, remoteAddress, since, bytes } = connection.info;
  const seconds = ((Date.now() - since.getTime()) / 1_000).toFixed(1);
  return `${id} (${route}, ${remoteAddress}, ${seconds} s, ${bytes} bytes)`;
}

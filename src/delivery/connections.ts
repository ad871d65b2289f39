import type { Http2Session } from 'node:http2';
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
import { Connection } from './connection.js';
import {
  type ConnectionInfo,
  END_REASONS,
  type EndedConnection,
  type EndReason,
  type LateError,
} from './connection-info.js';
import { exceptionFrame } from './exception.js';
import { destroy, type HttpResponse, isGone, onceReset, sessionOf } from './http.js';
import { Deadline } from './deadline.js';
import type { NestPort, OpenRequest } from './open-request.js';
import type { ConnectionOptions, DeliveryOptions } from './options.js';
import { Orders, type PlacedOrder } from './orders.js';

/** Milliseconds told to a client that is refused, before random doubling, where `retry` is off. */
const LONG_RETRY = 30_000;
/** Milliseconds for what was written in the last moment of the drain to get on its way. */
const LAST_MOMENT = 100;
/** What a refused client is told, as a multiple of `retry.max`. */
const LONG_RETRY_FACTOR = 5;

/** All connections of the application, their one timer, and their end. */
export class Connections {
  /** Whether Nest, when it finishes its part, lets the response live. */
  takesOver: boolean;
  readonly ended: Record<EndReason, number>;
  /** Gaps that clients were told of. */
  readonly gaps: Record<GapReason, number> = { trimmed: 0, epoch: 0, unknown: 0 };
  /** Clients that came back with a place, by what they go on from. */
  readonly resumes: Record<ResumeOutcome, number> = { tail: 0, archive: 0, gap: 0 };
  /** Of connections that have ended. */
  #bytesOfEnded = 0;
  readonly #connections = new Set<Connection>();
  /** Ended, but the client has not taken the response to its end; since when, by {@link now}. */
  readonly #leaving = new Map<Connection, number>();
  readonly #logger = new Logger('SseConnections');
  #count = 0;
  #now = wholeMilliseconds();
  #timer: NodeJS.Timeout | undefined;
  /** Milliseconds between two ticks: as often as the most impatient of the open connections needs. */
  #interval = Infinity;
  #isDraining = false;
  #isDrained = false;
  #hasSeenStray = false;
  /** Open ones of HTTP/2 clients, to be closed at the end of the drain. */
  readonly #sessions = new Set<Http2Session>();
  readonly errors = new Subject<LateError>();
  readonly openings = new Subject<ConnectionInfo>();
  readonly ends = new Subject<EndedConnection>();
  /** What the ids of this instance's connections begin with. */
  readonly instance = randomDigits() + randomDigits();
  readonly orders: Orders;
  #onEmpty: (() => void) | undefined;

  constructor(
    readonly options: DeliveryOptions,
    readonly turn: TurnScheduler,
    /** Whose places are the ids of events. */
    readonly log: Log,
    readonly nest: NestPort,
    /** Shared with the readers, of which many write what connections write too. */
    readonly cache: JoinedFramesCache,
  ) {
    this.orders = new Orders(log);
    this.takesOver = nest.holdsResponses;
    this.ended = Object.fromEntries(END_REASONS.map((reason) => [reason, 0])) as typeof this.ended;
  }

  /** Whole milliseconds, of the last tick: close enough for timeouts, and free. */
  get now(): number {
    return this.#now;
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

  /** Whether one more connection is welcome; if not, it is to be opened and ended as `refused`. */
  get isFull(): boolean {
    const { maxConnections } = this.options;
    return (
      this.#isDraining || (maxConnections !== false && this.#connections.size >= maxConnections)
    );
  }

  open(opening: OpenRequest): Connection {
    this.#startTimer(opening.options);
    const connection = new Connection(++this.#count, opening, this);
    this.#connections.add(connection);
    opening.response.on('close', () => this.#onClose(connection));
    onceReset(opening.response, () => connection.end('client'));
    this.#remember(opening.response);
    return connection;
  }

  onOpen(connection: Connection): void {
    if (this.openings.observed) this.openings.next(connection.info);
  }

  onAnnounced({ type, data }: SseEvent): void {
    if (type === 'gap') this.gaps[(data as unknown as GapData).reason]++;
  }

  /** Ends what an order means. */
  obey(order: PlacedOrder): void {
    for (const connection of this.#connections) connection.obey(order);
  }

  /** Orders may have been lost: those that could have been meant by whose they are pass the guards anew. */
  onOrdersLost(): void {
    for (const connection of this.#connections)
      if (connection.isIdentified) connection.end('expired');
  }

  onEnd(connection: Connection, reason: EndReason): void {
    this.ended[reason]++;
    if (this.ends.observed) this.ends.next(endOf(connection, reason));
    this.#connections.delete(connection);
    this.#bytesOfEnded += connection.bytes;
    if (!isGone(connection.response)) this.#leaving.set(connection, this.#now);
    this.#logger.verbose(`Connection ${describe(connection)} ended: ${reason}`);
  }

  /** Milliseconds for `retry:`, drawn at random so that a herd of clients spreads out. */
  drawRetry({ retry }: ConnectionOptions, reason: EndReason | undefined): number | undefined {
    if (reason === 'refused') {
      const long = retry === false ? LONG_RETRY : retry.max * LONG_RETRY_FACTOR;
      return Math.round(long * (1 + Math.random()));
    }
    if (retry === false) return undefined;
    return Math.round(retry.min + Math.random() * (retry.max - retry.min));
  }

  /** When a connection that begins now has to end: those that came together do not leave together. */
  drawEnd({ maxLifetime }: ConnectionOptions): number | undefined {
    if (maxLifetime === false) return undefined;
    return this.#now + Math.round(maxLifetime * (1 - Math.random() / 10));
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
   * read it to the end goes at once, who is behind reads on, and who has not taken it within
   * `drain.timeout` is cut off.
   *
   * @param caughtUp resolves when what was published is in the log
   */
  async drain(caughtUp: Promise<unknown>): Promise<void> {
    this.#isDraining = true;
    const timeout = new Deadline(this.options.drain.timeout);
    await timeout.orSooner(caughtUp);
    // What is not read in the first round is what operators and shared streams hand on by themselves.
    await timeout.orSooner(this.turn.nextRound());
    await timeout.orSooner(this.turn.nextRound());
    for (const connection of this.#connections) connection.leave();
    await timeout.orSooner(this.#empty());
    for (const connection of this.#connections) connection.end('drain');
    timeout.clear();
    if (this.#leaving.size > 0) await this.#cutOff();
    this.#isDrained = true;
    for (const session of this.#sessions) session.close();
  }

  /** Resolves when there is no connection, and those that have ended are taken to the end. */
  #empty(): Promise<void> {
    if (this.#connections.size === 0 && this.#leaving.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  async #cutOff(): Promise<void> {
    const moment = new Deadline(LAST_MOMENT);
    await moment.orSooner(this.#empty());
    moment.clear();
    for (const { response } of this.#leaving.keys()) {
      sessionOf(response)?.destroy();
      destroy(response);
    }
  }

  /**
   * HTTP/2 clients keep their session when a stream has ended, and the server that closes waits for it. A
   * session that is closed already can no longer be destroyed, so all are closed when everybody has left.
   */
  #remember(response: HttpResponse): void {
    const session = sessionOf(response);
    if (session === undefined) {
      this.#endSocketAfter(response);
      return;
    }
    if (this.#isDrained) response.once('close', () => session.close());
    if (this.#sessions.has(session)) return;
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
  }

  /** The server that closes waits for a socket which is used again after it has begun to. */
  #endSocketAfter(response: HttpResponse): void {
    if (!this.#isDraining) return;
    const { socket } = response.req;
    response.once('finish', () => socket.end());
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
    this.#stopTimer();
  }

  #startTimer(options: ConnectionOptions): void {
    this.#now = wholeMilliseconds();
    const interval = intervalFor(options);
    if (interval >= this.#interval) return;
    clearInterval(this.#timer);
    this.#interval = interval;
    this.#timer = setInterval(() => this.#tick(), interval).unref();
  }

  #stopTimer(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#interval = Infinity;
  }

  #tick(): void {
    const before = this.#now;
    this.#now = wholeMilliseconds();
    const time = Date.now();
    const isLate = this.#now - before > this.#interval * 2;
    for (const connection of this.#connections) connection.tick(this.#now, isLate, time);
    for (const [connection, endedAt] of this.#leaving) {
      const { response } = connection;
      const { stallTimeout } = connection.options;
      if (stallTimeout !== false && this.#now - endedAt >= stallTimeout) destroy(response);
      if (isGone(response)) this.#leaving.delete(connection);
    }
    this.#rest();
  }
}

/** On the monotonic clock; whole, because a connection keeps small integers without further memory. */
function wholeMilliseconds(): number {
  return Math.floor(performance.now());
}

/** Close enough for each of the times. */
function intervalFor(options: ConnectionOptions): number {
  const { heartbeatInterval, stallTimeout, openTimeout, maxLifetime } = options;
  const times = [heartbeatInterval, stallTimeout, openTimeout, maxLifetime];
  const shortest = Math.min(...times.filter((time) => time !== false));
  return Math.min(Math.max(shortest / 4, 5), 1_000);
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

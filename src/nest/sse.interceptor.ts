import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import { EMPTY, from, ignoreElements, Observable, switchMap } from 'rxjs';
import { EventBus } from '../bus/event-bus.js';
import type { Connection } from '../delivery/connection.js';
import { Connections } from '../delivery/connections.js';
import { isGone } from '../delivery/http.js';
import type { ConnectionOptions } from '../delivery/options.js';
import {
  answerOk,
  isOurRoute,
  lastEventIdOf,
  pathOf,
  patternOf,
  remoteAddressOf,
  requestOf,
  responseOf,
} from './http-context.js';
import { HEAD_CONNECTION } from './head-connection.js';
import { Identification } from './identification.js';
import { HeaderGate } from './internals/header-gate.js';
import { NestInternals } from './internals/nest-internals.js';
import { withRouteOptions } from './options.js';
import { routeOptionsOf } from './route.decorators.js';

/**
 * Delivers what `@Sse()` handlers emit through connections of our own. Nest subscribes to an Observable
 * that emits nothing, and ends the response when it completes.
 */
@Injectable()
export class SseInterceptor implements NestInterceptor {
  /** Of the routes that have their own. */
  readonly #options = new WeakMap<object, WeakMap<object, ConnectionOptions>>();

  constructor(
    private readonly bus: EventBus,
    private readonly connections: Connections,
    private readonly application: ApplicationConfig,
    private readonly identification: Identification,
    private readonly internals: NestInternals,
  ) {}

  /** Whether it comes before all interceptors of its routes. */
  get #isFirst(): boolean {
    const { internals, application } = this;
    return internals.enhanceRoutes !== undefined || application.getGlobalInterceptors()[0] === this;
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (!isOurRoute(context)) return next.handle();
    answerOk(context);
    const request = requestOf(context);
    const response = responseOf(context);
    if (isGone(response)) return EMPTY;
    if (request.method === 'HEAD') {
      const answer = this.#runFor(HEAD_CONNECTION, next).pipe(ignoreElements());
      return from(this.identification.ask(context)).pipe(switchMap(() => answer));
    }
    const isRefused = this.connections.isFull;
    const connection = this.connections.open({
      response,
      gate: HeaderGate.of(response),
      method: request.method ?? 'GET',
      pattern: patternOf(context),
      path: pathOf(context),
      remoteAddress: remoteAddressOf(context),
      lastEventId: lastEventIdOf(request),
      options: this.#optionsOf(context),
      arrival: this.connections.arrivals.claim(response),
      isOutermost: this.#isFirst,
    });
    return new Observable<never>((observer) => {
      connection.attach(observer);
      const begin = () => connection.handler.subscribeTo(this.#runFor(connection, next));
      if (isRefused) connection.end('refused');
      else this.identification.admit(context, connection, begin);
      return connection.handler;
    });
  }

  #optionsOf(context: ExecutionContext): ConnectionOptions {
    const given = routeOptionsOf(context);
    const { options } = this.connections;
    if (given === undefined) return options;
    const handler = context.getHandler();
    const controller = context.getClass();
    // Controllers that inherit a route share its function.
    let ofRoute = this.#options.get(handler);
    if (ofRoute === undefined) this.#options.set(handler, (ofRoute = new WeakMap()));
    let resolved = ofRoute.get(controller);
    if (resolved === undefined) {
      ofRoute.set(controller, (resolved = withRouteOptions(options, given)));
    }
    return resolved;
  }

  /** Subscribing happens there too: that is when `defer`, timers and promises open their streams. */
  #runFor(connection: Connection | typeof HEAD_CONNECTION, next: CallHandler): Observable<unknown> {
    return new Observable((observer) => {
      const ask = () => next.handle().subscribe(observer);
      if (!('handler' in connection)) return this.bus.runFor(connection, ask, observer);
      connection.handler.expectFrom(observer);
      const traced = () => this.connections.runFor(connection, ask);
      return this.bus.runFor(connection, traced, observer);
    });
  }
}

import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import { EMPTY, ignoreElements, Observable, UnsubscriptionError } from 'rxjs';
import { EventBus } from '../bus/event-bus.js';
import type { Seat } from '../bus/sink.js';
import type { Connection } from '../delivery/connection.js';
import { Delivery } from '../delivery/delivery.js';
import { HeaderGate } from '../delivery/header-gate.js';
import { isGone } from '../delivery/http.js';
import {
  answerOk,
  isSseRoute,
  lastEventIdOf,
  requestOf,
  responseOf,
  routeOf,
} from './http-context.js';
import { SILENT_SEAT } from './silent-seat.js';

/**
 * Delivers what `@Sse()` handlers emit through connections of our own. Nest subscribes to an Observable
 * that emits nothing, and ends the response when it completes.
 */
@Injectable()
export class SseInterceptor implements NestInterceptor {
  constructor(
    private readonly bus: EventBus,
    private readonly delivery: Delivery,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (!isSseRoute(context)) return next.handle();
    answerOk(context);
    const request = requestOf(context);
    const response = responseOf(context);
    if (isGone(response)) return EMPTY;
    if (request.method === 'HEAD') {
      return this.#seated(SILENT_SEAT, next).pipe(ignoreElements());
    }
    const isRefused = this.delivery.isFull;
    const connection = this.delivery.open({
      response,
      gate: HeaderGate.of(response),
      route: routeOf(request),
      remoteAddress: request.socket.remoteAddress ?? '',
      lastEventId: lastEventIdOf(request),
    });
    if (isRefused) return refuse(connection);
    return deliver(connection, this.#seated(connection, next), (error) =>
      this.delivery.warn('A stream failed when it was ended', error),
    );
  }

  /** Subscribing happens there too: that is when `defer`, timers and promises open their streams. */
  #seated(seat: Seat, next: CallHandler): Observable<unknown> {
    return new Observable((observer) =>
      this.bus.seat(seat, () => next.handle().subscribe(observer)),
    );
  }
}

/** @param report where an error goes that a teardown throws: who ends a connection did not cause it */
function deliver(
  connection: Connection,
  source: Observable<unknown>,
  report: (error: unknown) => void,
): Observable<never> {
  return new Observable<never>((observer) => {
    connection.attach(observer);
    const subscription = source.subscribe({
      next: (message) => connection.take(message),
      error: (error: unknown) => connection.fail(error),
      complete: () => connection.end('complete'),
    });
    return () => {
      connection.end(isGone(connection.response) ? 'client' : 'complete');
      try {
        subscription.unsubscribe();
      } catch (error) {
        const errors: unknown[] = error instanceof UnsubscriptionError ? error.errors : [error];
        errors.forEach(report);
      }
      connection.reader?.close();
    };
  });
}

function refuse(connection: Connection): Observable<never> {
  return new Observable<never>((observer) => {
    connection.attach(observer);
    connection.end('refused');
  });
}

import { Observable } from 'rxjs';
import type { AllEvents, EventOf, ServerEvents, TypedEvent } from '../types.js';

/**
 * Events as an Observable, for Angular and Nest: of one type, or all of them. It completes when they are closed,
 * fails when they end for an error, and closes nothing itself.
 *
 * @example
 * paid = toSignal(fromEvents(this.events, 'paid'));
 */
export function fromEvents<Events, Type extends keyof AllEvents<Events> & string>(
  events: ServerEvents<Events>,
  type: Type,
): Observable<TypedEvent<Type, AllEvents<Events>[Type]>>;
export function fromEvents<Events>(
  events: ServerEvents<Events>,
): Observable<EventOf<AllEvents<Events>>>;
export function fromEvents(
  events: ServerEvents<Record<string, unknown>>,
  type?: string,
): Observable<TypedEvent<string, unknown>> {
  return new Observable((subscriber) =>
    events['@@observable']().subscribe({
      next: (event) => {
        if (type === undefined || event.type === type) subscriber.next(event);
      },
      error: (error) => subscriber.error(error),
      complete: () => subscriber.complete(),
    }),
  );
}

import { map, Observable, of, switchMap } from 'rxjs';

/** More subscribers than any program has one after the other; a chain that goes on leads in a circle. */
const MAX_LENGTH = 10_000;

/**
 * A subscriber, who it hands on to what it is given, who that one hands on to, and so on as far as can be
 * seen: RxJS keeps the next one in `destination`.
 */
export function* chainOf(subscriber: object): Generator<object, void> {
  let at: unknown = subscriber;
  for (let length = 0; length < MAX_LENGTH && isObject(at); length++) {
    yield at;
    at = nextOf(at);
  }
}

/** How many subscribers hand on what `subscriber` is given until it arrives at `receiver`, if it does. */
export function layersBetween(subscriber: object, receiver: object): number | undefined {
  let layers = 0;
  for (const at of chainOf(subscriber)) {
    if (at === receiver) return layers;
    layers++;
  }
  return undefined;
}

/** Asks RxJS whether it lets itself be followed, through operators and the Observables inside of them. */
export function canFollow(): boolean {
  let receiver: object | undefined;
  let isFollowed = false;
  const source = new Observable<number>((subscriber) => {
    isFollowed = receiver !== undefined && layersBetween(subscriber, receiver) !== undefined;
  });
  const outer = new Observable<number>((subscriber) => {
    receiver = subscriber;
    const events = of(0).pipe(
      switchMap(() => source),
      map((value) => value),
    );
    return events.subscribe(subscriber);
  });
  outer.subscribe().unsubscribe();
  return isFollowed;
}

/** Undefined for what has none, is closed, or does not let itself be asked. */
function nextOf(at: object): unknown {
  try {
    return (at as { readonly destination?: unknown }).destination;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

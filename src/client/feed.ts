import type { Sink } from './link.js';
import type { EventsObserver, EventsSnapshot, TypedEvent } from './types.js';

export type AnyEvent = TypedEvent<string, unknown>;
type Snapshot = Omit<EventsSnapshot<object>, 'event'> & { readonly event: AnyEvent | undefined };

/** Where frames become events for those who listen. */
export interface Feed extends Sink {
  readonly snapshot: Snapshot;
  readonly on: (type: string, listener: (event: AnyEvent) => unknown) => () => void;
  readonly watch: (watcher: () => void) => () => void;
  readonly observe: (observer: EventsObserver<AnyEvent>) => () => void;
  readonly end: (error?: Error) => void;
}

/**
 * @param cursor where to begin
 * @param onEnd called once
 */
export function openFeed(cursor: string, onEnd: () => void): Feed {
  let isOver = false;
  let snapshot: Snapshot = { state: 'connecting', event: undefined, error: undefined };
  const listeners = new Set<readonly [string, (event: AnyEvent) => unknown]>();
  const watchers = new Set<() => void>();
  const observers = new Set<EventsObserver<AnyEvent>>();
  const isClosed = () => snapshot.state === 'closed';

  const update = (change: Partial<Snapshot>): void => {
    if (isClosed()) return;
    snapshot = { ...snapshot, ...change };
    watchers.forEach(safely);
  };

  const end = (error?: Error): void => {
    if (isClosed()) return;
    update({ state: 'closed', error });
    onEnd();
    for (const observer of observers) {
      safely(() => (error ? observer.error?.(error) : observer.complete?.()));
    }
  };

  const dispatch = async (event: AnyEvent, request: AbortSignal): Promise<void> => {
    const { type, data, id } = event;
    let called = [...listeners].filter(([wanted]) => wanted === type);
    if (type === 'gap') {
      const { state } = snapshot;
      update({ state: 'catching-up' });
      await Promise.all(called.map(async ([, listener]) => listener(event)));
      if (request.aborted) return;
      update({ state });
      called = [];
    }
    cursor = id;
    isOver ||= type === 'run-end';
    if (type === 'ready' && (data as { resumed?: boolean } | null)?.resumed)
      update({ state: 'catching-up' });
    if (type === 'caught-up') update({ state: 'live' });
    for (const [, listener] of called) if (!isClosed()) safely(() => listener(event));
    for (const observer of observers) if (!isClosed()) safely(() => observer.next?.(event));
    update({ event });
    if (type === 'closed') end();
  };

  return {
    get cursor() {
      return cursor;
    },
    get isOver() {
      return isOver;
    },
    get snapshot() {
      return snapshot;
    },
    async take(frames, request) {
      for (const { id = cursor, type, data } of frames) {
        if (request.aborted) return;
        if (data === undefined) cursor = id;
        else await dispatch({ type, data: type === 'exception' ? data : parse(data), id }, request);
      }
    },
    change(state, error) {
      if (state !== snapshot.state || error !== snapshot.error) update({ state, error });
    },
    end,
    on: (type, listener) => added(listeners, [type, listener] as const),
    watch: (watcher) => added(watchers, () => watcher()),
    observe: (observer) => added(observers, observer),
  };
}

function added<T>(set: Set<T>, member: T): () => void {
  set.add(member);
  return () => void set.delete(member);
}

/** Somebody who throws is told where errors are told, and hurts nobody else. */
export function safely(call: () => unknown): void {
  try {
    call();
  } catch (error) {
    const { reportError = console.error } = globalThis as {
      reportError?: (error: unknown) => void;
    };
    reportError(error);
  }
}

export function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return data;
  }
}

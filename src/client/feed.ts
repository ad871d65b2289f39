import type { Frame } from './frames.js';
import type { Sink } from './link.js';
import type { EventsObserver, EventsSnapshot, EventsState, TypedEvent } from './types.js';

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
  const listeners = new Set<readonly [string, (event: AnyEvent) => unknown]>();
  const watchers = new Set<() => void>();
  const observers = new Set<EventsObserver<AnyEvent>>();
  const isClosed = () => feed.snapshot.state === 'closed';

  const update = (change: Partial<Snapshot>): void => {
    if (isClosed()) return;
    feed.snapshot = { ...feed.snapshot, ...change };
    watchers.forEach(safely);
  };

  const dispatch = async (event: AnyEvent, request: AbortSignal): Promise<void> => {
    const { type, data, id } = event;
    let called = [...listeners].filter(([wanted]) => wanted === type);
    if (type === 'gap') {
      const { state } = feed.snapshot;
      update({ state: 'catching-up' });
      await Promise.all(called.map(async ([, listener]) => listener(event)));
      if (request.aborted) return;
      update({ state });
      called = [];
    }
    feed.cursor = id;
    feed.isOver ||= type === 'run-end';
    if (type === 'ready' && (data as { resumed?: boolean } | null)?.resumed)
      update({ state: 'catching-up' });
    if (type === 'caught-up') update({ state: 'live' });
    for (const [, listener] of called) if (!isClosed()) safely(() => listener(event));
    for (const observer of observers) if (!isClosed()) safely(() => observer.next?.(event));
    update({ event });
    if (type === 'closed') feed.end();
  };

  const feed = {
    cursor,
    isOver: false,
    snapshot: { state: 'connecting' } as Snapshot,
    async take(frames: readonly Frame[], request: AbortSignal) {
      for (const { id = feed.cursor, type, data } of frames) {
        if (request.aborted) return;
        if (data === undefined) feed.cursor = id;
        else await dispatch({ type, data: type === 'exception' ? data : parse(data), id }, request);
      }
    },
    change(state: EventsState, _quiet: number, error?: Error) {
      if (state !== feed.snapshot.state || error !== feed.snapshot.error) update({ state, error });
    },
    end(error?: Error) {
      if (isClosed()) return;
      update({ state: 'closed', error });
      onEnd();
      for (const observer of observers) {
        safely(() => (error ? observer.error?.(error) : observer.complete?.()));
      }
    },
    on: (type: string, listener: (event: AnyEvent) => unknown) =>
      added(listeners, [type, listener] as const),
    watch: (watcher: () => void) => added(watchers, () => watcher()),
    observe: (observer: EventsObserver<AnyEvent>) => added(observers, observer),
  };
  return feed;
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

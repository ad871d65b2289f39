import { useEffect, useSyncExternalStore } from 'react';
import type { AllEvents, EventsSnapshot, ServerEvents, TypedEvent } from '../types.js';

/** Listeners by the types of events. */
export type EventsListeners<Events> = {
  readonly [Type in keyof AllEvents<Events> & string]?: (
    event: TypedEvent<Type, AllEvents<Events>[Type]>,
  ) => unknown;
};

/**
 * The state of a connection, its newest event and its error; the component renders with each change. React may
 * skip snapshots: what must see every event is a listener. On a server it is the state of the beginning.
 *
 * @param listeners keep them the same between renders (`useMemo`), or they are taken off and put on again
 * @example
 * const { state } = useEvents(events, useMemo(() => ({ paid: ({ data }) => add(data) }), []));
 */
export function useEvents<Events>(
  events: ServerEvents<Events>,
  listeners?: EventsListeners<Events>,
): EventsSnapshot<Events> {
  useEffect(() => {
    const stops = Object.entries(listeners ?? {}).map(([type, listener]) =>
      events.on(type as keyof AllEvents<Events> & string, listener as () => unknown),
    );
    return () => stops.forEach((stop) => stop());
  }, [events, listeners]);
  return useSyncExternalStore(events.subscribe, events.getSnapshot, events.getSnapshot);
}

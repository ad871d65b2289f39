export { connectEvents } from './connect-events.js';
export type {
  AllEvents,
  ArrivingEvents,
  EventOf,
  EventsHeaders,
  EventsObserver,
  EventsOptions,
  EventsSnapshot,
  EventsState,
  ServerEventMap,
  ServerEvents,
  TypedEvent,
  UnitedTopics,
} from './types.js';

export { connectEvents } from './connect-events.js';
export type {
  AllEvents,
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

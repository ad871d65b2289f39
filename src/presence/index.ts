export { SsePresenceModule, type SsePresenceOptionsFactory } from './sse-presence.module.js';
export type { SsePresenceOptions } from './presence-options.js';
export {
  SsePresence,
  type PresenceEvents,
  type PresenceList,
  type PresenceMember,
} from './sse-presence.js';

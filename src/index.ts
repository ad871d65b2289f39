export { EventBus, EventBus as SseEventBus } from './bus/event-bus.js';
export { matching, type TopicMatcher } from './bus/matching.js';
export type { SnapshotReason, StreamOptions } from './bus/stream-options.js';
export type { ConnectionInfo, EndReason } from './delivery/connection-info.js';
export { SseConnections } from './delivery/sse-connections.js';
export { SseError, type SseErrorCode } from './errors.js';
export {
  Backplane,
  type BackplaneHealth,
  type History,
  LogSink,
  type PublishOptions,
} from './log/backplane.js';
export type { Cursor } from './log/cursor.js';
export type { EventRecord } from './log/entry.js';
export type { AnyEvents, GapData, GapReason, NewEvent, SseEvent } from './log/event.js';
export { MemoryBackplane } from './log/memory.backplane.js';
export type { SseModuleOptions } from './nest/options.js';
export { SseModule, type SseOptionsFactory } from './nest/sse.module.js';

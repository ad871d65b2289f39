export type { EventOptions } from './bus/event-options.js';
export { EventBus, EventBus as SseEventBus } from './bus/event-bus.js';
export { matching, type TopicMatcher } from './log/matching.js';
export type { SnapshotReason, StreamOptions } from './reader/stream-options.js';
export type {
  ConnectionInfo,
  EndedConnection,
  EndReason,
  LateError,
} from './delivery/connection-info.js';
export type { Identity } from './delivery/identity.js';
export type { LimitOptions } from './control/limit-options.js';
export type { ConnectionTarget } from './delivery/orders.js';
export { SseConnections } from './delivery/sse-connections.js';
export { SseError, type SseErrorCode } from './errors.js';
export {
  Backplane,
  type BackplaneHealth,
  type CatchUpOptions,
  type PublishOptions,
} from './backplane/backplane.js';
export type { BackplaneLogger } from './backplane/backplane-logger.js';
export { type History, LogSink } from './log/log-sink.js';
export type { TopicRetention } from './log/retention.js';
export {
  Archive,
  type ArchivedEvent,
  type ArchivePage,
  type ArchiveQuery,
  type ArchiveSize,
  type ArchiveStart,
  type ArchiveTopics,
} from './backplane/archive.js';
export type { CaughtUpData, ReadyData } from './reader/announcements.js';
export type { Cursor } from './log/cursor.js';
export type { EventRecord, ExceptedClients } from './log/entry.js';
export type { AnyEvents, GapData, GapReason, NewEvent, SseEvent } from './log/event.js';
export type { Jsonify } from './json.js';
export type { EventSchemas, StandardSchema } from './log/standard-schema.js';
export { MemoryBackplane } from './backplane/memory.backplane.js';
export type { Identify } from './nest/identification.js';
export { SseConnection } from './nest/sse-connection.js';
export type { SseModuleOptions, SseRouteOptions } from './nest/options.js';
export { NativeSse, SseOptions } from './nest/route.decorators.js';
export { SseEvents } from './nest/sse-events.decorator.js';
export type { EventShape, EventShapes } from './nest/event-shapes.js';
export { SseModule, type SseOptionsFactory } from './nest/sse.module.js';
export { isSseRoute } from './nest/http-context.js';

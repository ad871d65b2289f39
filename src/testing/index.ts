export {
  backplaneConformance,
  type BackplaneUnderTest,
  type ConformanceCheck,
} from './conformance.js';
export type { ConformanceOptions } from './conformance-bench.js';
export { connectSse, type ConnectSseOptions, SseTestClient } from './connect-sse.js';
export type { ReceivedEvent } from './event-queue.js';
export { type ConnectionPredicate, forceDrop, forceExpiry, forceGap } from './faults.js';
export {
  type PublishedEvent,
  RecordingBus,
  recordingBus,
  type RecordingBusOptions,
} from './recording-bus.js';

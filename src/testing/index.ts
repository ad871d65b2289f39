export {
  backplaneConformance,
  type BackplaneUnderTest,
  type ConformanceCheck,
} from './conformance.js';
export type { ConformanceOptions } from './conformance-bench.js';
export { connectSse, type ConnectSseOptions, SseTestClient } from './connect-sse.js';
export type { ReceivedEvent } from './event-queue.js';

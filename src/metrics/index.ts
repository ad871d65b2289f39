export { SseMetricsModule, type SseMetricsOptions } from './sse-metrics.module.js';
export {
  activeTraceparent,
  SseTracingModule,
  type SseTracingOptions,
} from './sse-tracing.module.js';
export { ignoreEventStreams } from './tracked-requests.js';

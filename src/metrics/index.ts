export { SseMetricsModule, type SseMetricsOptions } from './sse-metrics.module.js';
export { SseTracingModule, type SseTracingOptions } from './sse-tracing.module.js';

export { SseMetricsModule, type SseMetricsOptions } from './sse-metrics.module.js';

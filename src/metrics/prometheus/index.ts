export { SsePrometheusModule, type SsePrometheusOptions } from './sse-prometheus.module.js';

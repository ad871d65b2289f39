export { type ReadinessOptions, SseHealthIndicator } from './sse-health.indicator.js';

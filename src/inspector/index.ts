export { SseInspectorModule, type SseInspectorOptions } from './sse-inspector.module.js';

export { connectSse, type ConnectSseOptions, SseTestClient } from './connect-sse.js';
export type { ReceivedEvent } from './event-queue.js';

export {
  type ResumableStreamAcquisition,
  ResumableStreamError,
  type ResumableStreamStoreOptions,
  type RunStreamStore,
  resumableStreamStore,
} from './resumable-stream-store.js';
export {
  type DurableRequest,
  type RunDurability,
  type StreamDurabilityOptions,
  streamDurability,
} from './stream-durability.js';

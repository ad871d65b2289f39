export { activeTraceparent } from '../active-traceparent.js';
export { ignoreEventStreams } from '../tracked-requests.js';

import { parseCursor } from './cursor.js';
import { Entry } from './entry.js';

/** Said of an event that comes to a client, though not by a stream of the client's connection. */
export const STRAY_EVENT =
  'An event came to a client by a stream that is not tied to its connection, so the client is not told of ' +
  'its place by it, and what such a stream has while the client is away is lost on it. That is so for streams ' +
  'that clients share (share(), a Subject), and for those that are made in a constructor or a request-scoped ' +
  'provider and do not come to the client through operators alone. Let the handler call bus.stream() for ' +
  'each client, and return it, or what operators make of it';

/** Said of a stream that is still subscribed to when its connection has been torn down. */
export const OUTLIVED =
  'A stream outlived the connection that it was opened for, and was completed. Either it is kept, to be ' +
  'shared by several clients or by the background: open that outside of @Sse() handlers. Or what it comes ' +
  'through, an interceptor perhaps, does not hand on that it was unsubscribed from';

/** Whether a message is an event of the log, or names a cursor of it as its id. */
export function isOfLog(
  message: unknown,
  id: string,
  { epoch }: { readonly epoch: string },
): boolean {
  return Entry.of(message) !== undefined || parseCursor(id)?.epoch === epoch;
}

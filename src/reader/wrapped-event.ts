import { Entry } from '../log/entry.js';

/** Said of a message that wraps an event. */
export const WRAPPED_EVENT =
  'A message has a whole event for its data, with its id and type in it: clients get the data in a wrapper, and ' +
  'none that listens for the type gets it. If an interceptor wraps all answers, have it leave streams out: ' +
  'if (isSseRoute(context)) return next.handle(). An operator writes map((event) => ({ ...event, data: … }))';

/** Whether the data of a message is an event of the log, as it is. */
export function wrapsEvent(message: unknown): boolean {
  if (typeof message !== 'object' || message === null) return false;
  try {
    return Entry.of((message as { readonly data?: unknown }).data) !== undefined;
  } catch {
    // Whoever encodes it meets the same error, and reports it.
    return false;
  }
}

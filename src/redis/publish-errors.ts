import { messageOf, SseError } from '../errors.js';
import { withAdvice } from './refusals.js';

export function closedError(): SseError {
  return new SseError(
    'BACKPLANE_CLOSED',
    'Nothing can be published: the application has shut down, or close() was called',
  );
}

/** Redis was not to be reached in time. @param why what was last heard of it */
export function awayError(timeout: number, why?: string): SseError {
  const reason = why === undefined ? '' : ` (${withAdvice(why)})`;
  return new SseError(
    'BACKPLANE_UNAVAILABLE',
    `Redis has been away for ${timeout} ms${reason}, so the event was not published. Publish it again later; ` +
      "the backplane's health says when Redis is back",
  );
}

/** The event was sent, and no answer came. */
export function unknownError(cause: Error): SseError {
  return new SseError(
    'PUBLISH_OUTCOME_UNKNOWN',
    `Whether the event was published is not known: ${cause.message}. Publish with an idempotencyKey, then ` +
      'publishing it again cannot add it twice',
    { cause },
  );
}

/** Redis answered that it does not take the event. */
export function refusedError(cause: string | Error): SseError {
  return new SseError(
    'BACKPLANE_UNAVAILABLE',
    `Redis refused the event, so it was not published: ${withAdvice(messageOf(cause))}`,
    { cause },
  );
}

export function unreadableError(cause: Error): SseError {
  return new SseError(
    'BACKPLANE_UNAVAILABLE',
    `What is kept in Redis could not be read: ${withAdvice(cause.message)}`,
    { cause },
  );
}

export function tooManyError(count: number): SseError {
  return new SseError(
    'BACKPLANE_UNAVAILABLE',
    `${count} events wait for Redis already, so this one was not published. Await what you publish, or ` +
      'publish less while Redis is away',
  );
}

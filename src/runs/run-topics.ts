import { randomBytes } from 'node:crypto';
import { received, SseError } from '../errors.js';

/** Characters of a run's id: with what goes before it, it is a topic. */
const MAX_ID_LENGTH = 960;

/** What is known of all runs: who claimed them, and how they ended. */
export const REGISTRY_TOPIC = '$runs.keep';
/** That their owners are alive. */
export const OWNERS_TOPIC = '$runs-alive';

/** Where the events of a run are. These names hold for all instances, whatever their options are. */
export function topicOf(id: string): string {
  return `$run.whole.${id}`;
}

/**
 * Makes the key of a run's entries. It says how long the log keeps them after the last one, so that this goes with the
 * run; see `internalRetention`.
 *
 * @param keepFor milliseconds
 */
export function newToken(keepFor: number): string {
  return `${Math.ceil(keepFor)}~${randomBytes(12).toString('base64url')}`;
}

/** How long the log keeps what has that key, in milliseconds. */
export function keptFor(token: string): number {
  return Number.parseInt(token, 10);
}

/** @throws SseError `BAD_TOPIC` */
export function checkRunId(id: unknown): string {
  if (typeof id === 'string' && id !== '' && id.length <= MAX_ID_LENGTH && id.isWellFormed()) {
    return id;
  }
  throw new SseError(
    'BAD_TOPIC',
    `A run's id is a non-empty, well-formed string of at most ${MAX_ID_LENGTH} characters: received ${received(id)}`,
  );
}

import { received, SseError } from '../errors.js';

/** Who is connected, as the application says it. */
export interface Identity {
  /**
   * Whose connection it is, such as a user's id: what `closeEverywhere({ owner })` and `except` name. As each tag a
   * non-empty, well-formed string of at most 960 characters.
   */
  readonly owner?: string | undefined;
  /** When it ends (`ended.expired`); its client comes back and passes the guards again. Of a JWT: `new Date(exp * 1000)`. */
  readonly expiresAt?: Date | undefined;
  /** What else it can be found by. */
  readonly tags?: readonly string[] | undefined;
}

/** Characters of an owner and of a tag: instances tell each other of owners by keys that begin with a number. */
const MAX_LENGTH = 960;
const NAME = `a non-empty, well-formed string of at most ${MAX_LENGTH} characters`;
const KNOWN = ['owner', 'expiresAt', 'tags'];
export const NO_TAGS: readonly string[] = Object.freeze([]);

/** Who is at the other end of one connection, as far as it was said. */
export class ClientIdentity {
  owner: string | undefined;
  tags = NO_TAGS;
  /** Milliseconds since the Unix epoch, as tokens have it. */
  #expiresAt = Infinity;

  /**
   * What is said later replaces the owner and the expiry, and adds to the tags.
   *
   * @param source who said it, for messages
   * @throws SseError `BAD_OPTION`
   */
  add(identity: unknown, source: string): void {
    if (identity === undefined) return;
    const { owner, expiresAt, tags } = checkIdentity(identity, source);
    if (owner !== undefined) this.owner = owner;
    if (expiresAt !== undefined) this.#expiresAt = expiresAt.getTime();
    if (tags !== undefined) this.tags = Object.freeze([...new Set([...this.tags, ...tags])]);
  }

  /** @param time in milliseconds since the Unix epoch */
  isExpiredAt(time: number): boolean {
    return time >= this.#expiresAt;
  }
}

function checkIdentity(identity: unknown, source: string): Identity {
  const bad = (allowed: string, value: unknown) =>
    new SseError('BAD_OPTION', `${source}: ${allowed}; received ${received(value)}`);
  if (typeof identity !== 'object' || identity === null || Array.isArray(identity)) {
    throw bad('an identity is an object { owner?, expiresAt?, tags? }, or undefined', identity);
  }
  const unknown = Object.keys(identity).find((key) => !KNOWN.includes(key));
  if (unknown !== undefined) {
    throw bad('an identity is an object { owner?, expiresAt?, tags? }', unknown);
  }
  const { owner, expiresAt, tags } = identity as Record<keyof Identity, unknown>;
  if (owner !== undefined && !isName(owner)) {
    throw bad(`owner has to be ${NAME}, such as String(user.id)`, owner);
  }
  if (expiresAt !== undefined && !isDate(expiresAt)) {
    throw bad('expiresAt has to be a valid Date, such as new Date(exp * 1000) of a JWT', expiresAt);
  }
  if (tags !== undefined && !areTags(tags)) {
    throw bad(`tags have to be an array, each ${NAME}`, tags);
  }
  return { owner, expiresAt, tags };
}

function isDate(value: unknown): value is Date {
  return value instanceof Date && !Number.isNaN(value.getTime());
}

function areTags(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isName);
}

function isName(value: unknown): value is string {
  if (typeof value !== 'string' || value === '' || value.length > MAX_LENGTH) return false;
  return value.isWellFormed();
}

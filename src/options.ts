import { received, SseError } from './errors.js';

/** What a number may be. */
export interface NumberRule {
  readonly least: number;
  /** Whether `false` is allowed too, and what it means: off. */
  readonly mayBeOff?: true;
}

/** setTimeout takes no more. */
const MAX = 2 ** 31 - 1;

/**
 * Options as somebody gave them, of which every name is known. Each method reads one, and refuses what it
 * may not be with what was received and what is allowed: an SseError `BAD_OPTION`.
 */
export class GivenOptions {
  readonly #owner: string;
  readonly #prefix: string;
  readonly #given: Readonly<Record<string, unknown>>;

  /**
   * @param owner whose options they are, for messages
   * @param name of all of them, for messages
   * @param value undefined for none
   * @param prefix of the names of nested options, for messages
   * @throws SseError `BAD_OPTION`
   */
  constructor(owner: string, name: string, value: unknown, known: readonly string[], prefix = '') {
    this.#owner = owner;
    this.#prefix = prefix;
    this.#given = {};
    if (value === undefined) return;
    const allowed = `an object with ${known.join(', ')}`;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw bad(owner, name, allowed, received(value));
    }
    const unknown = Object.keys(value).find((key) => !known.includes(key));
    if (unknown !== undefined) throw bad(owner, name, allowed, `'${unknown}'`);
    this.#given = value as Record<string, unknown>;
  }

  /** Whose options they are. */
  get owner(): string {
    return this.#owner;
  }

  /** The options that one of them consists of. */
  nested(name: string, known: readonly string[]): GivenOptions {
    return new GivenOptions(this.#owner, name, this.get(name), known, `${name}.`);
  }

  get(name: string): unknown {
    return this.#given[name];
  }

  has(name: string): boolean {
    return this.#given[name] !== undefined;
  }

  number(
    name: string,
    fallback: number | false,
    rule: NumberRule & { mayBeOff: true },
    most?: number,
  ): number | false;
  number(name: string, fallback: number, rule: NumberRule, most?: number): number;
  number(name: string, fallback: number | false, rule: NumberRule, most = MAX): number | false {
    const value = this.get(name);
    if (value === undefined) return fallback;
    if (value === false && rule.mayBeOff === true) return false;
    const isAllowed = typeof value === 'number' && Number.isInteger(value);
    if (isAllowed && value >= rule.least && value <= most) return value;
    const off = rule.mayBeOff === true ? ', or false' : '';
    throw this.bad(name, `a whole number from ${rule.least} to ${most}${off}`);
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.get(name) ?? fallback;
    if (typeof value === 'boolean') return value;
    throw this.bad(name, 'true or false');
  }

  function(name: string): ((argument: unknown) => unknown) | undefined {
    const value = this.get(name);
    if (isOptionalFunction(value)) return value;
    throw this.bad(name, 'a function');
  }

  /** What to throw for an option that is not what is allowed; by default it says what was received. */
  bad(name: string, allowed: string, was = received(this.get(name))): SseError {
    return bad(this.#owner, `${this.#prefix}${name}`, allowed, was);
  }
}

function isOptionalFunction(value: unknown): value is ((argument: unknown) => unknown) | undefined {
  return value === undefined || typeof value === 'function';
}

function bad(owner: string, name: string, allowed: string, was: string): SseError {
  return new SseError('BAD_OPTION', `${owner}: ${name} has to be ${allowed}; received ${was}`);
}

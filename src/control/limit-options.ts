import type { GivenOptions } from '../options.js';

/** How many connections somebody may have, over all instances together. */
export interface LimitOptions {
  /**
   * Connections of one owner, as `identify` names it; false for any number. Who has no owner is not counted.
   *
   * @defaultValue false
   */
  readonly perOwner?: number | false | undefined;
  /**
   * Connections of one address: the client's, as far as the adapter's `trust proxy` goes, else the proxy's; false for
   * any number. Many people may share one.
   *
   * @defaultValue false
   */
  readonly perAddress?: number | false | undefined;
  /**
   * What becomes of one more: `'refuse'` tells it to come back much later; `'closeOldest'` lets it in, and ends the oldest
   * of them in its place, with an event `closed` of `{ reason: 'replaced' }`.
   *
   * @defaultValue 'refuse'
   */
  readonly then?: 'refuse' | 'closeOldest' | undefined;
  /**
   * Milliseconds for which the connections of an instance count that is not heard of any more.
   *
   * @defaultValue 10_000
   */
  readonly lease?: number | undefined;
}

/** {@link LimitOptions}, complete. */
export interface ResolvedLimits {
  readonly perOwner: number | false;
  readonly perAddress: number | false;
  readonly then: 'refuse' | 'closeOldest';
  readonly lease: number;
}

const KNOWN = ['perOwner', 'perAddress', 'then', 'lease'];
/** An instance that is busy for so long is not dead. */
const LEAST_LEASE = 300;

/**
 * @returns undefined if there is no limit
 * @throws SseError `BAD_OPTION`
 */
export function limitOptions(options: GivenOptions): ResolvedLimits | undefined {
  if (!options.has('limits')) return undefined;
  const given = options.nested('limits', KNOWN);
  const number = { least: 1, mayBeOff: true } as const;
  const then = given.get('then') ?? 'refuse';
  if (then !== 'refuse' && then !== 'closeOldest') {
    throw given.bad('then', "'refuse' or 'closeOldest'");
  }
  const limits = Object.freeze({
    perOwner: given.number('perOwner', false, number),
    perAddress: given.number('perAddress', false, number),
    then,
    lease: given.number('lease', 10_000, { least: LEAST_LEASE }),
  });
  if (limits.perOwner !== false || limits.perAddress !== false) return limits;
  throw options.bad('limits', 'an object with perOwner or perAddress, or both');
}

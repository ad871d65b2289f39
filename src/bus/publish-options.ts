import type { PublishOptions } from '../backplane/backplane.js';
import { GivenOptions } from '../options.js';

/**
 * @param owner who was asked to publish, for messages
 * @param others what else it takes, besides the options of every publish
 * @throws SseError `BAD_OPTION`
 */
export function checkPublishOptions(
  owner: string,
  options: PublishOptions,
  others: readonly string[] = [],
): GivenOptions {
  const given = new GivenOptions(owner, 'options', options, ['idempotencyKey', ...others]);
  const key = given.get('idempotencyKey');
  if (key !== undefined && typeof key !== 'string') throw given.bad('idempotencyKey', 'a string');
  return given;
}

import type { PublishOptions } from '../backplane/backplane.js';
import { GivenOptions } from '../options.js';

/**
 * @param owner who was asked to publish, for messages
 * @throws SseError `BAD_OPTION`
 */
export function checkPublishOptions(owner: string, options: PublishOptions | undefined): void {
  if (options === undefined) return;
  const given = new GivenOptions(owner, 'options', options, ['idempotencyKey']);
  const key = given.get('idempotencyKey');
  if (key !== undefined && typeof key !== 'string') throw given.bad('idempotencyKey', 'a string');
}

import type { PublishOptions } from '../backplane/backplane.js';
import type { ExceptedClients } from '../log/entry.js';
import type { GivenOptions } from '../options.js';

/** Beside what the backplane is told: who does not get the event. */
export interface EventOptions extends PublishOptions {
  /**
   * Everybody but these: the connections of an owner, or one connection, on whichever instance they are. Their cursors
   * move on all the same. It is for clients of `@Sse()` handlers; a subscriber of your own gets it.
   */
  readonly except?: ExceptedClients | undefined;
}

/** @throws SseError `BAD_OPTION` */
export function exceptedBy(given: GivenOptions): ExceptedClients | undefined {
  if (!given.has('except')) return undefined;
  const except = given.nested('except', ['connection', 'owner']);
  const names = ['connection', 'owner'].filter((name) => except.has(name));
  if (names.length === 0) throw given.bad('except', '{ connection } or { owner }');
  return Object.freeze(Object.fromEntries(names.map((name) => [name, nameIn(except, name)])));
}

function nameIn(except: GivenOptions, name: string): string {
  const value = except.get(name);
  if (typeof value === 'string' && value !== '') return value;
  throw except.bad(name, 'a non-empty string');
}

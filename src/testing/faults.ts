import type { INestApplication } from '@nestjs/common';
import { Backplane } from '../backplane/backplane.js';
import { MemoryBackplane } from '../backplane/memory.backplane.js';
import type { Connection } from '../delivery/connection.js';
import type { ConnectionInfo } from '../delivery/connection-info.js';
import { Connections } from '../delivery/connections.js';
import { destroy } from '../delivery/http.js';
import { Log } from '../log/log.js';

/** Which of the open connections. */
export type ConnectionPredicate = (connection: ConnectionInfo) => boolean;

/**
 * Loses an event that nobody was sent: every client that is connected, or comes back with a cursor from before, is
 * told of a gap.
 *
 * @throws Error if the application has a backplane other than the one in memory
 * @example
 * forceGap(app);
 * await client.next('gap');
 */
export function forceGap(app: INestApplication): void {
  const backplane = app.get(Backplane);
  if (!(backplane instanceof MemoryBackplane)) {
    throw new Error(
      `forceGap() needs the backplane in memory, and this application has a ${backplane.constructor.name}. Write ` +
        '.overrideProvider(Backplane).useValue(new MemoryBackplane())',
    );
  }
  const log = app.get(Log, { strict: false });
  log.lose(log.head + 1);
}

/**
 * Cuts connections as a network does: without an end of the response. Their clients come back; what was not sent is not
 * lost.
 *
 * @returns how many it were
 * @throws Error if there is no such connection
 * @example forceDrop(app, ({ owner }) => owner === 'ada');
 */
export function forceDrop(app: INestApplication, which?: ConnectionPredicate): number {
  return forEach('forceDrop()', app, which, ({ response }) => destroy(response));
}

/**
 * Ends connections as if their `expiresAt` had come: their clients come back and pass the guards anew. Counted as
 * `expired`.
 *
 * @returns how many it were
 * @throws Error if there is no such connection
 * @example
 * sessions.revoke('ada');
 * forceExpiry(app);
 */
export function forceExpiry(app: INestApplication, which?: ConnectionPredicate): number {
  return forEach('forceExpiry()', app, which, (connection) => connection.end('expired'));
}

function forEach(
  what: string,
  app: INestApplication,
  which: ConnectionPredicate = () => true,
  act: (connection: Connection) => void,
): number {
  const { connections } = app.get(Connections, { strict: false });
  const open = [...connections];
  const selected = open.filter(({ info }) => which(info));
  if (selected.length === 0) {
    const routes = open.map(({ info }) => info.route).join(', ');
    throw new Error(`${what}: no connection is meant; open are: ${routes || 'none'}`);
  }
  selected.forEach(act);
  return selected.length;
}

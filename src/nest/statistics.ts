import type { EventBus } from '../bus/event-bus.js';
import type { Connections } from '../delivery/connections.js';
import type { Backplane } from '../backplane/backplane.js';
import { SseError } from '../errors.js';
import type { Log } from '../log/log.js';
import type { TurnScheduler } from '../log/turn-scheduler.js';
import type { ResolvedOptions } from './options.js';

/** What the subpaths that look at a running application read, and are told of: all that an instance consists of. */
export class Statistics {
  constructor(
    readonly bus: EventBus,
    readonly connections: Connections,
    readonly log: Log,
    readonly backplane: Backplane,
    readonly turn: TurnScheduler,
    readonly options: ResolvedOptions,
  ) {}

  /**
   * Those of the application.
   *
   * @param reader which module needs them, for messages
   * @throws SseError `MODULE_WITHOUT_OPTIONS`
   */
  static of(found: Statistics | undefined, reader: string): Statistics {
    if (found !== undefined) return found;
    throw new SseError(
      'MODULE_WITHOUT_OPTIONS',
      `${reader} has nothing to look at: import SseModule.forRoot() in the root module as well`,
    );
  }
}

import type { ArrivingEvents, EventOf, UnitedTopics } from '../types.js';
import { type GivenTopics, unitedBy } from './united.js';

/** Which topics a tab shows, and to which an event belongs. */
export interface UniteTopicsOptions<Events> {
  /**
   * The parameter of the URL that lists the topics, separated by commas: `topics` for `/feeds?topics=news,sports`. The server
   * has to read it so.
   */
  readonly parameter: string;
  /**
   * To which topics of that list an event belongs; `undefined` for all tabs. If it throws, that is reported, and the event is
   * for all tabs as well. It is not asked about what the server itself tells, such as `gap`: that is for all.
   */
  readonly topicsOf: (
    event: EventOf<ArrivingEvents<Events>>,
  ) => string | readonly string[] | undefined;
  /**
   * Who may share, as a string given for `share`. Leave it out where nobody else can sign in meanwhile, as with `share: true`.
   */
  readonly user?: string | undefined;
}

/**
 * Tabs whose URLs differ by a list of topics have one connection, which asks for the topics of all; each tab dispatches what is
 * of its own. Where the server grants to a tab what it does not grant in one request, that tab has a connection of its own.
 *
 * @example
 * const share = uniteTopics<FeedEvents>({ user, parameter: 'topics', topicsOf: ({ data }) => data.feed });
 * const events = connectEvents<FeedEvents>('/feeds?topics=news,sports', { share });
 */
export function uniteTopics<Events extends object = Record<string, unknown>>(
  options: UniteTopicsOptions<Events>,
): UnitedTopics {
  // What events are, only the application knows.
  return { unite: unitedBy(options as unknown as GivenTopics) };
}

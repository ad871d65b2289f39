import { openFeed } from './feed.js';
import { iterate } from './iterate.js';
import { type Link, openLink } from './link.js';
import type { EventsOptions, ServerEvents } from './types.js';

/**
 * Connects to an SSE route, and stays connected: what may pass is tried again, from the cursor up to which
 * events were dispatched. In a browser tabs can share one connection.
 *
 * @throws TypeError for a URL that is not one, such as a relative one where there is no page; for a `resumable` request
 * whose body is a stream, which can be read once: give a text, a `Blob` or the like
 * @example
 * const events = connectEvents<ShopEvents>('/orders', { share: true });
 * events.on('paid', ({ data, id }) => show(data, id));
 * events.onGap(async () => showAll(await fetchOrders()));
 */
export function connectEvents<Events extends object = Record<string, unknown>>(
  url: string | URL,
  { share, lastEventId = '', ...options }: EventsOptions = {},
): ServerEvents<Events> {
  if (options.resumable && Symbol.asyncIterator in Object(options.body)) {
    throw TypeError('A stream body is not resumable');
  }
  const { location, navigator } = globalThis as BrowserScope;
  let target = new URL(url, location);
  let link: Link | undefined;
  const feed = openFeed(lastEventId, () => {
    link?.close();
    link = undefined;
  });
  const { on, observe } = feed;

  const open = (openLinkTo: typeof openLink) => {
    if (feed.snapshot.state !== 'closed') link = openLinkTo(target, options, feed);
  };
  if (share && navigator?.locks && /^get$/i.test(options.method ?? 'get')) {
    // Who cannot load it, does without.
    void import('./share.js').then(
      ({ sharedBy }) => open(sharedBy(share, openLink)),
      () => open(openLink),
    );
  } else open(openLink);

  const events = {
    get state() {
      return feed.snapshot.state;
    },
    get lastEventId() {
      return feed.cursor;
    },
    on,
    onGap: (refetch: (gap: unknown) => unknown) => on('gap', ({ data }) => refetch(data)),
    update({ url = target, query }: Parameters<ServerEvents<Events>['update']>[0]) {
      target = new URL(url, target);
      if (query) target.search = String(new URLSearchParams(query));
      link?.move(target);
    },
    close: () => feed.end(),
    subscribe: feed.watch,
    getSnapshot: () => feed.snapshot,
    '@@observable': () => ({
      subscribe: (observer: Parameters<typeof observe>[0]) => ({ unsubscribe: observe(observer) }),
    }),
    [Symbol.asyncIterator]: () => iterate(feed),
  };
  // What events are, only the application knows.
  return events as unknown as ServerEvents<Events>;
}

/** What only browsers have. */
interface BrowserScope {
  readonly location?: URL;
  readonly navigator?: { readonly locks?: unknown };
}

import type { IncomingHttpHeaders } from 'node:http';

/** What a page of another origin cannot send along without being asked first (Fetch, "CORS-preflight fetch"). */
export const OWN_HEADER = 'x-event-inspector';

const LOCAL = /^(localhost|[\w-]+\.localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/i;

/**
 * Who may ask, beside those that a guard lets in. Sites may share an address with this one by a name of their own
 * (DNS rebinding), and applications may answer all origins: neither is to read the log or to publish by somebody's browser.
 */
export class Access {
  readonly #isGuarded: boolean;

  constructor(isGuarded: boolean) {
    this.#isGuarded = isGuarded;
  }

  /** Why the page may not be seen; undefined if it may. */
  toPage({ host = '' }: IncomingHttpHeaders): string | undefined {
    if (this.#isGuarded || LOCAL.test(host)) return undefined;
    return (
      'Without a guard the inspector answers on localhost only: ' +
      'SseInspectorModule.forRoot({ guard: AdminGuard }) lets others in'
    );
  }

  /** Why what is on the page may not be read. */
  toData(headers: IncomingHttpHeaders): string | undefined {
    if (headers[OWN_HEADER] === undefined || !isSameOrigin(headers)) {
      return 'Only the page of the inspector may ask this';
    }
    return this.toPage(headers);
  }

  /** Why something may not be done. */
  toAction(headers: IncomingHttpHeaders): string | undefined {
    const type = headers['content-type'] ?? '';
    if (!/^application\/json(;|$)/i.test(type)) return 'Only application/json is taken';
    return this.toData(headers);
  }
}

/** Browsers say where a request comes from; older ones say it of those that do something. */
function isSameOrigin({ origin, host, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  if (site !== undefined) return site === 'same-origin';
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}

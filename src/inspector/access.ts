import type { IncomingHttpHeaders } from 'node:http';

/** What a page of another origin cannot send along without being asked first (Fetch, "CORS-preflight fetch"). */
export const OWN_HEADER = 'x-event-inspector';

/** Of a request, on either adapter, what says where it comes from. */
export interface InspectorRequest {
  readonly url: string;
  readonly headers: IncomingHttpHeaders & { readonly ':authority'?: string };
  readonly socket: { readonly remoteAddress?: string | undefined };
}

const LOCAL_HOST = /^(localhost|[\w-]+\.localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/i;
const LOOPBACK = /^(::1|(::ffff:)?127(\.\d+){3})$/;
/** What proxies add, so that who asks is not who has connected. */
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

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
  toPage(request: InspectorRequest): string | undefined {
    if (this.#isGuarded || isLocal(request)) return undefined;
    return (
      'Without a guard the inspector answers only this machine, on localhost and without a proxy: ' +
      'SseInspectorModule.forRoot({ guard: AdminGuard }) lets others in'
    );
  }

  /** Why what is on the page may not be read. */
  toData(request: InspectorRequest): string | undefined {
    if (request.headers[OWN_HEADER] === undefined || !isSameOrigin(request)) {
      return 'Only the page of the inspector may ask this';
    }
    return this.toPage(request);
  }

  /** Why something may not be done. */
  toAction(request: InspectorRequest): string | undefined {
    const type = request.headers['content-type'] ?? '';
    if (!/^application\/json(;|$)/i.test(type)) return 'Only application/json is taken';
    return this.toData(request);
  }
}

function isLocal({ headers, socket }: InspectorRequest): boolean {
  return (
    LOCAL_HOST.test(hostOf(headers)) &&
    LOOPBACK.test(socket.remoteAddress ?? '') &&
    FORWARDED.every((name) => headers[name] === undefined)
  );
}

/** Browsers say where a request comes from; older ones say it of those that do something. */
function isSameOrigin({ headers }: InspectorRequest): boolean {
  const { origin, 'sec-fetch-site': site } = headers;
  if (site !== undefined) return site === 'same-origin';
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === hostOf(headers);
}

/** HTTP/2 has it in a field of its own. */
function hostOf({ host, ':authority': authority }: InspectorRequest['headers']): string {
  return host ?? authority ?? '';
}

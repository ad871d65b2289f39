import { type Frame, frameReader } from './frames.js';
import type { EventsOptions, EventsState } from './types.js';

/** Who takes what a link receives. */
export interface Sink {
  /** Where to go on from; '' for where the server begins. */
  readonly cursor: string;
  /** Whether a response that ends now is the end of it all. */
  readonly isOver: boolean;
  /**
   * The link reads on when it resolves, and starts anew at the cursor when it rejects.
   *
   * @param request aborted when the frames are no longer wanted
   */
  take(frames: readonly Frame[], request: AbortSignal): Promise<void>;
  /** @param quiet milliseconds for which nothing may come from a link that is well */
  change(state: EventsState, quiet: number, error?: Error): void;
  end(error?: Error): void;
}

/** What brings events to a sink until it is closed. */
export interface Link {
  move(url: URL): void;
  close(): void;
}

/** Milliseconds for which a silent connection is given another look. */
const GRACE = 500;
const LONGEST_DELAY = 30_000;
/** A timer that is given more fires at once. */
const LONGEST_TIMER = 1e9;
/** In the place of a delay: at once, and no failure. */
const AGAIN = false;

/** Sends one request after the other, until the server or the user has had enough. */
export function openLink(url: URL, options: EventsOptions, sink: Sink): Link {
  const { headers, resumable, fetch: send = fetch, heartbeatInterval = 30_000, ...init } = options;
  let { retry = 3_000 } = options;
  /** `fetch` refuses a GET with a body. */
  const mayRepeat = (init.body == null && /^get$/i.test(init.method ?? 'get')) || resumable;
  const closed = new AbortController();
  let interval = heartbeatInterval;
  let refused: number | undefined;
  let failures = 0;
  /** 0 while the sink is busy. */
  let seenAt: number;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** Ends the request or the wait that is under way. */
  let cut: (error?: Error) => void;
  /** What it is to the request or the wait that the network may be back. */
  let wake: () => void;

  const silence = () => (interval || Infinity) * 2.5;

  /** A tab that was frozen finds its bytes waiting: only who is silent in the grace too is dead. */
  const look = (isLate?: boolean): void => {
    clearTimeout(timer);
    const now = Date.now();
    // A clock that was set back would hide a silence.
    const left = ((seenAt = Math.min(seenAt, now)) || Infinity) + silence() - now;
    if (left <= 0 && isLate) cut(Error('The server is silent'));
    else timer = setTimeout(look, Math.min(Math.max(left, GRACE), LONGEST_TIMER), left <= 0);
  };

  /** Resolves with how long the server wants the client to wait. */
  const attempt = async (request: AbortSignal): Promise<number | false> => {
    const isCut = () => request.aborted;
    const sent = new Headers(typeof headers === 'function' ? await headers(refused) : headers);
    sent.set('accept', 'text/event-stream,*/*');
    // As an EventSource sends it; a header holds bytes.
    if (sink.cursor)
      sent.set('last-event-id', String.fromCharCode(...new TextEncoder().encode(sink.cursor)));
    const {
      status,
      body,
      headers: given,
    } = await send(url, {
      cache: 'no-store',
      ...init,
      headers: sent,
      signal: request,
    } as RequestInit);
    const type = given.get('content-type') ?? '';
    if (isCut()) return AGAIN;
    if (status === 200 && body && /^text\/event-stream/i.test(type)) {
      refused = undefined;
      interval = +(given.get('sse-heartbeat-interval') ?? heartbeatInterval);
      sink.change('live', silence());
      const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader();
      const framesIn = frameReader((asked) => (retry = asked));
      for (;;) {
        const { value } = await reader.read();
        if (isCut()) return AGAIN;
        if (!value) break;
        seenAt = 0;
        await sink.take(framesIn(value), request);
        if (isCut()) return AGAIN;
        failures = 0;
        seenAt = Date.now();
        look();
      }
      if (sink.isOver || !mayRepeat) sink.end();
      return 0;
    }
    if (/^40[13]/.test(`${status}`) && !refused && typeof headers === 'function') {
      refused = status;
      return AGAIN;
    }
    const after = given.get('retry-after') ?? '';
    const error = Object.assign(Error(`The server answered ${status} ${type}`), {
      status,
      wait: +after * 1_000 || Date.parse(after) - Date.now() || 0,
    });
    if (status === 204) sink.end();
    else if (/^4(?!29)/.test(`${status}`)) sink.end(error);
    throw error;
  };

  const run = async (): Promise<void> => {
    while (!closed.signal.aborted) {
      const request = new AbortController();
      seenAt = Date.now();
      let error: Failure | undefined;
      const asked = await new Promise<number | false>((resolve, reject) => {
        cut = (silence) => {
          // At once: of the frames that have already come none may follow.
          request.abort();
          error = silence;
          resolve(AGAIN);
        };
        wake = look;
        look();
        sink.change('connecting', silence());
        // Who is told may have had enough, or want it elsewhere.
        if (!request.signal.aborted) attempt(request.signal).then(resolve, reject);
      }).catch((cause: unknown) => (error = Object(cause) as Failure).wait);
      request.abort();
      clearTimeout(timer);
      if (error && !mayRepeat) {
        sink.end(error);
        return;
      }
      if (asked === AGAIN) continue;
      const ideal = Math.min(Math.max(retry, LONGEST_DELAY), Math.max(retry, 1) * 2 ** failures++);
      const wait = Math.min(Math.max(asked ?? 0, ideal * (Math.random() + 0.5)), LONGEST_TIMER);
      await new Promise<unknown>((resolve) => {
        cut = resolve;
        timer = setTimeout(resolve, wait);
        // What a server has asked for is not for a tab to shorten.
        wake = asked === undefined ? cut : () => {};
        sink.change('waiting', wait, error);
      });
      clearTimeout(timer);
    }
  };

  // The controller is the options: those who listen look for its signal there.
  const scope = globalThis as Partial<EventTarget>;
  for (const type of ['online', 'visibilitychange', 'pageshow']) {
    scope.addEventListener?.(type, () => wake(), closed);
  }
  void run();
  return {
    move(to) {
      url = to;
      failures = 0;
      cut();
    },
    close() {
      closed.abort();
      cut();
    },
  };
}

interface Failure extends Error {
  /** Milliseconds, if they are a number; none of a network that fails. */
  readonly wait?: number;
}

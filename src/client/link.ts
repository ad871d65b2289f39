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
  change(state: EventsState, error: Error | undefined, quiet: number): void;
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
const AGAIN = -1;

/** Sends one request after the other, until the server or the user has had enough. */
export function openLink(url: URL, options: EventsOptions, sink: Sink): Link {
  const { headers, resumable, fetch: send = fetch, heartbeatInterval = 30_000, ...init } = options;
  let { retry = 3_000 } = options;
  const mayRepeat = resumable === true || /^get$/i.test(init.method ?? 'get');
  const closed = new AbortController();
  const isClosed = () => closed.signal.aborted;
  let interval = heartbeatInterval;
  let failures = 0;
  let refused: number | undefined;
  /** 0 while the sink is busy. */
  let seenAt: number;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** Ends the request or the wait that is under way. */
  let cut: (isWanted?: boolean) => void;
  /** Whether the present wait is for a network that failed. */
  let canWake = false;

  const silence = () => (interval || Infinity) * 2.5;

  /** A tab that was frozen finds its bytes waiting: only who is silent in the grace too is dead. */
  const look = (isLate?: boolean): void => {
    clearTimeout(timer);
    const now = Date.now();
    // A clock that was set back would hide a silence.
    const left = ((seenAt = Math.min(seenAt, now)) || Infinity) + silence() - now;
    if (left <= 0 && isLate) cut();
    else timer = setTimeout(look, Math.min(Math.max(left, GRACE), LONGEST_TIMER), left <= 0);
  };

  const onSign = () => {
    seenAt = Date.now();
    look();
  };

  /** Resolves with how long the server wants the client to wait. */
  const attempt = async (request: AbortSignal): Promise<number> => {
    const isCut = () => request.aborted;
    const sent = new Headers(typeof headers === 'function' ? await headers(refused) : headers);
    sent.set('accept', 'text/event-stream');
    if (sink.cursor) sent.set('last-event-id', sink.cursor);
    const all = { cache: 'no-store', ...init, headers: sent, signal: request };
    const { status, body, headers: given } = await send(url, all);
    const told = (name: string) => given.get(name) ?? '';
    const type = told('content-type');
    if (isCut()) return AGAIN;
    if (status === 200 && body && /^text\/event-stream/i.test(type)) {
      refused = undefined;
      interval = +(told('sse-heartbeat-interval') || heartbeatInterval);
      sink.change('live', undefined, silence());
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
        onSign();
      }
      if (sink.isOver || !mayRepeat) sink.end();
      return 0;
    }
    if ((status === 401 || status === 403) && !refused && typeof headers === 'function') {
      refused = status;
      return AGAIN;
    }
    const after = told('retry-after');
    const error = failure(`The server answered ${status} ${type}`, {
      status,
      wait: +after * 1_000 || Date.parse(after) - Date.now() || 0,
    });
    if (status === 204) sink.end();
    else if (/^4(?!29)/.test(String(status))) sink.end(error);
    throw error;
  };

  const run = async (): Promise<void> => {
    while (!isClosed()) {
      const request = new AbortController();
      let error: Failure | undefined;
      const asked = await new Promise<number>((resolve, reject) => {
        cut = (isWanted) => {
          // At once: of the frames that have already come none may follow.
          request.abort();
          if (isWanted) resolve(AGAIN);
          else reject(failure('The server is silent', { wait: AGAIN }));
        };
        onSign();
        sink.change('connecting', undefined, silence());
        // Who is told may have had enough, or want it elsewhere.
        if (!request.signal.aborted) attempt(request.signal).then(resolve, reject);
      }).catch((cause: unknown) => (error = Object(cause) as Failure).wait);
      request.abort();
      clearTimeout(timer);
      if (error && !mayRepeat) sink.end(error);
      if (asked === AGAIN || isClosed()) continue;
      const ideal = Math.min(Math.max(retry, LONGEST_DELAY), (retry || 1) * 2 ** failures++);
      const wait = Math.min(Math.max(asked ?? 0, ideal * (0.5 + Math.random())), LONGEST_TIMER);
      await new Promise<unknown>((resolve) => {
        cut = resolve;
        timer = setTimeout(resolve, wait);
        // What a server has asked for is not for a tab to shorten.
        canWake = asked === undefined;
        sink.change('waiting', error, wait);
      });
      canWake = false;
      clearTimeout(timer);
    }
  };

  // The controller is the options: those who listen look for its signal there.
  const scope = globalThis as Partial<EventTarget>;
  for (const type of ['online', 'visibilitychange', 'pageshow']) {
    scope.addEventListener?.(type, () => (canWake ? cut(true) : look()), closed);
  }
  void run();
  return {
    move(to) {
      url = to;
      failures = 0;
      cut(true);
    },
    close() {
      closed.abort();
      cut(true);
    },
  };
}

interface Failure extends Error {
  /** Milliseconds, or `AGAIN`; none of a network that fails. */
  readonly wait?: number;
}

function failure(message: string, details: object): Error {
  return Object.assign(Error(message), details);
}

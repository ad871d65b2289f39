import type { Frame } from './frames.js';
import type { Link, openLink, Sink } from './link.js';
import type { EventsOptions, EventsState, UnitedTopics } from './types.js';

/** What the tab that holds the lock tells the others; `true` of another tab asks it to. */
type Message = true | Told;

interface Told {
  /** Where it was before these frames: who is not behind that cursor misses nothing. */
  readonly from: string;
  readonly frames: readonly Frame[];
  readonly state?: EventsState | undefined;
  /** Milliseconds after which a silence means that it is dead or frozen. */
  readonly quiet: number;
  /** What its connection asks for, where tabs have a scope. */
  readonly asked?: string | undefined;
}

/** What the connections of tabs ask for, where that is not the same for all. */
export interface Scope {
  /** What this tab's own connection asks for. */
  readonly asked: string;
  /** Called before anything else. */
  enter(name: string): void;
  /** Whether a connection that asks for this brings all that this tab shows. */
  isIn(asked: string | undefined): boolean;
  /** Asks for what all tabs show from now on. Never rejects. */
  unite(): Promise<void>;
}

/** How `UnitedTopics` open links. */
export type Unite = (open: typeof openLink, share: typeof sharedBy) => typeof openLink;

/** Of Web Locks, what is needed here. */
interface LockManager {
  request(
    name: string,
    options: { readonly signal?: AbortSignal; readonly steal?: boolean },
    hold: () => Promise<unknown> | undefined,
  ): Promise<void>;
}

declare const navigator: { readonly locks: LockManager };

/** Messages that a tab keeps while it fetches its state; with more, it reads by itself what is missing. */
const MOST_WAITING = 1_000;
const GRACE = 500;
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * Makes links of which one per user and URL has a connection: Web Locks choose its tab, which hands on what it
 * receives with its cursors. A tab whose cursor that does not cover, a new one or one that was frozen, has a
 * connection of its own until it does.
 */
export function sharedBy(
  share: boolean | string | UnitedTopics,
  open: typeof openLink,
  scope?: Scope,
): typeof openLink {
  if (typeof share === 'object') return (share.unite as Unite)(open, sharedBy);
  return (url, options, sink) => {
    let member: Link | undefined;
    let round = 0;
    const join = async () => {
      const mine = ++round;
      const name = await Promise.race([nameOf(url, options, share), tooLate()]).catch(() => '');
      if (mine !== round) return;
      const openFor = (own: Sink) => open(url, options, own);
      // Who does not know whose events it shows, or may not, shares them with nobody.
      try {
        scope?.enter(name);
        member = name ? joinTabs(name, openFor, sink, scope) : openFor(sink);
      } catch {
        member = openFor(sink);
      }
    };
    const leave = () => {
      round++;
      member?.close();
    };
    void join();
    return {
      move(to) {
        leave();
        url = to;
        void join();
      },
      close: leave,
    };
  };
}

/** Rejects when headers that are asked for have not come for long. */
function tooLate(): Promise<never> {
  return new Promise((_, reject) => {
    AbortSignal.timeout(30_000).onabort = reject;
  });
}

/** @throws Error where storage is denied to the page */
function joinTabs(name: string, open: (own: Sink) => Link, sink: Sink, scope?: Scope): Link {
  const channel = new BroadcastChannel(name);
  let isClosed = false;
  let isLeader = false;
  let own: Link | undefined;
  let queue = new AbortController();
  let following = new AbortController();
  /** Of its own connection; without one it counts as live. */
  let state: EventsState = 'live';
  let quiet = 0;
  const quietIn = patience();
  const tell = (frames: readonly Frame[], to?: EventsState) =>
    post(channel, { from: sink.cursor, frames, state: to, quiet, asked: scope?.asked });

  /** Receives by itself, from its own cursor. */
  const leadOrCatchUp = (): void => {
    following.abort();
    if (sink.isOver) sink.end();
    else own ??= open(ownSink);
  };
  // What cannot be understood hides what it should have brought.
  const inTurn = oneByOne(leadOrCatchUp);

  const ownSink: Sink = {
    get cursor() {
      return sink.cursor;
    },
    get isOver() {
      return sink.isOver;
    },
    async take(frames, request) {
      if (isLeader) tell(frames);
      await sink.take(frames, request);
      if (!isLeader) post(channel, true);
    },
    change(to, limit, error) {
      quiet = quietIn(state, to, limit, error);
      state = to;
      sink.change(to, limit, error);
      if (isLeader) tell([], state);
    },
    end: (error) => sink.end(error),
  };

  const reachAll = async (): Promise<void> => {
    await scope?.unite();
    if (!isLeader || isClosed) return;
    leadOrCatchUp();
    tell([], state);
  };
  const lead = (isStealing?: boolean): void => {
    const onTurn = (isElected: boolean): void => {
      isLeader = isElected;
      if (!isLeader) return;
      watch();
      void reachAll();
    };
    queue = new AbortController();
    compete(name, queue.signal, onTurn, isStealing);
  };

  const watch = silenceTimer(() => {
    queue.abort();
    leadOrCatchUp();
    lead(true);
  });
  const follow = async (message: Told): Promise<void> => {
    const { from, frames, state: told, quiet: limit, asked } = message;
    if (isLeader || isClosed) return;
    if (!covers(from, sink.cursor) || scope?.isIn(asked) === false) {
      leadOrCatchUp();
      return;
    }
    if (own) {
      // What it has is worth more than what the other one may get.
      if (state === 'live' && told && told !== 'live') return;
      own.close();
      own = undefined;
      following = new AbortController();
      state = 'live';
      sink.change(state, limit);
    }
    if (told) sink.change(told, limit);
    await sink.take(newOf(frames, from, sink.cursor), following.signal).catch(leadOrCatchUp);
  };

  channel.onmessage = ({ data }: { data: unknown }) => {
    const message = data as Message;
    if (message === true) {
      if (isLeader) void reachAll();
    } else if (!isLeader && isTold(message)) {
      watch(message.quiet);
      inTurn(() => follow(message));
    }
  };
  lead();
  leadOrCatchUp();
  return {
    move() {},
    close() {
      isClosed = true;
      queue.abort();
      following.abort();
      watch();
      own?.close();
      channel.close();
    },
  };
}

function post(channel: InstanceType<typeof BroadcastChannel>, message: Message): void {
  try {
    channel.postMessage(message);
  } catch {
    // Whoever is told nothing goes on without this tab.
  }
}

/** Tells, at each change of its connection, for how many milliseconds a tab that leads may be silent. */
function patience(): (from: EventsState, to: EventsState, limit: number, error?: Error) => number {
  /** How long a request may be silent. */
  let silence = 0;
  /** When the server was last heard of, or is to be asked again. */
  let answeredAt = 0;
  return (from, to, limit, error) => {
    const now = Date.now();
    if (to === 'live' || from === 'live') answeredAt = now;
    if (to !== 'waiting') silence = limit;
    // How long the server wants it to wait is the same for all tabs; that it cannot be asked is not.
    else if (!error || 'wait' in error) answeredAt = now + limit;
    return Math.max(answeredAt + silence - now, 1);
  };
}

/** Waits for the lock of that name and holds it, again when another tab takes it away, until the signal says so. */
function compete(
  name: string,
  signal: AbortSignal,
  onTurn: (isElected: boolean) => void,
  isStealing?: boolean,
): void {
  const hold = () => {
    // Granted in the moment of leaving.
    if (signal.aborted) return undefined;
    onTurn(true);
    return new Promise<unknown>((resolve) => (signal.onabort = resolve));
  };
  const lost = () => {
    if (signal.aborted) return;
    onTurn(false);
    compete(name, signal, onTurn);
  };
  navigator.locks
    .request(name, isStealing ? { steal: true } : { signal }, hold)
    // Where locks are denied, each tab goes on by itself: asking again would never end.
    .then(lost, (fault: unknown) => ((fault as Error).name === 'AbortError' ? lost() : undefined));
}

/**
 * Calls when nothing has been heard for so many milliseconds; without a number it does not. A tab that was frozen finds
 * messages waiting, and looks at them first.
 */
function silenceTimer(onSilence: () => void): (quiet?: number) => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return (quiet) => {
    clearTimeout(timer);
    if (quiet === undefined) return;
    timer = setTimeout(
      () => (timer = setTimeout(onSilence, GRACE)),
      // Not all at once.
      Math.min(quiet * (1 + Math.random() / 4), LONGEST_TIMER),
    );
  };
}

/** Whether it may be of a tab at all: one of another version of the page, or of whoever shares its origin, may not. */
function isTold(message: unknown): message is Told {
  const { frames, state, quiet } = Object(message) as Partial<Record<keyof Told, unknown>>;
  return (
    Array.isArray(frames) &&
    /^(undefined|connecting|live|waiting)$/.test(state as string) &&
    (quiet as number) > 0
  );
}

/**
 * Does one task after the other; past `MOST_WAITING` it leaves out what it is given.
 *
 * @param onFailure called for each that rejects
 */
function oneByOne(onFailure: () => void): (task: () => Promise<void>) => void {
  let turn = Promise.resolve();
  let waiting = 0;
  return (task) => {
    if (waiting > MOST_WAITING) return;
    waiting++;
    turn = turn
      .then(task)
      .catch(onFailure)
      .finally(() => waiting--);
  };
}

/** A cursor as this module's servers give it: `<epoch>.<offset>`. */
const PLACE = /^([\w-]+)\.(\d+)$/;

/** Whether who was sent everything after one cursor has missed nothing at another, of the same log. */
function covers(from: string, cursor: string): boolean {
  const [, epoch, offset] = PLACE.exec(from) ?? [];
  const [, epochThere, offsetThere] = PLACE.exec(cursor) ?? [];
  return epoch === epochThere && Number(offset) <= Number(offsetThere);
}

/** Frames that a tab has not had: it may have gone ahead while it received by itself. */
function newOf(frames: readonly Frame[], from: string, cursor: string): Frame[] {
  let at = from;
  return frames.filter(({ id = at, type }) => {
    // A gap may lead back, from a cursor that never was.
    const isNew = !covers(id, cursor) || (at === cursor && (type === 'gap' || id === at));
    at = id;
    if (isNew) cursor = id;
    return isNew;
  });
}

/** Names the tabs that share. No token is to be read out of it. */
async function nameOf(
  url: URL,
  { headers, credentials }: EventsOptions,
  share: boolean | string,
): Promise<string> {
  const given = () => (typeof headers === 'function' ? headers(undefined) : headers);
  const user = share === true ? await given() : share;
  const text = JSON.stringify([url.href, credentials, user]);
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return `nestjs-event-stream:${String(new Uint8Array(digest))}`;
}

import { type AnyEvent, parse, safely } from '../feed.js';
import type { Frame } from '../frames.js';
import type { Link, openLink, Sink } from '../link.js';
import type { Scope, Unite } from '../share.js';
import type { EventsOptions } from '../types.js';

export interface GivenTopics {
  readonly parameter: string;
  readonly topicsOf: (event: AnyEvent) => string | readonly string[] | undefined;
  readonly user?: string | undefined;
}

/** Of Web Locks, what is needed here. */
interface LockManager {
  request(
    name: string,
    options: { readonly mode: 'shared' },
    hold: () => Promise<unknown> | undefined,
  ): Promise<unknown>;
  query(): Promise<{ readonly held?: readonly { readonly name?: string }[] }>;
}

/** What the server itself tells is for all tabs. */
const FOR_ALL = /^(gap|exception|ready|caught-up|run-end|closed)$/;

/** Links of tabs that differ by their topics alone. */
export function unitedBy(given: GivenTopics): Unite {
  const { parameter, user = true } = given;
  return (open, share) => (url, options, sink) => {
    const joined = (to: URL): Link => {
      const mine = listOf(to.searchParams.getAll(parameter));
      if (!mine) return share(user, open)(to, options, sink);
      const tab = new TabTopics(parameter, mine, to, open);
      // Names the tabs that may share, and is asked for by none.
      const common = withList(to, parameter, '');
      common.hash = `topics=${parameter}`;
      const only = ownOf(given, mine, sink);
      const link = share(user, (_, ...rest) => tab.open(...rest), tab)(common, options, only);
      return {
        move() {},
        close() {
          link.close();
          tab.leave();
        },
      };
    };
    let link = joined(url);
    return {
      move(to) {
        link.close();
        link = joined(to);
      },
      close: () => link.close(),
    };
  };
}

/** The topics of one tab among those of the others. Lists of them are sorted, with commas. */
class TabTopics implements Scope {
  /** Of all tabs together, and the server has refused it. */
  #refused = '';
  #name = '';
  #link: Link | undefined;
  #hasDeclared: Promise<unknown> | undefined;
  readonly #left = new AbortController();
  asked: string;

  constructor(
    private readonly parameter: string,
    private readonly mine: string,
    private readonly url: URL,
    private readonly send: typeof openLink,
  ) {
    this.asked = mine;
  }

  enter(name: string): void {
    this.#name = name;
  }

  isIn(asked = ''): boolean {
    return this.mine.split(',').every((topic) => has(asked, topic));
  }

  async unite(): Promise<void> {
    // Where locks are denied, nobody is known to be there.
    const { held = [] } = await locksOf()
      .query()
      .catch((): { readonly held?: undefined } => ({}));
    const lists = held.map(({ name = '' }) => name.split(`${this.#name};`)[1] ?? '');
    const all = listOf([this.mine, ...lists]);
    this.#ask(all === this.#refused ? this.mine : all);
  }

  open(options: EventsOptions, own: Sink): Link {
    const link = this.send(this.#target(), options, {
      get cursor() {
        return own.cursor;
      },
      get isOver() {
        return own.isOver;
      },
      take: async (frames, request) => {
        await (this.#hasDeclared ??= this.#declare());
        if (!request.aborted) await own.take(frames, request);
      },
      change: (...told) => own.change(...told),
      end: (error) => {
        if (error && this.asked !== this.mine) {
          this.#refused = this.asked;
          this.#ask(this.mine);
        } else own.end(error);
      },
    });
    this.#link = link;
    return {
      move() {},
      close: () => {
        link.close();
        this.#link = undefined;
        this.asked = this.mine;
      },
    };
  }

  leave(): void {
    this.#left.abort();
  }

  #ask(list: string): void {
    if (list === this.asked) return;
    this.asked = list;
    this.#link?.move(this.#target());
  }

  #target(): URL {
    return this.asked === this.mine ? this.url : withList(this.url, this.parameter, this.asked);
  }

  /** Resolves when others know that the server grants these topics: for as long as the tab is there, it holds a lock. */
  #declare(): Promise<void> {
    const { signal } = this.#left;
    return new Promise((declared) => {
      const hold = () => {
        declared();
        if (signal.aborted) return undefined;
        return new Promise((left) => signal.addEventListener('abort', left));
      };
      locksOf()
        .request(`${this.#name};${this.mine}`, { mode: 'shared' }, hold)
        .catch(() => declared());
    });
  }
}

/** Takes what is of some topics; of the others it takes nothing but the cursor. */
function ownOf({ topicsOf }: GivenTopics, mine: string, sink: Sink): Sink {
  const own = (frame: Frame): Frame => {
    const { id = sink.cursor, type, data } = frame;
    if (data === undefined || FOR_ALL.test(type)) return frame;
    let found: string | readonly string[] | undefined;
    safely(() => (found = topicsOf({ type, data: parse(data), id })));
    const isMine = found === undefined || [found].flat().some((topic) => has(mine, topic));
    return isMine ? frame : { ...frame, data: undefined };
  };
  return {
    get cursor() {
      return sink.cursor;
    },
    get isOver() {
      return sink.isOver;
    },
    take: (frames, request) => sink.take(frames.map(own), request),
    change: (...told) => sink.change(...told),
    end: (error) => sink.end(error),
  };
}

function locksOf(): LockManager {
  return (globalThis as unknown as { navigator: { locks: LockManager } }).navigator.locks;
}

function listOf(lists: readonly string[]): string {
  return String([...new Set(String(lists).split(','))].filter(Boolean).sort());
}

function has(list: string, topic: string): boolean {
  return `,${list},`.includes(`,${topic},`);
}

function withList(url: URL, parameter: string, list: string): URL {
  const to = new URL(url);
  to.searchParams.set(parameter, list);
  return to;
}

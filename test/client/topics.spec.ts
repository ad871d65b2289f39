import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { Frame } from '../../src/client/frames.js';
import type { Sink } from '../../src/client/link.js';
import { sharedBy } from '../../src/client/share.js';
import { uniteTopics } from 'nestjs-event-stream/client/topics';
import { until } from '../support/until.js';

interface Ticks {
  tick: { topic: string } | null;
}

const tick = (id: string, data: string | undefined = '{}'): Frame => ({ id, type: 'tick', data });

/** One tab, whose lock another one has; the test plays that other one, and the server. */
class FollowingTab {
  cursor = 'e.5';
  readonly taken: Frame[] = [];
  /** Asked for by its own connections, open ones first. */
  readonly opened: { readonly url: string; readonly sink: Sink; isClosed: boolean }[] = [];
  readonly locks: string[] = [];
  #channel: InstanceType<typeof BroadcastChannel> | undefined;

  async start(url: string, share: Parameters<typeof sharedBy>[0]): Promise<void> {
    const locks = {
      request: (name: string) => {
        this.locks.push(name);
        return new Promise(() => {});
      },
      query: () => Promise.resolve({ held: [] }),
    };
    Object.defineProperty(globalThis, 'navigator', { value: { locks }, configurable: true });
    const { taken } = this;
    const tab = this as { cursor: string };
    const sink: Sink = {
      get cursor() {
        return tab.cursor;
      },
      isOver: false,
      async take(frames) {
        for (const frame of frames) {
          tab.cursor = frame.id ?? tab.cursor;
          taken.push(frame);
        }
      },
      change() {},
      end() {},
    };
    const open = (to: URL, _: unknown, own: Sink) => {
      const link = { url: to.href, sink: own, isClosed: false };
      this.opened.push(link);
      const close = () => {
        link.isClosed = true;
      };
      return { move() {}, close };
    };
    this.#link = sharedBy(share, open)(new URL(url), {}, sink);
    await until('it has a connection', () => this.opened.length === 1);
    this.#channel = new BroadcastChannel(this.locks[0] ?? '');
  }

  #link: { close(): void } | undefined;

  get own() {
    return this.opened.at(-1);
  }

  /** As the other tab hands it on. */
  tell(from: string, frames: readonly Frame[] = [], topics = ''): void {
    this.#channel?.postMessage({ from, frames, asked: topics, quiet: 1e6 });
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await new Promise((next) => setTimeout(next, 1));
  }

  stop(): void {
    this.#link?.close();
    this.#channel?.close();
  }
}

let tab: FollowingTab;
const navigator = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
beforeEach(() => {
  tab = new FollowingTab();
});
afterEach(() => {
  tab.stop();
  if (navigator) Object.defineProperty(globalThis, 'navigator', navigator);
  else Reflect.deleteProperty(globalThis, 'navigator');
});

it('follows only who asks for its topics, and takes of the others nothing but the place', async () => {
  const share = uniteTopics<Ticks>({
    parameter: 'topics',
    topicsOf: ({ data }) => data?.topic,
  });
  await tab.start('http://a.test/?topics=b&topics=a,b', share);
  tab.tell('e.5', [tick('e.6', '{"topic":"c"}')], 'aa,bb,c');
  await tab.settle();
  expect(tab.own?.isClosed).toBe(false);
  const frames = [
    tick('e.6', '{"topic":"c"}'),
    tick('e.7', '{"topic":"b"}'),
    { id: 'e.8', type: 'gap', data: '{}' },
  ];
  tab.tell('e.5', frames, 'a,b,c');
  await until('it follows', () => tab.cursor === 'e.8');
  expect(tab.own?.isClosed).toBe(true);
  expect(tab.taken).toEqual([{ ...frames[0], data: undefined }, ...frames.slice(1)]);
});

it('gives a tab what it cannot tell the topic of, says so, and goes on', async () => {
  const { error } = console;
  const reported: unknown[] = [];
  console.error = (reason: unknown) => reported.push(reason);
  const fault = new TypeError('no data');
  const topicsOf = ({ data }: { data: Ticks['tick'] }) => {
    if (data === null) throw fault;
    return data.topic;
  };
  await tab.start('http://a.test/?topics=a', uniteTopics<Ticks>({ parameter: 'topics', topicsOf }));
  tab.tell('e.5', [tick('e.6', 'null')], 'a');
  tab.tell('e.6', [tick('e.7', '{"topic":"a"}')], 'a');
  await until('it follows', () => tab.cursor === 'e.7');
  console.error = error;
  expect(tab.taken.map(({ data }) => data)).toEqual(['null', '{"topic":"a"}']);
  expect(reported).toEqual([fault]);
});

it('shares by the whole URL where that names no topics', async () => {
  const share = uniteTopics({ parameter: 'topics', topicsOf: () => 'a' });
  await tab.start('http://a.test/', share);
  expect(tab.own?.url).toBe('http://a.test/');
  const other = new FollowingTab();
  await other.start('http://a.test/?topics=a', share);
  expect(other.locks[0]).not.toBe(tab.locks[0]);
  other.stop();
});

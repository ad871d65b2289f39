import { expect } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { connectSse, type ReceivedEvent, type SseTestClient } from 'nestjs-event-stream/testing';
import { urlOf } from './each-adapter.js';
import { elapse, until } from './until.js';

const CLIENTS = 12;
const LAST = 'the last event';

/** The instances that a proxy knows, by URL: those that have begun to close are among them until they are closed. */
class Instances {
  readonly running: INestApplication[] = [];
  readonly #urls = new Map<INestApplication, string>();
  #turn = 0;

  add(app: INestApplication): void {
    this.running.push(app);
    this.#urls.set(app, urlOf(app));
  }

  remove(app: INestApplication): void {
    this.running.splice(this.running.indexOf(app), 1);
    this.#urls.delete(app);
  }

  next(): string {
    const urls = [...this.#urls.values()];
    const url = urls[this.#turn++ % urls.length];
    if (url === undefined) throw new Error('No instance');
    return url;
  }
}

/** As an EventSource does, but sooner: comes back with its place, to whichever instance is next. */
class Returning {
  readonly events: ReceivedEvent[] = [];
  /** Of the answers that had a stream: the first `retry` of each. */
  readonly retries: number[] = [];
  readonly run: Promise<void>;
  #lastEventId = '';

  constructor(instances: Instances) {
    this.run = this.#live(instances);
  }

  get hasLast(): boolean {
    return this.events.at(-1)?.data === LAST;
  }

  get hasBegun(): boolean {
    return this.#lastEventId !== '';
  }

  async #live(instances: Instances): Promise<void> {
    while (!this.hasLast) {
      const lastEventId = this.hasBegun ? this.#lastEventId : undefined;
      const path = '/topics/news';
      const client = await connectSse(instances.next(), path, { lastEventId }).catch(() => {});
      if (client !== undefined) await this.#read(client);
      await elapse(5);
    }
  }

  async #read(client: SseTestClient): Promise<void> {
    await until('it has begun', () => client.retry !== undefined);
    if (client.lastEventId !== '') this.retries.push(client.retry ?? 0);
    try {
      while (!this.hasLast) {
        this.#lastEventId = client.lastEventId || this.#lastEventId;
        this.events.push(await client.next());
      }
    } catch {
      // It comes back.
    }
    this.#lastEventId = client.lastEventId || this.#lastEventId;
    client.close();
  }
}

/**
 * Replaces two instances, one after the other, while events are published: every client has each of them once,
 * in order.
 */
export async function restartInTurn(start: () => Promise<INestApplication>): Promise<void> {
  const instances = new Instances();
  const publisher = await start();
  for (const app of [await start(), await start()]) instances.add(app);
  const clients = Array.from({ length: CLIENTS }, () => new Returning(instances));
  await until('all have begun', () => clients.every(({ hasBegun }) => hasBegun));
  let published = 0;
  const publish = () => publisher.get(EventBus).publish('news', { data: `${++published}` });
  const restarted = new AbortController();
  const publishing = (async () => {
    while (!restarted.signal.aborted) {
      await publish();
      await elapse(2);
    }
  })();
  let drained = 0;
  for (const old of [...instances.running]) {
    instances.add(await start());
    await old.close();
    instances.remove(old);
    drained += old.get(SseConnections).ended.drain;
  }
  restarted.abort();
  await publishing;
  await publisher.get(EventBus).publish('news', { data: LAST });
  await Promise.all(clients.map(({ run }) => run));
  await Promise.all([publisher, ...instances.running].map((app) => app.close()));
  expect(drained).toBeGreaterThanOrEqual(CLIENTS);
  const all = [...Array.from({ length: published }, (_, n) => `${n + 1}`), LAST];
  for (const { events, retries } of clients) {
    expect(events.map(({ type, data }) => (type === 'gap' ? 'gap' : data))).toEqual(all);
    // Whatever those told it that were closing, the new ones tell it the usual.
    expect(Math.max(...retries)).toBeLessThanOrEqual(5_000);
  }
}

import { setTimeout as elapse } from 'node:timers/promises';
import { connectSse, type SseTestClient } from 'nestjs-event-stream/testing';
import type { Instances } from './instances.js';
import type { Random } from './random.js';
import type { Record } from './verdict.js';

/** A client that keeps coming back, to whichever instance, from where it was. */
export class ChaosClient {
  readonly record: Record;
  readonly #route: string;
  readonly #fleet: Instances;
  readonly #random: Random;
  /** Milliseconds that it stays away now and then. */
  readonly #absence: number;
  #lastEventId = '';
  #isStopped = false;
  #connection: SseTestClient | undefined;
  #run: Promise<void> | undefined;

  /** @param route what it asks for: see the instance */
  constructor(
    topics: readonly string[],
    fleet: Instances,
    random: Random,
    absence: number,
    route = 'topics',
  ) {
    this.#route = route;
    this.record = { topics, start: '', end: '', items: [] };
    this.#fleet = fleet;
    this.#random = random;
    this.#absence = absence;
  }

  get hasBegun(): boolean {
    return this.record.start !== '';
  }

  start(): void {
    this.#run = this.#live();
  }

  has(text: string): boolean {
    return this.record.items.some(({ data }) => data === text);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#connection?.close();
    await this.#run;
    this.record.end = this.#lastEventId;
  }

  async #live(): Promise<void> {
    while (!this.#isStopped) {
      const url = this.#random.pick(this.#fleet.urls);
      if (url !== undefined) await this.#visit(url);
      const isAway = this.#absence > 0 && this.#random.next() < 0.1;
      await elapse(isAway ? this.#absence : this.#random.between(1, 50));
    }
  }

  async #visit(url: string): Promise<void> {
    const lastEventId = this.#lastEventId === '' ? undefined : this.#lastEventId;
    const path = `/${this.#route}/${this.record.topics.join()}`;
    try {
      this.#connection = await connectSse(url, path, { lastEventId, timeout: 2_000 });
    } catch {
      return;
    }
    const connection = this.#connection;
    // Where it began is known when its first visit ends.
    const stay = this.hasBegun ? this.#random.between(100, 2_000) : this.#random.between(20, 200);
    const moving = setTimeout(() => connection.close(), stay);
    for (;;) {
      try {
        const { type, data, lastEventId: id } = await connection.next();
        this.record.items.push({ type, data, id, at: performance.now() });
        this.#lastEventId = id;
      } catch (error) {
        if (String(error).includes('did not come within')) continue;
        break;
      }
    }
    clearTimeout(moving);
    // What moves the id without an event counts: the place is reached.
    if (connection.lastEventId !== '') this.#lastEventId = connection.lastEventId;
    if (this.record.start === '')
      this.record.start = /^id: ?(.*)$/m.exec(connection.text)?.[1] ?? '';
  }
}

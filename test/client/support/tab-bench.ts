import { afterAll, afterEach, beforeAll, beforeEach, expect } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { EventBus, SseConnections, type SseModuleOptions } from 'nestjs-event-stream';
import { onExpress, urlOf } from '../../support/each-adapter.js';
import { until } from '../../support/until.js';
import { Chromium } from './devtools.js';
import { Relay } from './relay.js';
import { Tab, TabsController } from './tabs.js';

/** A server for each test, the network before it, and tabs of a Chromium that show its ticks. */
export class TabBench {
  readonly #bench = onExpress();
  #chromium!: Chromium;
  #context = '';
  #relay!: Relay;
  app!: INestApplication;
  tabs: Tab[] = [];
  published = 0;

  /** Registers the hooks of the suite that it is called in. */
  constructor(
    path: string,
    private readonly sse: SseModuleOptions = {
      heartbeatInterval: 1_000,
      retry: { min: 50, max: 100 },
    },
  ) {
    beforeAll(() => {
      this.#chromium = new Chromium(path);
    });
    afterAll(() => this.#chromium.close());
    beforeEach(async () => {
      this.tabs = [];
      this.published = 0;
      this.#context = await this.#chromium.context();
      this.app = await this.#start();
      this.#relay = await Relay.start(this.#port);
    });
    afterEach(async () => {
      await this.#chromium.dispose(this.#context);
      await this.#relay.stop();
    });
  }

  /** Ends the server, and starts one that knows nothing of it, at the same address. */
  async restart(): Promise<void> {
    await this.app.close();
    this.app = await this.#start();
    this.#relay.leadTo(this.#port);
  }

  /** As a server does that lets them come back. */
  endConnections(): void {
    this.app.get(SseConnections).close();
  }

  /** What is connected hears nothing any more, as when a network goes; who connects anew does. */
  loseConnections(): void {
    this.#relay.die();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#relay.port}`;
  }

  /**
   * @param path on a host that is as good as local, or on another one
   * @param script runs before those of the page
   */
  async open(path = '/', { host = '127.0.0.1', script = '' } = {}): Promise<Tab> {
    const url = `http://${host}:${this.#relay.port}${path}`;
    const tab = await Tab.open(this.#chromium, this.#context, url, script);
    this.tabs.push(tab);
    return tab;
  }

  async openUpTo(count: number, path?: string): Promise<void> {
    while (this.tabs.length < count) await this.open(path);
  }

  async publish(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent++) {
      const event = { type: 'tick', data: { n: ++this.published } };
      await this.app.get(EventBus).publish('ticks', event);
    }
  }

  /** Who has all that was published, each once, in order. */
  async expectAll(those: readonly Tab[] = this.tabs): Promise<void> {
    const all = Array.from({ length: this.published }, (_, n) => n + 1);
    for (const tab of those) {
      await tab.receives(this.published);
      expect(await tab.numbers()).toEqual(all);
    }
  }

  get connections(): number {
    return this.app.get(SseConnections).count;
  }

  hasConnections(count: number): Promise<void> {
    return until(`${count} connections`, () => this.connections === count, 30_000);
  }

  /** Resolves when one of the tabs has the only request. */
  async isOneConnection(): Promise<void> {
    await this.hasConnections(1);
    await this.leader();
  }

  /** The tab that has the only request. */
  async leader(): Promise<Tab> {
    let found: Tab | undefined;
    await until(
      'one tab has the only request',
      async () => {
        const requests = await Promise.all(this.tabs.map((tab) => tab.requests()));
        found = this.tabs[requests.indexOf(1)];
        return requests.reduce((sum, count) => sum + count, 0) === 1;
      },
      30_000,
    );
    if (found === undefined) throw new Error('No tab has a request open');
    return found;
  }

  others(than: Tab): Tab[] {
    return this.tabs.filter((tab) => tab !== than);
  }

  async #start(): Promise<INestApplication> {
    return this.#bench.start({
      controllers: [TabsController],
      sse: this.sse,
      configure: (app) => app.enableCors(),
    });
  }

  get #port(): number {
    return Number(new URL(urlOf(this.app)).port);
  }
}

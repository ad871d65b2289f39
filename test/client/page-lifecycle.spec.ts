import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { onExpress, urlOf } from '../support/each-adapter.js';
import { CHROMIUM, describeWith } from '../support/programs.js';
import { until } from '../support/until.js';
import { Chromium } from './support/devtools.js';
import { Tab, TabsController } from './support/tabs.js';

describeWith(CHROMIUM, 'a page with a connection of its own', (path) => {
  const bench = onExpress();
  let chromium: Chromium;
  let context: string;
  let app: INestApplication;
  let tab: Tab;
  let published: number;

  beforeAll(() => {
    chromium = new Chromium(path);
  });
  afterAll(() => chromium.close());
  beforeEach(async () => {
    context = await chromium.context();
    // What brings the client back is not the end of a wait.
    app = await bench.start({
      controllers: [TabsController],
      sse: { heartbeatInterval: 1_000, retry: { min: 100_000, max: 200_000 } },
    });
    tab = await Tab.open(chromium, context, `${urlOf(app)}/?alone`);
    published = 0;
  });
  afterEach(() => chromium.dispose(context));

  async function publish(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent++) {
      await app.get(EventBus).publish('ticks', { type: 'tick', data: { n: ++published } });
    }
  }

  /** It has all that was published, each once, in order. */
  async function expectAll(): Promise<void> {
    await tab.receives(published);
    expect(await tab.numbers()).toEqual(Array.from({ length: published }, (_, n) => n + 1));
  }

  const connections = (count: number) =>
    until(`${count} connections`, () => app.get(SseConnections).count === count, 15_000);

  it('loses nothing and repeats nothing when it is frozen and thaws', async () => {
    await publish(5);
    await expectAll();
    for (let round = 0; round < 3; round++) {
      await tab.setFrozen(true);
      await publish(20);
      await tab.setFrozen(false);
      await publish(5);
      await expectAll();
      await connections(1);
    }
  }, 60_000);

  it('loses nothing and repeats nothing when somebody leaves it and comes back to it', async () => {
    await publish(5);
    await expectAll();
    await tab.visit(`${urlOf(app)}/client/index.js`);
    await publish(20);
    await tab.evaluate('history.back()');
    await tab.until('globalThis.isRestored === true');
    await publish(5);
    await expectAll();
    await connections(1);
  }, 60_000);

  it('comes back when the network does, at once', async () => {
    await publish(5);
    await expectAll();
    await tab.setOffline(true);
    await tab.evaluate('events.update({ query: { attempt: 2 } })');
    await tab.until(`events.state === 'waiting'`);
    await connections(0);
    await publish(20);
    await tab.setOffline(false);
    await expectAll();
    await connections(1);
  }, 60_000);
});

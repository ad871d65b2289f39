import { expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { EventBus, SseConnections, SseModule } from 'nestjs-event-stream';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { freePort, RedisServer } from '../redis/support/redis-server.js';
import { CHROMIUM, describeWith, NGINX, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { Chromium } from './support/devtools.js';
import { Nginx } from './support/nginx.js';
import { Tab, TabsController } from './support/tabs.js';

async function startInstance(redisPort: number, port: number): Promise<INestApplication> {
  const backplane = redisBackplane({ url: `redis://127.0.0.1:${redisPort}` });
  const sse = SseModule.forRoot({ backplane, retry: { min: 50, max: 100 } });
  const module = await Test.createTestingModule({
    imports: [sse],
    controllers: [TabsController],
  }).compile();
  const app = module.createNestApplication();
  await app.listen(port, '127.0.0.1');
  return app;
}

describeWith(CHROMIUM, 'a restart', (chromiumPath) =>
  describeWith(REDIS_SERVER, 'of an instance', (redisPath) =>
    describeWith(NGINX, 'behind nginx', (nginxPath) => {
      it('with 502s in between costs no tab an event, and gives none twice', async () => {
        const redis = await RedisServer.start(redisPath);
        const port = await freePort();
        let app = await startInstance(redis.port, port);
        const publisher = await startInstance(redis.port, 0);
        const nginx = await Nginx.start(nginxPath, await freePort(), port);
        const chromium = new Chromium(chromiumPath);
        let published = 0;
        const publish = async (count: number) => {
          for (let sent = 0; sent < count; sent++) {
            const event = { type: 'tick', data: { n: ++published } };
            await publisher.get(EventBus).publish('ticks', event);
          }
        };
        try {
          const context = await chromium.context();
          const tabs: Tab[] = [];
          while (tabs.length < 3) tabs.push(await Tab.open(chromium, context, nginx.url));
          for (let restart = 0; restart < 3; restart++) {
            await until('one connection', () => app.get(SseConnections).count === 1, 15_000);
            await publish(10);
            const closing = app.close();
            await publish(10);
            await closing;
            expect(await nginx.status()).toBe(502);
            await publish(10);
            const hasSeen502 = `events.getSnapshot().error?.status === 502`;
            await until(
              'the connected tab has had a 502',
              async () =>
                (await Promise.all(tabs.map((tab) => tab.evaluate<boolean>(hasSeen502)))).some(
                  Boolean,
                ),
              15_000,
            );
            app = await startInstance(redis.port, port);
            await publish(10);
            for (const tab of tabs) {
              await tab.receives(published);
              expect(await tab.numbers()).toEqual(
                Array.from({ length: published }, (_, index) => index + 1),
              );
            }
          }
        } finally {
          await chromium.close();
          await nginx.stop();
          await Promise.all([app.close(), publisher.close()]);
          await redis.stop();
        }
      }, 120_000);
    }),
  ),
);

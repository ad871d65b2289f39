import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { type INestApplication, Logger } from '@nestjs/common';
import { EventBus, SseConnections, type SseEvent } from 'nestjs-event-stream';
import { connectSse, type SseTestClient } from 'nestjs-event-stream/testing';
import { filter } from 'rxjs';
import { LIMITS_TOPIC } from '../../src/control/limits.js';
import type { Message } from '../../src/registry/message.js';
import { buildInstance, startChild } from '../chaos/fleet.js';
import { LEASE, PER_OWNER, startInstance } from '../chaos/instance.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { elapse, until } from '../support/until.js';
import { RedisServer } from './support/redis-server.js';

const LONG = 25_000;

const hasAdded = ({ data }: SseEvent) => Object.hasOwn(data as object, 'add');

describeWith(REDIS_SERVER, 'limits of instances that share a Redis', (path) => {
  let redis: RedisServer;
  const clients: SseTestClient[] = [];

  beforeAll(async () => {
    redis = await RedisServer.start(path);
  });

  afterAll(() => redis.stop());

  beforeEach(() => {
    Logger.overrideLogger(false);
  });

  it('forgets what an instance had that was killed, when its lease is over, and not before', async () => {
    const built = await buildInstance();
    const options = { url: redis.url, maxEvents: 1_000 };
    const [child, app] = [await startChild(built.folder, options), await startInstance(options)];
    try {
      const join = async (url: string | INestApplication) => {
        const headers = { 'x-user': 'ada' };
        const client = await connectSse(url, '/topics/a', { headers });
        clients.push(client);
        await until('it is answered', () => client.retry !== undefined);
        return client;
      };
      const count = () => app.get(SseConnections).count;
      const isRefused = async () => {
        const before = count();
        const client = await join(app);
        await Promise.race([client.closed, elapse(300)]);
        if ((client.retry ?? 0) >= LONG) return true;
        client.close();
        // Until it has gone it is one of those that are allowed.
        await until('it counts no more', () => count() <= before);
        return false;
      };
      // Who came to the other instance before they are known there would take the place of one of them.
      const known = new Set<string>();
      const following = app.get(EventBus).follow(LIMITS_TOPIC);
      const subscription = following.pipe(filter(hasAdded)).subscribe(({ data }) => {
        for (const [key] of (data as unknown as Message).add ?? []) known.add(key);
      });
      const gone = await Promise.all(Array.from({ length: PER_OWNER }, () => join(child.url)));
      await until('all of them are told', () => known.size === PER_OWNER);
      subscription.unsubscribe();
      expect(await isRefused()).toBe(true);
      const killedAt = performance.now();
      child.process?.kill('SIGKILL');
      await Promise.all(gone.map(({ closed }) => closed));
      // Nobody has said that they have gone; a machine that took so long to say so shows nothing.
      const wasRefused = await isRefused();
      if (performance.now() - killedAt < LEASE / 2) expect(wasRefused).toBe(true);
      await until('they count no more', async () => !(await isRefused()));
      const kept = await Promise.all(Array.from({ length: PER_OWNER }, () => join(app)));
      await until('nobody else is let in', isRefused);
      await app.get(EventBus).publish('a', { data: 'still' });
      for (const client of kept) expect((await client.next()).data).toBe('still');
    } finally {
      for (const client of clients) client.close();
      await Promise.all([app.close(), child.close()]);
      await built.remove();
    }
  }, 20_000);
});

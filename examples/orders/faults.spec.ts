import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { connectEvents } from 'nestjs-event-stream/client';
import { connectSse, forceDrop, forceGap } from 'nestjs-event-stream/testing';
import { AppModule } from './app.module.js';
import { Orders } from './orders.js';

let app: INestApplication;

beforeAll(async () => {
  const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
  app = module.createNestApplication();
  await app.listen(0, '127.0.0.1');
});
afterAll(() => app.close());

it('resumes after a drop', async () => {
  const first = await connectSse(app, '/board/changes');
  await app.get(Orders).set({ id: 7, state: 'paid' });
  const { lastEventId } = await first.next('order');
  forceDrop(app);
  await first.closed;
  await app.get(Orders).set({ id: 8, state: 'open' });
  const second = await connectSse(app, '/board/changes', { lastEventId });
  expect((await second.next('order')).json()).toEqual({ id: 8, state: 'open' });
  second.close();
});

it('a page fetches the state again after a gap', async () => {
  const events = connectEvents(`${await app.getUrl()}/board/changes`);
  const refetched = new Promise((resolve) => events.onGap(resolve));
  await new Promise<void>((resolve) => {
    events.subscribe(() => {
      if (events.state === 'live') resolve();
    });
  });
  forceGap(app);
  expect(await refetched).toMatchObject({ reason: 'trimmed' });
  events.close();
});

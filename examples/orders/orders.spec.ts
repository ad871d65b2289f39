import { expect, it } from '@jest/globals';
import { recordingBus } from 'nestjs-event-stream/testing';
import { Orders } from './orders.js';

it('publishes what has changed', async () => {
  const bus = recordingBus();
  await new Orders(bus).set({ id: 7, state: 'paid' });
  expect(bus.published).toEqual([
    { topics: ['orders'], type: 'order', key: '7', data: { id: 7, state: 'paid' } },
  ]);
});

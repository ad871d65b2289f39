import { expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { Backplane, EventBus, MemoryBackplane } from 'nestjs-event-stream';
import { ClusterModule } from './cluster.module.js';

it('publishes without Redis', async () => {
  const module = await Test.createTestingModule({ imports: [ClusterModule] })
    .overrideProvider(Backplane)
    .useValue(new MemoryBackplane())
    .compile();
  await module.init();
  const bus = module.get(EventBus);
  expect(await bus.publish('news', { data: 'Rain' })).toBe(bus.head);
  await module.close();
});

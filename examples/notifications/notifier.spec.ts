import { expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { SseModule } from 'nestjs-event-stream';
import { connectSse } from 'nestjs-event-stream/testing';
import { NotificationsController } from './notifications.controller.js';
import { Notifier } from './notifier.service.js';
import { Sessions } from './sessions.js';

it('notifies a user, who resumes where the connection dropped', async () => {
  const module = await Test.createTestingModule({
    imports: [SseModule.forRoot()],
    controllers: [NotificationsController],
    providers: [Notifier, Sessions],
  }).compile();
  const app = module.createNestApplication();
  const headers = { cookie: 'session=ada' };

  const first = await connectSse(app, '/notifications', { headers });
  await app.get(Notifier).notify('ada', 'Hello');
  const { data, lastEventId } = await first.next('notification');
  expect(JSON.parse(data)).toEqual({ text: 'Hello' });
  first.close();

  await app.get(Notifier).notify('ada', 'again');
  const second = await connectSse(app, '/notifications', { headers, lastEventId });
  expect((await second.next('notification')).json()).toEqual({ text: 'again' });
  await app.close();
});

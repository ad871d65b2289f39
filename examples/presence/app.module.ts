import { type ExecutionContext, Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { SsePresenceModule } from 'nestjs-event-stream/presence';
import { RoomPageController } from './room-page.controller.js';
import { RoomsController } from './rooms.controller.js';

/** Whoever says so: in an application this is the user of a session or a token. */
const identify = (context: ExecutionContext) => ({
  owner: context.switchToHttp().getRequest<{ query: { name?: string } }>().query.name,
});

@Module({
  imports: [
    SseModule.forRoot({ identify }),
    SsePresenceModule.forRoot({
      topics: ['room.*'],
      describe: (owner) => ({ id: owner, name: owner.toUpperCase() }),
      // Short, to be seen: a reload takes less.
      grace: 1_000,
    }),
  ],
  controllers: [RoomPageController, RoomsController],
})
export class AppModule {}

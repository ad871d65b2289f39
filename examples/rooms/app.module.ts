import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { ChannelsController } from './channels.controller.js';
import { RoomsController } from './rooms.controller.js';

@Module({
  imports: [SseModule.forRoot({ openTimeout: 100 })],
  controllers: [RoomsController, ChannelsController],
})
export class AppModule {}

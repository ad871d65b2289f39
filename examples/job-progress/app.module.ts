import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { JobsController } from './jobs.controller.js';
import { Jobs } from './jobs.js';

@Module({
  imports: [
    SseModule.forRoot({
      // A job can be followed for an hour, however much else is published meanwhile.
      history: { topics: [{ match: 'job.*', keepFor: 3_600_000 }] },
    }),
  ],
  controllers: [JobsController],
  providers: [Jobs],
})
export class AppModule {}

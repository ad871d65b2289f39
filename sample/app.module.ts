import { type MiddlewareConsumer, Module, type NestModule, RequestMethod } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { ClockController } from './clock.controller.js';
import { ClockService } from './clock.service.js';
import { DropService } from './drop.service.js';
import { PageMiddleware } from './page.middleware.js';

@Module({
  // Clients come back after two to three seconds, so that a dropped connection has something to catch up on.
  imports: [SseModule.forRoot({ retry: { min: 2_000, max: 3_000 } })],
  controllers: [ClockController],
  providers: [ClockService, DropService],
})
export class AppModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(PageMiddleware).forRoutes({ path: '/', method: RequestMethod.GET });
  }
}

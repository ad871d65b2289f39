import { CacheModule } from '@nestjs/cache-manager';
import { Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { SseModule } from 'nestjs-event-stream';
import { Envelope, PageCache } from './interceptors.js';
import { NewsController } from './news.controller.js';

@Module({
  imports: [SseModule.forRoot(), CacheModule.register()],
  controllers: [NewsController],
  providers: [
    { provide: APP_INTERCEPTOR, useClass: Envelope },
    { provide: APP_INTERCEPTOR, useClass: PageCache },
  ],
})
export class AppModule {}

// One instance, in a process of its own, which ends as a deployment ends it: at SIGTERM.
import 'reflect-metadata';
import { Controller, Dependencies, Module, Sse } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventBus, SseModule } from '../../dist/index.js';
import { redisBackplane } from '../../dist/redis/index.js';

const [url, over] = process.argv.slice(2);

class NewsController {
  constructor(bus) {
    this.bus = bus;
  }

  news() {
    return this.bus.stream('news');
  }
}
Dependencies(EventBus)(NewsController);
Controller()(NewsController);
Sse('news')(
  NewsController.prototype,
  'news',
  Object.getOwnPropertyDescriptor(NewsController.prototype, 'news'),
);

class AppModule {}
Module({
  imports: [
    SseModule.forRoot({
      backplane: redisBackplane({ url }),
      drain: { over: over === '0' ? false : Number(over) },
    }),
  ],
  controllers: [NewsController],
})(AppModule);

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
app.enableShutdownHooks();
await app.listen(0, '127.0.0.1');
process.send(app.getHttpServer().address().port);
process.on('disconnect', () => process.exit(1));

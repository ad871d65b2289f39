import { Controller, Module, Sse } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventBus, SseModule } from 'nestjs-event-stream';

@Controller('news')
class NewsController {
  constructor(private readonly bus: EventBus) {}
  @Sse()
  news() {
    return this.bus.stream('news');
  }
}

@Module({ imports: [SseModule.forRoot()], controllers: [NewsController] })
class AppModule {}

const app = await NestFactory.create(AppModule);
await app.listen(process.env['PORT'] ?? 3000);
let n = 0;
setInterval(() => {
  void app.get(EventBus).publish('news', { type: 'headline', data: { n: ++n } });
}, 1_000);

import {
  type CanActivate,
  Controller,
  Get,
  type INestApplication,
  Injectable,
  type MessageEvent,
  Module,
  Sse,
  UseGuards,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { trace } from '@opentelemetry/api';
import { concat, NEVER, type Observable, of } from 'rxjs';
import { SseModule } from '../../src/index.js';
import { SseTracingModule } from '../../src/metrics/sse-tracing.module.js';

@Injectable()
class Nobody implements CanActivate {
  canActivate(): boolean {
    return false;
  }
}

@Controller()
class Routes {
  @Sse('streams/:id')
  stream(): Observable<MessageEvent> {
    trace.getTracer('test').startSpan('in the handler').end();
    return concat(of({ data: 'open' }), NEVER);
  }

  @Sse('locked')
  @UseGuards(Nobody)
  locked(): Observable<MessageEvent> {
    return NEVER;
  }

  @Get('plain')
  plain(): string {
    return 'plain';
  }
}

@Module({
  imports: [SseModule.forRoot(), SseTracingModule.forRoot()],
  controllers: [Routes],
  providers: [Nobody],
})
class TracedModule {}

export async function start(): Promise<INestApplication> {
  const app = await NestFactory.create(TracedModule, { logger: false });
  await app.listen(0, '127.0.0.1');
  return app;
}

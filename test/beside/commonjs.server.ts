// Packages that are CommonJS and require Nest, which Jest cannot load on Node.js 20: an application for each, on both adapters.
import type { AddressInfo } from 'node:net';
import {
  Body,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  type INestApplication,
  Injectable,
  type MessageEvent,
  Module,
  Post,
  Sse,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { APP_GUARD, type AbstractHttpAdapter, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { ThrottlerGuard, ThrottlerModule } from '@nestjs/throttler';
import { ClsModule, ClsService, ClsServiceManager } from 'nestjs-cls';
import { concatMap, delay, map, type Observable, of } from 'rxjs';
import { EventBus, isSseRoute, SseConnections, SseModule } from '../../src/index.js';

/** The URL of each application, by package and adapter. */
export type Urls = Readonly<Record<string, string>>;

const NOBODY = 'nobody';

function userNow(): string {
  return ClsServiceManager.getClsService().get<string | undefined>('user') ?? NOBODY;
}

@Injectable()
class NamingGuard implements CanActivate {
  constructor(private readonly cls: ClsService) {}

  canActivate(): boolean {
    this.cls.set('guard', userNow());
    return true;
  }
}

@Controller()
class Named {
  constructor(
    private readonly bus: EventBus,
    private readonly cls: ClsService,
    private readonly connections: SseConnections,
  ) {}

  @Sse('named')
  @UseGuards(NamingGuard)
  async named(): Promise<Observable<MessageEvent>> {
    await new Promise((resolve) => setImmediate(resolve));
    const [guard, handler] = [this.cls.get<string>('guard'), userNow()];
    const { owner } = this.connections.list().at(-1) ?? {};
    return this.bus.stream('news').pipe(
      map((event) => ({ ...event, data: { owner, guard, handler, operator: userNow() } })),
      concatMap((event) => of(event).pipe(delay(1))),
      map((event) => ({ ...event, data: { ...event.data, later: userNow() } })),
    );
  }

  @Post('news')
  async publish(): Promise<string> {
    await this.bus.publish('news', { data: userNow() });
    return userNow();
  }
}

const setUp = (cls: ClsService, request: { headers: Record<string, string> }) =>
  cls.set('user', request.headers['user']);

@Module({
  imports: [
    ClsModule.forRoot({ global: true, middleware: { mount: true, setup: setUp } }),
    SseModule.forRoot({ identify: () => ({ owner: userNow() }) }),
  ],
  controllers: [Named],
})
class ClsApplication {}

@Controller()
class News {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Get('plain')
  plain(): string {
    return 'plain';
  }

  @Post('news')
  async publish(@Body() data: unknown): Promise<void> {
    await this.bus.publish('news', { data });
  }
}

const throttling = ThrottlerModule.forRoot([{ ttl: 60_000, limit: 1 }]);

@Module({
  imports: [throttling, SseModule.forRoot()],
  controllers: [News],
  providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
})
class ThrottledApplication {}

@Module({
  imports: [
    ThrottlerModule.forRoot({
      throttlers: [{ ttl: 60_000, limit: 1 }],
      skipIf: (context: ExecutionContext) => isSseRoute(context),
    }),
    SseModule.forRoot({ limits: { perAddress: 2 } }),
  ],
  controllers: [News],
  providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
})
class LimitedApplication {}

const APPLICATIONS: Readonly<Record<string, Type>> = {
  cls: ClsApplication,
  throttled: ThrottledApplication,
  limited: LimitedApplication,
};
const ADAPTERS: Readonly<Record<string, () => AbstractHttpAdapter>> = {
  express: () => new ExpressAdapter(),
  fastify: () => new FastifyAdapter(),
};

const running: INestApplication[] = [];
const urls: Record<string, string> = {};
for (const [name, module] of Object.entries(APPLICATIONS)) {
  for (const [adapter, make] of Object.entries(ADAPTERS)) {
    const app = await NestFactory.create(module, make(), { logger: ['error'] });
    await app.listen(0, '127.0.0.1');
    running.push(app);
    const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
    urls[`${name} ${adapter}`] = `http://127.0.0.1:${port}`;
  }
}
process.on('disconnect', () => {
  void Promise.all(running.map((app) => app.close())).then(() => process.exit());
});
process.send?.(urls satisfies Urls);

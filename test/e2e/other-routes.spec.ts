import { describe, expect, it } from '@jest/globals';
import type { AddressInfo, Server } from 'node:net';
import {
  type CallHandler,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Injectable,
  type MessageEvent,
  type NestInterceptor,
  Scope,
  SetMetadata,
  Sse,
  type Type,
  UseGuards,
  UseInterceptors,
  VersioningType,
} from '@nestjs/common';
import { ApplicationConfig, Reflector } from '@nestjs/core';
import {
  ClientProxyFactory,
  MessagePattern,
  type MicroserviceOptions,
  Transport,
} from '@nestjs/microservices';
import { firstValueFrom, map, type Observable } from 'rxjs';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { eachAdapter, onExpress } from '../support/each-adapter.js';

/** An interceptor of a route: it comes after ours, so it sees the events. */
class Loud implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler<MessageEvent>): Observable<MessageEvent> {
    return next.handle().pipe(map((event) => ({ ...event, data: `${event.data as string}!` })));
  }
}

@Injectable()
class News {
  constructor(readonly bus: EventBus) {}

  @Sse('news')
  @UseInterceptors(Loud)
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }
}

@Controller()
class Inheriting extends News {}

@Controller({ scope: Scope.REQUEST })
class PerRequest extends Inheriting {}

@Controller({ scope: Scope.REQUEST, durable: true })
class Durable extends Inheriting {}

@Injectable({ scope: Scope.REQUEST })
class OfRequest {}

@Controller()
class OnOneOfRequest extends News {
  constructor(
    bus: EventBus,
    readonly ofRequest: OfRequest,
  ) {
    super(bus);
  }
}

@Controller({ version: '2' })
class Versioned extends Inheriting {}

/** A decorator that puts a function of its own in the place of the method, as tracing ones do. */
function Traced(): MethodDecorator {
  return (_, __, descriptor: PropertyDescriptor) => {
    const original = descriptor.value as (...given: unknown[]) => unknown;
    descriptor.value = function (...given: unknown[]) {
      return original.apply(this, given);
    };
    for (const key of Reflect.getMetadataKeys(original)) {
      Reflect.defineMetadata(key, Reflect.getMetadata(key, original), descriptor.value as object);
    }
  };
}

@Controller()
class Wrapped {
  constructor(readonly bus: EventBus) {}

  @Traced()
  @UseInterceptors(Loud)
  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }
}

const MARK = 'mark';

/** Finds by the handler what stands on the method. */
class Marked implements CanActivate {
  static handlers: unknown[] = [];

  canActivate(context: ExecutionContext): boolean {
    Marked.handlers.push(context.getHandler());
    return new Reflector().get<boolean>(MARK, context.getHandler());
  }
}

@Controller()
class Hybrid {
  constructor(readonly bus: EventBus) {}

  @Sse('news')
  @MessagePattern('news')
  @UseGuards(Marked)
  @SetMetadata(MARK, true)
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Get('plain')
  plain(): object {
    return { n: 1 };
  }
}

const KINDS: Readonly<Record<string, Type>> = {
  'that inherits it': Inheriting,
  'of each request': PerRequest,
  'of each request, durable,': Durable,
  'with a provider of each request': OnOneOfRequest,
  'with a version': Versioned,
  'whose method was replaced': Wrapped,
};

eachAdapter((bench) => {
  it.each(Object.entries(KINDS))(
    'an @Sse() route of a controller %s is delivered',
    async (_, controller) => {
      const app = await bench.start({
        controllers: [controller],
        providers: [OfRequest],
        configure: (app) =>
          app.enableVersioning({ type: VersioningType.HEADER, header: 'version' }),
      });
      const client = await bench.connect(app, '/news', { headers: { version: '2' } });
      const id = await app.get(EventBus).publish('news', { data: 'one' });
      expect(await client.next()).toMatchObject({ data: 'one!', lastEventId: id });
      expect(app.get(SseConnections).count).toBe(1);
    },
  );

  it('guards find the method itself as the handler', async () => {
    const app = await bench.start({ controllers: [Hybrid] });
    Marked.handlers = [];
    expect((await bench.connect(app, '/news')).status).toBe(200);
    expect(Marked.handlers).toEqual([
      Object.getOwnPropertyDescriptor(Hybrid.prototype, 'news')?.value,
    ]);
  });

  it("other routes have nothing of it, and what is of all routes is the application's own", async () => {
    const app = await bench.start({ controllers: [Hybrid] });
    const plain = await bench.connect(app, '/plain');
    await plain.closed;
    expect(plain.text).toBe('{"n":1}');
    const config = app.get(ApplicationConfig);
    expect([config.getGlobalGuards(), config.getGlobalInterceptors()]).toEqual([[], []]);
  });
});

describe('A hybrid application', () => {
  const bench = onExpress();

  it('has the same handler for clients of both: the other transport gets what the Observable emits', async () => {
    const app = await bench.start({ controllers: [Hybrid] });
    const service = app.connectMicroservice<MicroserviceOptions>(
      { transport: Transport.TCP, options: { host: '127.0.0.1', port: 0 } },
      { inheritAppConfig: true },
    );
    await app.startAllMicroservices();
    const { port } = service.unwrap<Server>().address() as AddressInfo;
    const proxy = ClientProxyFactory.create({
      transport: Transport.TCP,
      options: { port, host: '127.0.0.1' },
    });
    const client = await bench.connect(app, '/news');
    const received = firstValueFrom(proxy.send<MessageEvent>('news', {}));
    const bus = app.get(EventBus);
    const timer = setInterval(() => void bus.publish('news', { data: 'one' }), 5);
    expect(await received).toMatchObject({ data: 'one' });
    clearInterval(timer);
    expect((await client.next()).data).toBe('one');
    expect(app.get(SseConnections).count).toBe(1);
    await proxy.close();
  });
});

// What Nest's own tests of @Sse() state (integration/nest-application/sse in its repository), of an application that
// imports SseModule. docs/compatibility.md lists what is different, and why.
import { expect, it } from '@jest/globals';
import {
  Body,
  type CallHandler,
  Controller,
  type ExecutionContext,
  Header,
  type MessageEvent,
  type NestInterceptor,
  Query,
  RequestMethod,
  Res,
  Sse,
  SseSignal,
  UseInterceptors,
  ValidationPipe,
} from '@nestjs/common';
import { Type } from 'class-transformer';
import { IsInt } from 'class-validator';
import { EMPTY, finalize, interval, map, Observable, of, range } from 'rxjs';
import { SseConnections } from 'nestjs-event-stream';
import { eachAdapter } from '../support/each-adapter.js';
import { until } from '../support/until.js';

class Limits {
  @IsInt()
  @Type(() => Number)
  limit = 1;
}

/** What both adapters' replies have. */
interface Reply {
  header(name: string, value: string): unknown;
  status(code: number): unknown;
}

function onReply(change: (reply: Reply) => unknown): NestInterceptor {
  return {
    intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
      change(context.switchToHttp().getResponse<Reply>());
      return next.handle();
    },
  };
}

/** What String() refuses. */
const UNPRINTABLE = Object.create(null) as string;
/** Hands on what it is given. */
const handingOn = onReply(() => {});
const hello = of<MessageEvent>({ data: 'hello' });

/** What happened to the handlers that take their time, or end. */
let seen: string[] = [];
let release: () => void = () => {};

function produced<T>(source: Observable<T>): Observable<T> {
  return new Observable<T>((subscriber) => {
    seen.push('subscribed');
    return source.pipe(finalize(() => seen.push('torn down'))).subscribe(subscriber);
  });
}

async function later(): Promise<Observable<MessageEvent>> {
  seen.push('called');
  await new Promise<void>((resolve) => (release = resolve));
  seen.push('resolved');
  return produced(hello);
}

@Controller()
class Routes {
  @Sse('ticking')
  ticking(): Observable<MessageEvent> {
    return interval(5).pipe(map(() => ({ data: { hello: 'world' } })));
  }

  @Sse('validated')
  validated(@Query() { limit }: Limits): Observable<MessageEvent> {
    return of({ data: { limit } });
  }

  @Sse('empty')
  empty(): Observable<MessageEvent> {
    return EMPTY;
  }

  @Sse('burst')
  burst(): Observable<MessageEvent> {
    return range(0, 50).pipe(map((n) => ({ data: String(n % 10).repeat(65_536) })));
  }

  @Sse('posted', { method: RequestMethod.POST })
  posted(@Body() body: object): Observable<MessageEvent> {
    return of({ data: body });
  }

  @Sse('primitives')
  primitives(): Observable<MessageEvent> {
    return of(1, 0, true).pipe(map((data) => ({ data }) as unknown as MessageEvent));
  }

  @Sse('unserializable')
  unserializable(): Observable<MessageEvent> {
    return of({ n: 1 }, { n: 2n }, { n: 3 }).pipe(map((data) => ({ data })));
  }

  @Sse('unserializable-first')
  unserializableFirst(): Observable<MessageEvent> {
    return of({ data: { n: 1n } });
  }

  @Sse('unserializable-field')
  unserializableField(): Observable<MessageEvent> {
    return of(1, 2, 3).pipe(map((n) => ({ data: { n }, ...(n === 2 && { id: UNPRINTABLE }) })));
  }

  @Sse('unserializable-field-first')
  unserializableFieldFirst(): Observable<MessageEvent> {
    return of({ data: { n: 1 }, id: UNPRINTABLE });
  }

  @Sse('later')
  later(): Promise<Observable<MessageEvent>> {
    return later();
  }

  @Sse('posted-later', { method: RequestMethod.POST })
  postedLater(): Promise<Observable<MessageEvent>> {
    return later();
  }

  @Sse('intercepted-later')
  @UseInterceptors(handingOn)
  interceptedLater(): Promise<Observable<MessageEvent>> {
    return later();
  }

  @Sse('signal-later')
  async signalLater(@SseSignal() signal: AbortSignal): Promise<Observable<MessageEvent>> {
    const observable = await later();
    if (signal.aborted) seen.push('cleaned up');
    return observable;
  }

  @Sse('completing')
  completing(@SseSignal() signal: AbortSignal): Observable<MessageEvent> {
    signal.addEventListener('abort', () => seen.push('aborted'));
    return produced(of({ data: { chunk: 0 } }, { data: { chunk: 1 } }));
  }

  @Sse('streaming')
  streaming(@SseSignal() signal: AbortSignal): Observable<MessageEvent> {
    signal.addEventListener('abort', () => seen.push('aborted'));
    return produced(
      new Observable((subscriber) => {
        subscriber.next({ data: 'one' });
      }),
    );
  }
}

@Controller('headers')
class Headers {
  @Sse('decorator')
  @Header('x-set', 'by decorator')
  decorator(): Observable<MessageEvent> {
    return hello;
  }

  @Sse('interceptor')
  @UseInterceptors(onReply((reply) => reply.header('x-set', 'by interceptor')))
  interceptor(): Observable<MessageEvent> {
    return hello;
  }

  @Sse('handler')
  handler(@Res({ passthrough: true }) reply: Reply): Observable<MessageEvent> {
    reply.header('x-set', 'by handler');
    return hello;
  }

  @Sse('async-handler')
  async asyncHandler(@Res({ passthrough: true }) reply: Reply): Promise<Observable<MessageEvent>> {
    await new Promise((resolve) => setTimeout(resolve, 5));
    reply.status(202);
    reply.header('x-set', 'by async handler');
    return hello;
  }

  @Sse('status')
  @UseInterceptors(onReply((reply) => reply.status(202)))
  status(): Observable<MessageEvent> {
    return hello;
  }

  @Sse('type')
  @UseInterceptors(onReply((reply) => reply.header('content-type', 'application/json')))
  type(): Observable<MessageEvent> {
    return hello;
  }

  @Sse('decorated-type')
  @Header('Content-Type', 'application/json')
  decoratedType(): Observable<MessageEvent> {
    return hello;
  }
}

eachAdapter((bench) => {
  async function start(forceCloseConnections = false) {
    seen = [];
    return bench.start({
      controllers: [Routes, Headers],
      options: { forceCloseConnections },
      configure: (app) => app.useGlobalPipes(new ValidationPipe({ transform: true })),
    });
  }

  async function answer(path: string, options?: Parameters<typeof bench.connect>[2]) {
    const client = await bench.connect(await start(), path, options);
    await client.closed;
    return client;
  }

  it.each([false, true])(
    'events arrive, and the application closes under an open stream (forceCloseConnections: %s)',
    async (isForced) => {
      const app = await start(isForced);
      const client = await bench.connect(app, '/ticking');
      expect((await client.next()).json()).toEqual({ hello: 'world' });
      await app.close();
      await client.closed;
    },
  );

  it('a pipe that refuses is answered with its status, as JSON', async () => {
    const { status, headers } = await answer('/validated?limit=x');
    expect([status, headers['content-type']]).toEqual([
      400,
      expect.stringMatching(/^application\/json/),
    ]);
  });

  it('an Observable that completes without messages has the headers of a stream', async () => {
    const { status, headers, text } = await answer('/empty');
    expect([status, headers['content-type']]).toEqual([200, 'text/event-stream']);
    expect(headers['cache-control']).toContain('no-cache');
    // Different: Nest sends an empty line alone.
    expect(text).toMatch(/^\nretry: \d+\n\n$/);
  });

  it('large messages in a burst all arrive', async () => {
    const { text } = await answer('/burst');
    expect(text.match(/^data: /gm)).toHaveLength(50);
  });

  it('a POST with a body is answered with a stream', async () => {
    const { status, headers, text } = await answer('/posted', {
      method: 'POST',
      body: { content: 'chunk-0' },
    });
    expect(headers['content-type']).toBe('text/event-stream');
    expect(text).toContain('data: {"content":"chunk-0"}\n');
    // Different: Nest answers 201.
    expect(status).toBe(200);
  });

  it('numbers and booleans are sent as JSON', async () => {
    const { text } = await answer('/primitives');
    // Different: Nest numbers messages without an id.
    expect(text).toMatch(/\n\ndata: 1\n\ndata: 0\n\ndata: true\n\n$/);
  });

  it.each([
    ['data', '/unserializable', 'BigInt'],
    ['a field', '/unserializable-field', 'Cannot convert object to primitive value'],
  ])('a message of which %s cannot be serialized is not sent', async (_, path, told) => {
    const { text } = await answer(path);
    // Different: Nest ends the stream with an `error` event.
    expect(text.match(/^(data|event): .*$/gm)).toEqual(['data: {"n":1}', 'data: {"n":3}']);
    expect(bench.logs.find('error', told)).toHaveLength(1);
  });

  it.each(['/unserializable-first', '/unserializable-field-first'])(
    'nor is the first message: %s',
    async (path) => {
      // Different: Nest answers with 500.
      const { status, text } = await answer(path);
      expect([status, text]).toEqual([200, expect.not.stringContaining('data:')]);
    },
  );

  it.each([
    ['GET', '/later'],
    ['POST', '/posted-later'],
    ['GET', '/intercepted-later'],
    ['GET', '/signal-later'],
  ])(
    '%s %s: a client that leaves before its handler is ready subscribes to nothing',
    async (method, path) => {
      const app = await start();
      const answer = bench.connect(app, path, { method, timeout: 100 });
      await expect(answer).rejects.toThrow('no answer');
      await until('the server knows', () => app.get(SseConnections).ended.client === 1);
      expect(seen).toEqual(['called']);
      release();
      const end =
        path === '/signal-later' ? ['called', 'resolved', 'cleaned up'] : ['called', 'resolved'];
      await until('the handler went on', () => seen.length === end.length);
      await app.close();
      expect(seen).toEqual(end);
    },
  );

  it('the signal is aborted when a stream has run to its end', async () => {
    const { text } = await answer('/completing');
    expect(text.match(/^data: .*$/gm)).toEqual(['data: {"chunk":0}', 'data: {"chunk":1}']);
    await until('it is aborted', () => seen.includes('aborted'));
    expect([...seen].sort()).toEqual(['aborted', 'subscribed', 'torn down']);
  });

  it('the signal is aborted when the client leaves', async () => {
    const client = await bench.connect(await start(), '/streaming');
    await client.next();
    client.close();
    await until('both know', () => seen.length === 3);
    expect([...seen].sort()).toEqual(['aborted', 'subscribed', 'torn down']);
  });

  it.each([
    ['decorator', 200, 'by decorator'],
    ['interceptor', 200, 'by interceptor'],
    ['handler', 200, 'by handler'],
    ['async-handler', 202, 'by async handler'],
    ['status', 202, undefined],
    ['type', 200, undefined],
    ['decorated-type', 200, undefined],
  ])(
    'what is set on the reply is sent (%s), but for the content type',
    async (path, status, header) => {
      const client = await bench.connect(await start(), `/headers/${path}`);
      expect([client.status, client.headers['x-set'], client.headers['content-type']]).toEqual([
        status,
        header,
        'text/event-stream',
      ]);
    },
  );
});

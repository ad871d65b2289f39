import { expect, it } from '@jest/globals';
import {
  BadRequestException,
  Controller,
  Get,
  HttpCode,
  type MessageEvent,
  NotFoundException,
  Param,
  Post,
  RequestMethod,
  Scope,
  Sse,
  UnauthorizedException,
} from '@nestjs/common';
import { concat, delay, map, NEVER, Observable, of, Subject, throwError } from 'rxjs';
import { EventBus, matching, type SseEvent, SseConnections } from 'nestjs-event-stream';
import { eachAdapter } from '../support/each-adapter.js';
import { elapse, until } from '../support/until.js';

const own = new Subject<MessageEvent>();

@Controller()
class Routes {
  snapshots = 0;

  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Sse('topics/:topic')
  topic(@Param('topic') topic: string): Observable<MessageEvent> {
    return this.bus.stream(topic);
  }

  @Sse('orders')
  orders(): Observable<MessageEvent> {
    return this.bus.stream(matching('orders.*'));
  }

  @Sse('both')
  both(): Observable<MessageEvent> {
    return this.bus.stream(['news', 'weather']);
  }

  @Sse('after-await')
  async afterAwait(): Promise<Observable<MessageEvent>> {
    await elapse(10);
    return this.bus.stream('news');
  }

  @Sse('snapshot')
  snapshot(): Observable<MessageEvent> {
    return this.bus.stream('news', {
      snapshot: () => {
        this.snapshots++;
        return [{ data: 'state' }];
      },
    });
  }

  @Sse('own')
  own(): Observable<MessageEvent> {
    return own;
  }

  @Sse('numbers')
  numbers(): Observable<number> {
    return of(1, 2, 3);
  }

  @Sse('quiet')
  quiet(): Observable<MessageEvent> {
    return NEVER;
  }

  @Sse('posted', { method: RequestMethod.POST })
  posted(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Sse('posted-202', { method: RequestMethod.POST })
  @HttpCode(202)
  accepted(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Sse('throws')
  throws(): Observable<MessageEvent> {
    throw new NotFoundException();
  }

  @Sse('rejects')
  async rejects(): Promise<Observable<MessageEvent>> {
    await elapse(80);
    throw new NotFoundException();
  }

  @Sse('throw-error')
  throwError(): Observable<MessageEvent> {
    return throwError(() => new UnauthorizedException());
  }

  @Sse('throw-error-late')
  throwErrorLate(): Observable<MessageEvent> {
    return concat(
      of({}).pipe(delay(60)),
      throwError(() => new NotFoundException()),
    ).pipe(
      map(() => {
        throw new NotFoundException();
      }),
    );
  }

  @Sse('fails-with/:what')
  failsWith(@Param('what') what: string): Observable<MessageEvent> {
    const error =
      what === 'http' ? new BadRequestException('Ask for less\nplease') : new Error('db password');
    return concat(
      of({ data: 'first' }),
      throwError(() => error),
    );
  }

  @Sse('bus-fails')
  busFails(): Observable<MessageEvent> {
    return this.bus.stream('news').pipe(
      map((event) => {
        if (event.data === 'bad') throw new Error('secret');
        return event;
      }),
    );
  }

  @Post('plain')
  plain(): string {
    return 'plain';
  }

  @Get('plain')
  readPlain(): string {
    return 'plain';
  }
}

@Controller({ path: 'scoped', scope: Scope.REQUEST })
class ScopedRoutes {
  constructor(private readonly bus: EventBus) {}

  @Sse()
  async scoped(): Promise<Observable<MessageEvent>> {
    await elapse(5);
    return this.bus.stream('news');
  }
}

eachAdapter((bench) => {
  async function start(sse = {}) {
    const app = await bench.start({ controllers: [Routes, ScopedRoutes], sse });
    return { app, bus: app.get(EventBus) };
  }

  it('answers with the headers of an event stream', async () => {
    const { app } = await start();
    const { status, headers } = await bench.connect(app, '/news');
    expect(status).toBe(200);
    expect(headers['content-type']).toMatch(/^text\/event-stream/);
    expect(headers['cache-control']).toContain('no-cache');
    expect(headers.connection).toBe(bench.isHttp2 ? undefined : 'keep-alive');
  });

  it('begins with a retry drawn from the bounds and the cursor, and dispatches nothing for them', async () => {
    const { app, bus } = await start({ retry: { min: 2_000, max: 3_000 } });
    await bus.publish('other', { data: 1 });
    const client = await bench.connect(app, '/news');
    await until('the first frame', () => client.lastEventId !== '');
    expect(client.lastEventId).toBe(bus.head);
    expect(client.retry).toBeGreaterThanOrEqual(2_000);
    expect(client.retry).toBeLessThanOrEqual(3_000);
    expect(client.text).not.toMatch(/^data|^event/m);
  });

  it('gives no retry when it is switched off', async () => {
    const { app } = await start({ retry: false });
    const client = await bench.connect(app, '/news');
    await until('the first frame', () => client.lastEventId !== '');
    expect(client.text).not.toContain('retry');
  });

  it('delivers types, ids and data: text as it is, line by line, everything else as JSON', async () => {
    const { app, bus } = await start();
    const client = await bench.connect(app, '/news');
    const cursor = await bus.publish('news', { type: 'headline', data: 'two\nlines' });
    expect(await client.next()).toMatchObject({
      type: 'headline',
      data: 'two\nlines',
      lastEventId: cursor,
    });
    for (const data of [{ a: [1, null] }, [], 0, false, null, '', '"quoted"']) {
      await bus.publish('news', { data });
      const event = await client.next();
      expect(event.type).toBe('message');
      expect(event.data).toBe(typeof data === 'string' ? data : JSON.stringify(data));
    }
  });

  it('delivers in the order of the log what is published in one turn', async () => {
    const { app, bus } = await start();
    const client = await bench.connect(app, '/both');
    for (let n = 0; n < 100; n++) void bus.publish(n % 2 ? 'news' : 'weather', { data: n });
    const received = await client.take(100);
    expect(received.map(({ data }) => Number(data))).toEqual([...Array(100).keys()]);
  });

  it('delivers an event of several topics once to a client that streams them all', async () => {
    const { app, bus } = await start();
    const client = await bench.connect(app, '/both');
    await bus.publish(['news', 'weather', 'news'], { data: 'once' });
    await bus.publish('news', { data: 'next' });
    expect((await client.take(2)).map(({ data }) => data)).toEqual(['once', 'next']);
  });

  it('takes a topic literally, and a pattern only where matching() says so', async () => {
    const { app, bus } = await start();
    const literal = await bench.connect(app, `/topics/${encodeURIComponent('orders.*')}`);
    const pattern = await bench.connect(app, '/orders');
    await bus.publish('orders.7', { data: 'seven' });
    await bus.publish('orders.7.items', { data: 'items' });
    await bus.publish('orders.*', { data: 'star' });
    expect((await literal.next()).data).toBe('star');
    expect((await pattern.take(2)).map(({ data }) => data)).toEqual(['seven', 'star']);
    const other = await bench.connect(app, `/topics/${encodeURIComponent('**')}`);
    expect(other.status).toBe(200);
    await bus.publish('orders.*', { data: 'star' });
    await bus.complete('orders.*');
    for (const taker of ['bus.stream()', 'bus.publish()', 'bus.complete()'])
      expect(bench.logs.find('warn', `${taker} was given a topic with '*'`)).toHaveLength(1);
  });

  it('resumes after the last event received', async () => {
    const { app, bus } = await start();
    const client = await bench.connect(app, '/news');
    await bus.publish('news', { data: 1 });
    const { lastEventId } = await client.next();
    client.close();
    for (const data of [2, 3]) await bus.publish('news', { data });
    const again = await bench.connect(app, '/news', { lastEventId });
    expect((await again.take(2)).map(({ data }) => data)).toEqual(['2', '3']);
    await bus.publish('news', { data: 4 });
    expect((await again.next()).data).toBe('4');
    expect(again.text.match(/^id: .*$/m)?.[0]).toBe(`id: ${lastEventId}`);
  });

  it('resumes from the first frame a client that received nothing else', async () => {
    const { app, bus } = await start();
    const client = await bench.connect(app, '/news');
    await until('the first frame', () => client.lastEventId !== '');
    client.close();
    await bus.publish('news', { data: 'missed' });
    const again = await bench.connect(app, '/news', { lastEventId: client.lastEventId });
    expect((await again.next()).data).toBe('missed');
  });

  it('goes on from ?lastEventId= on a first connect, and from the header when both are there', async () => {
    const { app, bus } = await start();
    const [one, two] = [
      await bus.publish('news', { data: 1 }),
      await bus.publish('news', { data: 2 }),
    ];
    await bus.publish('news', { data: 3 });
    const byQuery = await bench.connect(app, `/news?lastEventId=${one}`);
    expect((await byQuery.next()).data).toBe('2');
    const byHeader = await bench.connect(app, `/news?lastEventId=${one}`, { lastEventId: two });
    expect((await byHeader.next()).data).toBe('3');
  });

  it.each(['/after-await', '/scoped'])(
    'resumes %s, whose stream is opened after an await',
    async (path) => {
      const { app, bus } = await start();
      const one = await bus.publish('news', { data: 1 });
      await bus.publish('news', { data: 2 });
      const client = await bench.connect(app, path, { lastEventId: one });
      expect(await client.next()).toMatchObject({ data: '2', lastEventId: bus.head });
    },
  );

  it('keeps the connections of two tabs of one user apart', async () => {
    const { app, bus } = await start();
    const [one, two] = [await bench.connect(app, '/news'), await bench.connect(app, '/news')];
    await bus.publish('news', { data: 1 });
    expect([(await one.next()).data, (await two.next()).data]).toEqual(['1', '1']);
    one.close();
    await bus.publish('news', { data: 2 });
    expect((await two.next()).data).toBe('2');
  });

  it('invents no ids for an ordinary Observable, and keeps those that it gives', async () => {
    const { app } = await start();
    const client = await bench.connect(app, '/numbers');
    expect((await client.take(3)).map(({ data }) => data)).toEqual(['1', '2', '3']);
    await client.closed;
    expect(client.text).not.toMatch(/^id/m);

    const open = bench.connect(app, '/own');
    await until('a subscription', () => own.observed);
    own.next({ data: 'a' });
    const given = await open;
    own.next({ id: 'mine', type: 'custom', retry: 77, data: { a: 1 } });
    own.next({ comment: 'note', data: 'b' });
    const events = await given.take(3);
    expect(events.map(({ lastEventId }) => lastEventId)).toEqual(['', 'mine', 'mine']);
    expect(events[1]).toMatchObject({ type: 'custom', data: '{"a":1}' });
    expect(given.retry).toBe(77);
    given.close();
    await until('no subscription', () => !own.observed);
  });

  it('beats with comments while an ordinary Observable is silent, and with nothing that dispatches', async () => {
    const { app } = await start({ heartbeatInterval: 30, openTimeout: 10 });
    const client = await bench.connect(app, '/quiet');
    await until('two heartbeats', () => client.comments >= 2);
    expect(client.text).not.toMatch(/^(id|data|event)/m);
  });

  it('beats with the cursor while a bus stream is silent', async () => {
    const { app, bus } = await start({ heartbeatInterval: 30 });
    const client = await bench.connect(app, '/news');
    const cursor = await bus.publish('elsewhere', { data: 1 });
    await until('a heartbeat', () => client.lastEventId === cursor);
    expect(client.text).not.toMatch(/^(data|event)/m);
  });

  it('opens a quiet stream within openTimeout', async () => {
    const { app } = await start({ openTimeout: 20 });
    expect((await bench.connect(app, '/quiet', { timeout: 500 })).status).toBe(200);
  });

  it('answers POST with 200 and a stream, unless @HttpCode says something else', async () => {
    const { app, bus } = await start();
    const client = await bench.connect(app, '/posted', { method: 'POST', body: { filter: 'x' } });
    expect(client.status).toBe(200);
    await bus.publish('news', { data: 'posted' });
    expect((await client.next()).data).toBe('posted');
    expect((await bench.connect(app, '/posted-202', { method: 'POST' })).status).toBe(202);
    expect((await bench.connect(app, '/plain', { method: 'POST' })).status).toBe(201);
  });

  it('answers HEAD with the headers of the stream and without a body, and asks for no snapshot', async () => {
    const { app } = await start();
    for (const path of ['/news', '/snapshot', '/quiet']) {
      const client = await bench.connect(app, path, { method: 'HEAD' });
      expect(client.status).toBe(200);
      expect(client.headers['content-type']).toMatch(/^text\/event-stream/);
      await client.closed;
      expect(client.text).toBe('');
    }
    expect(app.get(Routes).snapshots).toBe(0);
    expect((await bench.connect(app, '/throws', { method: 'HEAD' })).status).toBe(404);
  });

  it.each([
    ['throws', '/throws', 404],
    ['rejects after 80 ms', '/rejects', 404],
    ['returns an Observable that fails at once', '/throw-error', 401],
    ['returns an Observable that fails later, before anything went out', '/throw-error-late', 404],
  ])('answers a handler that %s with its real status', async (_, path, status) => {
    const { app } = await start();
    const client = await bench.connect(app, path);
    expect(client.status).toBe(status);
    await client.closed;
    expect(JSON.parse(client.text)).toMatchObject({ statusCode: status });
  });

  it('tells the client of a late HttpException by its message, ends, and logs it', async () => {
    const { app } = await start();
    const client = await bench.connect(app, '/fails-with/http');
    const [first, exception] = await client.take(2);
    expect(first?.data).toBe('first');
    expect(exception).toMatchObject({ type: 'exception', data: 'Ask for less\nplease' });
    await client.closed;
    expect(bench.logs.find('error', 'Ask for less')).toHaveLength(1);
  });

  it('tells the client nothing of any other late error, ends, and logs it', async () => {
    const { app, bus } = await start();
    for (const path of ['/fails-with/other', '/bus-fails']) {
      const client = await bench.connect(app, path);
      await bus.publish('news', { data: 'bad' });
      expect((await client.next('exception')).data).toBe('Internal server error');
      await client.closed;
      expect(client.text).not.toMatch(/secret|password/);
    }
    expect(bench.logs.find('error', 'db password')).toHaveLength(1);
    expect(bench.logs.find('error', 'secret')).toHaveLength(1);
  });

  it('does not move the id of a client whose event failed in an operator, so that it is asked for again', async () => {
    const { app, bus } = await start();
    const client = await bench.connect(app, '/bus-fails');
    const good = await bus.publish('news', { data: 'good' });
    await bus.publish('news', { data: 'bad' });
    await client.next('exception');
    await client.closed;
    expect(client.lastEventId).toBe(good);
  });

  it('notices a client that leaves while something is on its way to it', async () => {
    const { app, bus } = await start();
    const [client, other] = [await bench.connect(app, '/news'), await bench.connect(app, '/news')];
    await bus.publish('news', { data: 1 });
    await client.next();
    client.close();
    await bus.publish('news', { data: 2 });
    await until('one connection', () => app.get(SseConnections).count === 1);
    await other.take(2);
  });

  it('leaves routes that are not @Sse() alone', async () => {
    const { app } = await start();
    const client = await bench.connect(app, '/plain');
    await client.closed;
    expect([client.status, client.text]).toEqual([200, 'plain']);
  });

  it('gives a subscriber outside of a connection the live events', async () => {
    const { bus } = await start();
    const received: SseEvent[] = [];
    const subscription = bus.stream('news').subscribe((event) => received.push(event));
    const id = await bus.publish('news', { type: 'x', data: { at: new Date(0) } });
    await until('the event', () => received.length === 1);
    expect(received[0]).toEqual({
      id,
      type: 'x',
      data: { at: '1970-01-01T00:00:00.000Z' },
    });
    expect(received[0]?.topics).toEqual(['news']);
    expect(Object.keys({ ...received[0] })).not.toContain('topics');
    subscription.unsubscribe();
  });
});

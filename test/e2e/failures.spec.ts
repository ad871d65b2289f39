import { expect, it } from '@jest/globals';
import { Controller, type MessageEvent, Param, Sse } from '@nestjs/common';
import { concat, from, map, mergeMap, NEVER, Observable, of, timer } from 'rxjs';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { eachAdapter } from '../support/each-adapter.js';
import { turns, until } from '../support/until.js';

// A rejection that nobody handles, or an error that nobody catches, fails the test during which it happens.

const explode = (): never => {
  throw new Error('trap');
};

/** What is thrown, and cannot be looked at. */
const UNRENDERABLE: Record<string, () => unknown> = {
  'no-prototype': () => Object.create(null) as unknown,
  symbol: () => Symbol('x'),
  undefined: () => undefined,
  'throwing-to-string': () => ({ toString: explode }),
  proxy: () => new Proxy({}, { get: explode, getPrototypeOf: explode }),
  'throwing-stack': () => Object.defineProperty(new Error('x'), 'stack', { get: explode }),
};

let handlers: (() => void)[] = [];

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Sse('fails/:how')
  fails(@Param('how') how: string): Observable<MessageEvent> {
    const news = this.bus.stream('news');
    switch (how) {
      case 'in-its-teardown':
        return new Observable((subscriber) => {
          subscriber.next({ data: 'here' });
          return () => {
            throw new Error('bad teardown');
          };
        });
      case 'when-subscribed':
        return new Observable(() => {
          throw new Error('bad subscribe');
        });
      case 'in-a-promise':
        return news.pipe(mergeMap(() => from(Promise.reject(new Error('bad promise')))));
      case 'in-a-getter':
        return concat(
          of({
            get data(): string {
              throw new Error('bad getter');
            },
          }),
          of({ data: 'after' }),
          NEVER,
        );
      case 'in-its-snapshot':
        return this.bus.stream('news', {
          snapshot: () => Promise.reject(new Error('bad snapshot')),
        });
      case 'in-where':
        return this.bus.stream('news', {
          where: ({ data }) => {
            if (data === 'bad') throw new Error('bad where');
            return true;
          },
        });
      default:
        return timer(0).pipe(
          map(() => {
            throw new Error('bad map');
          }),
        );
    }
  }

  @Sse('throws/:value/:where')
  throwsWhatCannotBeRendered(
    @Param('value') value: string,
    @Param('where') where: string,
  ): Observable<MessageEvent> {
    const fail = (): never => {
      throw UNRENDERABLE[value]?.();
    };
    const failing = timer(1).pipe(map(fail));
    switch (where) {
      case 'the-handler':
        return fail();
      case 'an-operator':
        return this.bus.stream('news').pipe(map(fail));
      case 'where':
        return this.bus.stream('news', { where: fail });
      case 'a-snapshot':
        return this.bus.stream('news', { snapshot: async () => fail() });
      case 'data':
        return concat(of({ data: { toJSON: fail } }), failing);
      case 'a-teardown':
        return new Observable((subscriber) => {
          subscriber.next({ data: 'here' });
          return fail;
        });
      case 'a-generator':
        return (async function* () {
          yield { data: 'here' };
          fail();
        })() as unknown as Observable<MessageEvent>;
      case 'publish':
        void this.bus.publish('news', { data: { toJSON: fail } });
        return of({ data: 'here' });
      default:
        return concat(of({ data: 'here' }), failing);
    }
  }

  @Sse('where-says/:what')
  whereSays(@Param('what') what: string): Observable<MessageEvent> {
    const answers: Record<string, () => unknown> = {
      'a-promise': async () => false,
      'a-promise-that-rejects': async () => {
        throw new Error('bad async where');
      },
      nothing: () => undefined,
      'a-truthy-value': () => 'yes',
    };
    return this.bus.stream('news', {
      where: ({ data }) => (data === 'good' ? true : (answers[what]?.() as boolean)),
    });
  }

  @Sse('rejects-late')
  async rejectsLate(): Promise<Observable<MessageEvent>> {
    await new Promise<void>((resolve) => handlers.push(resolve));
    throw new Error('bad handler');
  }
}

eachAdapter((bench) => {
  async function start(openTimeout = 10) {
    handlers = [];
    const app = await bench.start({ controllers: [Routes], sse: { openTimeout } });
    const other = await bench.connect(app, '/news');
    const bus = app.get<EventBus>(EventBus);
    return { app, bus, other, connections: app.get(SseConnections) };
  }

  it('survives a teardown that throws, whoever ends the stream', async () => {
    const { app, bus, other, connections } = await start();
    const client = await bench.connect(app, '/fails/in-its-teardown');
    await client.next();
    client.close();
    await until('it is noticed', () => connections.count === 1);
    await bench.connect(app, '/fails/in-its-teardown');
    await bench.connect(app, '/fails/in-its-teardown');
    expect(connections.close(({ path }) => path.endsWith('in-its-teardown'))).toBe(2);
    await until('they are gone', () => connections.count === 1);
    await bus.publish('news', { data: 'still here' });
    expect((await other.next()).data).toBe('still here');
    expect(bench.logs.find('error', 'bad teardown')).toHaveLength(3);
    await bench.connect(app, '/fails/in-its-teardown');
    const started = performance.now();
    await app.close();
    expect(performance.now() - started).toBeLessThan(900);
  });

  it.each(['when-subscribed', 'in-some-other-way'])(
    'answers 500 to a stream that fails %s, before anything went out',
    async (how) => {
      // Whichever timer of this process comes first, it is the stream that fails first.
      const { app } = await start(60_000);
      const client = await bench.connect(app, `/fails/${how}`);
      expect(client.status).toBe(500);
      await client.closed;
      expect(client.text).not.toContain('bad');
    },
  );

  it('ends a stream whose promise rejects, or whose snapshot does, with an exception', async () => {
    const { app, bus, other } = await start();
    const client = await bench.connect(app, '/fails/in-a-promise');
    await bus.publish('news', { data: 1 });
    expect((await client.next()).type).toBe('exception');
    await client.closed;
    const second = await bench.connect(app, '/fails/in-its-snapshot');
    expect((await second.next()).type).toBe('exception');
    await second.closed;
    expect(bench.logs.find('error', 'bad promise')).toHaveLength(1);
    expect(bench.logs.find('error', 'bad snapshot')).toHaveLength(1);
    expect((await other.next()).data).toBe('1');
  });

  it('drops a message whose data cannot be read, and goes on', async () => {
    const { app } = await start();
    const client = await bench.connect(app, '/fails/in-a-getter');
    expect((await client.next()).data).toBe('after');
    expect(bench.logs.find('error', 'bad getter')).toHaveLength(1);
  });

  it('drops an event for which where throws, and goes on', async () => {
    const { app, bus } = await start();
    const client = await bench.connect(app, '/fails/in-where');
    for (const data of ['bad', 'bad', 'good']) await bus.publish('news', { data });
    expect((await client.next()).data).toBe('good');
    expect(bench.logs.find('error', 'bad where')).toHaveLength(1);
  });

  it.each(Object.keys(UNRENDERABLE))(
    'survives that %s is thrown, wherever that is, and logs it',
    async (value) => {
      const { app, bus, other, connections } = await start();
      const places =
        'the-handler an-operator where a-snapshot data a-teardown a-generator publish later';
      for (const where of places.split(' ')) {
        const client = await bench.connect(app, `/throws/${value}/${where}`);
        await bus.publish('news', { data: where });
        expect((await other.next()).data).toBe(where);
        // The others end by themselves.
        if (where === 'where' || where === 'a-teardown') client.close();
        await client.closed;
        await until('it has left', () => connections.count === 1);
      }
      await turns(5);
      // What the handler throws before anything is sent is Nest's to log.
      await until('all is logged', () => bench.logs.find('error', '').length >= 8);
    },
  );

  it.each([
    ['a-promise', 'a promise'],
    ['a-promise-that-rejects', 'a promise'],
    ['nothing', 'undefined'],
    ['a-truthy-value', '"yes"'],
  ])(
    'drops an event for which where says %s and no boolean, and says so once',
    async (what, said) => {
      const { app, bus } = await start();
      const client = await bench.connect(app, `/where-says/${what}`);
      for (const data of ['secret', 'secret', 'good']) await bus.publish('news', { data });
      expect((await client.next()).data).toBe('good');
      expect(client.text).not.toContain('secret');
      const line = `A stream's where returned ${said} and no boolean`;
      expect(bench.logs.lines.filter(({ text }) => text.includes(line))).toHaveLength(1);
    },
  );

  it('closes nothing when the predicate of close() says anything but true or false', async () => {
    const { other, bus, connections } = await start();
    const predicate = (async () => false) as unknown as () => boolean;
    expect(() => connections.close(predicate)).toThrow(/true or false; received a promise/);
    await bus.publish('news', { data: 'still here' });
    expect((await other.next()).data).toBe('still here');
  });

  it('survives a handler that rejects after its client has left', async () => {
    const { app, connections } = await start();
    const client = await bench.connect(app, '/rejects-late');
    client.close();
    await until('it is noticed', () => connections.count === 1);
    for (const finish of handlers) finish();
    await turns(5);
    expect(connections.ended.client).toBe(1);
  });
});

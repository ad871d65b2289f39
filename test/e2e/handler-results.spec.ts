import { describe, expect, it } from '@jest/globals';
import {
  ClassSerializerInterceptor,
  Controller,
  ForbiddenException,
  Get,
  type MessageEvent,
  Param,
  Sse,
  UseInterceptors,
} from '@nestjs/common';
import { Exclude, Expose, Transform, instanceToPlain } from 'class-transformer';
import { BehaviorSubject, concat, first, map, NEVER, type Observable, of } from 'rxjs';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { eachAdapter, onExpress } from '../support/each-adapter.js';
import { turns, until } from '../support/until.js';

/** What a generator of the test has been through. */
let steps: string[] = [];
let yielded = 0;
const states = new BehaviorSubject<MessageEvent | undefined>(undefined);

async function* numbers(): AsyncGenerator<MessageEvent> {
  try {
    for (const n of [1, 2, 3]) yield { type: 'n', data: String(n) };
    steps.push('read to its end');
  } finally {
    steps.push('finally');
  }
}

async function* endless(): AsyncGenerator<MessageEvent> {
  try {
    for (;;) {
      yielded++;
      yield { data: 'x'.repeat(10_000) };
    }
  } finally {
    steps.push('finally');
  }
}

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('returns/:what')
  returns(@Param('what') what: string): Observable<MessageEvent> {
    return this.#results[what]?.() as Observable<MessageEvent>;
  }

  @Sse('later/:what')
  async later(@Param('what') what: string): Promise<Observable<MessageEvent>> {
    await turns(1);
    return this.returns(what);
  }

  readonly #results: Record<string, () => unknown> = {
    nothing: () => void this.bus.stream('news'),
    'an-array': () => [{ data: 1 }],
    'a-function': () => () => 1,
    'an-object': () => ({ name: 'x' }),
    numbers,
    endless,
    'own-iterable': () => ({ [Symbol.asyncIterator]: numbers }),
    async *'fails-early'() {
      await turns(1);
      throw new ForbiddenException('not you');
    },
    async *'fails-late'() {
      yield { data: 'one' };
      throw new Error('bad generator');
    },
    async *'fails-in-finally'() {
      try {
        yield { data: 'one' };
        await new Promise(() => {});
      } finally {
        steps.push('finally');
      }
    },
    'promises-in-map': () => this.bus.stream('news').pipe(map(async (event) => event)),
    'promised-data': () =>
      this.bus.stream('news').pipe(
        map(async (e) => e),
        map((data) => ({ data })),
      ),
    'no-data': () => this.bus.stream('news').pipe(map(({ data }) => data)),
    'no-return': () => this.bus.stream('news').pipe(map(() => undefined)),
    'sometimes-no-data': () =>
      this.bus
        .stream('news')
        .pipe(map((event) => (event.data === 'good' ? event : { id: event.id }))),
    'rejecting-promises': () =>
      concat(of({ data: 'one' }), of(Promise.reject(new Error('bad promise'))), NEVER),
    'only-a-promise': () => of(Promise.resolve({ data: 1 })),
    'a-state': () => states,
    'only-ids': () =>
      concat(of({ id: '7' }, { retry: 5 }, { comment: 'c' }, { data: 'end' }), NEVER),
  };

  @Get('forgotten')
  forgotten(): Observable<unknown> {
    return this.bus.stream('news');
  }

  @Get('first')
  first(): Observable<unknown> {
    return this.bus.stream('news').pipe(first());
  }
}

eachAdapter((bench) => {
  async function start() {
    steps = [];
    yielded = 0;
    const app = await bench.start({
      controllers: [Routes],
      sse: { openTimeout: 10, highWaterMark: 20_000 },
    });
    const bus = app.get<EventBus>(EventBus);
    return { app, bus, connections: app.get(SseConnections) };
  }

  it.each(['nothing', 'an-array', 'a-function', 'an-object'])(
    'answers 500 to a handler that returns %s in the place of an Observable, and the log says why',
    async (what) => {
      const { app } = await start();
      for (const path of [`/returns/${what}`, `/later/${what}`]) {
        const client = await bench.connect(app, path);
        expect(client.status).toBe(500);
        await client.closed;
        expect(JSON.parse(client.text)).toMatchObject({ message: 'Internal server error' });
      }
      const said =
        what === 'an-object' ? 'an object without data' : 'You must return an Observable';
      await until('it is logged', () => bench.logs.find('error', said).length === 2);
    },
  );

  it.each(['numbers', 'own-iterable'])(
    'delivers what the async iterable of %s gives',
    async (what) => {
      const { app, connections } = await start();
      const client = await bench.connect(app, `/later/${what}`);
      const events = await client.take(3);
      expect(events.map(({ type, data }) => `${type} ${data}`)).toEqual(['n 1', 'n 2', 'n 3']);
      await client.closed;
      expect(client.status).toBe(200);
      expect(steps).toEqual(['read to its end', 'finally']);
      expect(connections.ended.complete).toBe(1);
    },
  );

  it('asks an async generator for no more than its client takes, and ends it when the client leaves', async () => {
    const { app } = await start();
    const client = await bench.connect(app, '/returns/endless');
    client.pause();
    let before = -1;
    await until('it waits', async () => {
      const isStill = yielded === before;
      before = yielded;
      await new Promise((resolve) => setTimeout(resolve, 40));
      return isStill;
    });
    expect(steps).toEqual([]);
    client.resume();
    await until('it goes on', () => yielded > before);
    client.close();
    await until('it has ended', () => steps.includes('finally'));
  });

  it('ends an async generator when the application shuts down', async () => {
    const { app } = await start();
    const client = await bench.connect(app, '/returns/endless');
    await client.next();
    await app.close();
    expect(steps).toEqual(['finally']);
  });

  it('answers with the status of an async generator that fails at once, and later with an exception', async () => {
    const { app } = await start();
    const early = await bench.connect(app, '/returns/fails-early');
    expect(early.status).toBe(403);
    const late = await bench.connect(app, '/returns/fails-late');
    expect((await late.next()).data).toBe('one');
    expect(await late.next()).toMatchObject({ type: 'exception', data: 'Internal server error' });
    await late.closed;
    expect(bench.logs.find('error', 'bad generator')).toHaveLength(1);
  });
});

describe('a message that leaves nothing to dispatch', () => {
  const bench = onExpress();

  async function start() {
    const app = await bench.start({ controllers: [Routes], sse: { openTimeout: 10 } });
    return { app, bus: app.get<EventBus>(EventBus) };
  }

  it.each([
    ['promises-in-map', 'it is a promise, or its data is one. Wait for it: concatMap'],
    ['promised-data', 'it is a promise, or its data is one. Wait for it: concatMap'],
    ['no-data', 'it is an object without data'],
    ['no-return', 'it is undefined'],
  ])('(%s) is not sent, nor its id, and the log says what to write', async (what, said) => {
    const { app, bus } = await start();
    const client = await bench.connect(app, `/returns/${what}`);
    await until('the first frame', () => client.lastEventId !== '');
    const before = client.text;
    for (const name of ['x', 'y']) await bus.publish('news', { data: { name } });
    await until(
      'it is logged',
      () => bench.logs.find('error', said).length > 0 || bench.logs.find('warn', said).length > 0,
    );
    await turns(5);
    expect(client.text).toBe(before);
    expect(bench.logs.lines.filter(({ text }) => text.includes(said))).toHaveLength(1);
  });

  it('does not lose its event: a client that comes back gets what it did not get', async () => {
    const { app, bus } = await start();
    const client = await bench.connect(app, '/returns/sometimes-no-data');
    await until('the first frame', () => client.lastEventId !== '');
    const first = client.lastEventId;
    await bus.publish('news', { data: 'bad' });
    await until('it is logged', () => bench.logs.find('warn', 'without data').length > 0);
    expect(client.lastEventId).toBe(first);
    await bus.publish('news', { data: 'good' });
    const { data, lastEventId } = await client.next();
    expect([data, lastEventId]).toEqual(['good', bus.head]);
  });

  it('that is a promise which rejects does not end the process', async () => {
    const { app } = await start();
    const client = await bench.connect(app, '/returns/rejecting-promises');
    expect((await client.next()).data).toBe('one');
    await turns(5);
    client.close();
    await until('it is logged', () => bench.logs.find('error', 'Wait for it').length === 1);
  });

  it('answers 500 if it is all there is, and says what is wrong', async () => {
    const { app } = await start();
    expect((await bench.connect(app, '/returns/only-a-promise')).status).toBe(500);
    await until('it is logged', () => bench.logs.find('error', 'Wait for it').length === 1);
  });

  it('does not end an Observable that goes on', async () => {
    const { app } = await start();
    const client = await bench.connect(app, '/returns/a-state');
    states.next({ data: 'ready' });
    expect((await client.next()).data).toBe('ready');
    expect(client.status).toBe(200);
  });

  it('is sent if it is for something else: an id, retry, a comment', async () => {
    const { app } = await start();
    const client = await bench.connect(app, '/returns/only-ids');
    expect(await client.next()).toMatchObject({ data: 'end', lastEventId: '7' });
    expect([client.retry, client.comments]).toEqual([5, 1]);
  });
});

describe('bus.stream() returned from @Get()', () => {
  const bench = onExpress();

  it('is never answered by Nest, and one log line names @Sse()', async () => {
    const app = await bench.start({ controllers: [Routes] });
    const answer = bench.connect(app, '/forgotten', { timeout: 200 });
    await expect(answer).rejects.toThrow('no answer');
    const again = bench.connect(app, '/forgotten', { timeout: 50 });
    await expect(again).rejects.toThrow('no answer');
    const [warning, ...others] = bench.logs.find(
      'warn',
      'is no @Sse() route returned bus.stream()',
    );
    expect(warning).toMatch(/called at .*forgotten.*handler-results\.spec\.ts:\d+/);
    expect(others).toEqual([]);
  });

  it('is fine when operators end it', async () => {
    const app = await bench.start({ controllers: [Routes] });
    const answer = bench.connect(app, '/first');
    const bus = app.get<EventBus>(EventBus);
    const timer = setInterval(() => void bus.publish('news', { data: 'x' }), 5);
    expect((await answer).status).toBe(200);
    clearInterval(timer);
    expect(bench.logs.find('warn', '@Sse()')).toEqual([]);
  });
});

class Address {
  street = 'Elm Street';
  @Exclude() alarmCode = '1234';
}

class Money {
  cents = 7;
}

class User {
  name = 'Ada';
  @Exclude() passwordHash = 'secret';
  readonly address?: Address;
}

@Exclude()
class Account {
  @Expose() id = 7;
  balance = 100;
}

class Card {
  @Transform(({ value }) => `…${String(value).slice(-4)}`) number = '4111111111111111';
}

class Staff {
  name = 'Bob';
  @Expose({ groups: ['admin'] }) salary = 1;
}

class Input {
  @Exclude({ toClassOnly: true }) role = 'guest';
  @Transform(({ value }) => String(value).trim(), { toClassOnly: true }) name = 'Ada';
}

class Careful {
  @Exclude() secret = 'secret';
  toJSON(): object {
    return instanceToPlain(this);
  }
}

class Careless {
  @Exclude() secret = 'secret';
  toJSON(): object {
    return { secret: this.secret };
  }
}

@Controller()
@UseInterceptors(ClassSerializerInterceptor)
class Serialized {
  static snapshot: () => unknown = () => [];

  constructor(private readonly bus: EventBus) {}

  @Sse('ordinary')
  ordinary(): Observable<MessageEvent> {
    return concat(of({ data: new User() }), NEVER);
  }

  @Sse('users')
  users(): Observable<MessageEvent> {
    return this.bus.stream('users', {
      snapshot: () => [{ data: Serialized.snapshot() }],
    });
  }
}

describe('what ClassSerializerInterceptor would hide', () => {
  const bench = onExpress();
  const start = () => bench.start({ controllers: [Serialized] });

  it('is hidden in an ordinary Observable', async () => {
    const app = await start();
    const client = await bench.connect(app, '/ordinary');
    expect((await client.next()).json()).toEqual({ name: 'Ada' });
  });

  const hiding: [what: string, data: () => object, name: string][] = [
    ['an excluded property', () => new User(), 'passwordHash'],
    ['one that is deep inside', () => ({ users: [{ user: new User() }] }), 'passwordHash'],
    [
      'one of an instance in an instance',
      () => Object.assign(new Money(), { address: new Address() }),
      'alarmCode',
    ],
    ['what a class does not expose', () => new Account(), 'balance'],
    ['what is transformed', () => new Card(), 'number'],
    ['what is for a group', () => new Staff(), 'salary'],
    ['what toJSON gives away', () => new Careless(), 'secret'],
  ];

  it.each(hiding)('is refused by publish and in snapshots: %s', async (_, data, name) => {
    const app = await start();
    const bus = app.get<EventBus>(EventBus);
    const refusal = bus.publish('users', { data: data() });
    await expect(refusal).rejects.toThrow(`'${name}' class-transformer hides`);
    await expect(refusal).rejects.toMatchObject({ code: 'BAD_EVENT' });
    Serialized.snapshot = data;
    const client = await bench.connect(app, '/users');
    expect((await client.next()).type).toBe('exception');
    expect(bench.logs.find('error', `'${name}' class-transformer hides`)).toHaveLength(1);
  });

  it.each<[what: string, data: () => object, sent: unknown]>([
    ['what was made plain', () => instanceToPlain(new User()), { name: 'Ada' }],
    ['what is decorated for input only', () => new Input(), { role: 'guest', name: 'Ada' }],
    ['an instance whose toJSON hides it', () => new Careful(), {}],
    [
      'an instance without what is hidden',
      () => Object.assign(Object.create(User.prototype) as object, { name: 'x' }),
      { name: 'x' },
    ],
    ['data with a constructor of its own', () => ({ constructor: () => 1, a: 1 }), { a: 1 }],
  ])('does not hinder %s', async (_, data, sent) => {
    const app = await start();
    Serialized.snapshot = data;
    const client = await bench.connect(app, '/users');
    expect((await client.next()).json()).toEqual(sent);
    await app.get<EventBus>(EventBus).publish('users', { data: data() });
    expect((await client.next()).json()).toEqual(sent);
  });
});

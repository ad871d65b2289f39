import { describe, expect, it } from '@jest/globals';
import {
  Controller,
  type DynamicModule,
  Inject,
  Injectable,
  type MessageEvent,
  Module,
  Sse,
  type Type,
} from '@nestjs/common';
import { CqrsModule, EventBus as CqrsEventBus } from '@nestjs/cqrs';
import { Test } from '@nestjs/testing';
import { map, type Observable, of, timer } from 'rxjs';
import {
  Backplane,
  EventBus,
  MemoryBackplane,
  SseConnections,
  SseError,
  SseEventBus,
  SseModule,
  type SseModuleOptions,
  type SseOptionsFactory,
} from 'nestjs-event-stream';
import { SseInspectorModule } from 'nestjs-event-stream/inspector';
import { SseMetricsModule, SseTracingModule } from 'nestjs-event-stream/metrics';
import { SsePrometheusModule } from 'nestjs-event-stream/metrics/prometheus';
import { SsePresenceModule } from 'nestjs-event-stream/presence';
import { SseRuns, SseRunsModule } from 'nestjs-event-stream/runs';
import { onExpress } from '../support/each-adapter.js';
import { until } from '../support/until.js';

@Injectable()
class Newsroom {
  constructor(private readonly bus: EventBus) {}

  report(data: string): Promise<string> {
    return this.bus.publish('news', { data });
  }
}

@Controller()
class NewsController {
  constructor(@Inject(EventBus) private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }
}

/** Shared by applications with and without the module. */
@Controller()
class SharedController {
  @Sse('numbers')
  numbers(): Observable<MessageEvent> {
    return of({ data: 'one' }, { data: 'two' });
  }

  @Sse('late')
  late(): Observable<MessageEvent> {
    return timer(150).pipe(map(() => ({ data: 'late' })));
  }
}

@Injectable()
class OptionsFactory implements SseOptionsFactory {
  createSseOptions(): SseModuleOptions {
    return { retry: { min: 4_321, max: 4_321 } };
  }
}

@Module({ providers: [OptionsFactory], exports: [OptionsFactory] })
class OptionsModule {}

const bench = onExpress();

it('works without options, and gives its injectables to every module', async () => {
  @Module({ providers: [Newsroom], exports: [Newsroom] })
  class NewsroomModule {}
  const app = await bench.start({
    sse: SseModule.forRoot(),
    imports: [NewsroomModule],
    controllers: [NewsController],
  });
  const client = await bench.connect(app, '/news');
  await app.get(Newsroom).report('from a service');
  expect((await client.next()).data).toBe('from a service');
  expect(app.get(SseConnections).count).toBe(1);
});

describe('forRootAsync', () => {
  it.each([
    [
      'useFactory',
      SseModule.forRootAsync({
        imports: [OptionsModule],
        inject: [OptionsFactory],
        useFactory: async (factory: OptionsFactory) => {
          await Promise.resolve();
          return factory.createSseOptions();
        },
      }),
    ],
    ['useClass', SseModule.forRootAsync({ useClass: OptionsFactory })],
    [
      'useExisting',
      SseModule.forRootAsync({ imports: [OptionsModule], useExisting: OptionsFactory }),
    ],
  ])('takes options from %s', async (_, sse) => {
    const app = await bench.start({ sse, controllers: [NewsController] });
    const client = await bench.connect(app, '/news');
    await until('the first frame', () => client.retry !== undefined);
    expect(client.retry).toBe(4_321);
  });

  it('refuses a bad option at start-up, as forRoot does', async () => {
    const sse = SseModule.forRootAsync({ useFactory: () => ({ highWaterMark: -1 }) });
    await expect(bench.start({ sse })).rejects.toThrow(/highWaterMark/);
  });
});

describe('refuses at start-up, saying what was received and what is allowed,', () => {
  const cases: [name: string, options: unknown, message: string][] = [
    [
      'a negative size',
      { highWaterMark: -1 },
      'highWaterMark has to be a whole number from 1 to 2147483647; received -1',
    ],
    [
      'a time as text',
      { heartbeatInterval: '15s' },
      'heartbeatInterval has to be a whole number from 1 to 2147483647, or false; received "15s"',
    ],
    [
      'a fraction',
      { maxConnections: 1.5 },
      'maxConnections has to be a whole number from 0 to 2147483647, or false; received 1.5',
    ],
    ['NaN', { stallTimeout: Number.NaN }, 'received NaN'],
    ['a time that no timer takes', { maxLifetime: 2 ** 31 }, 'received 2147483648'],
    [
      'false for what cannot be off',
      { openTimeout: false },
      'openTimeout has to be a whole number from 0 to 2147483647; received false',
    ],
    ['null', { drain: null }, 'drain has to be an object with timeout, over; received null'],
    [
      'no time to drain over',
      { drain: { over: 0 } },
      'drain.over has to be a whole number from 1 to 2147483647, or false; received 0',
    ],
    [
      'a nested value',
      { history: { maxEvents: 0 } },
      'history.maxEvents has to be a whole number from 1',
    ],
    [
      'a nested misspelling',
      { history: { maxEvent: 1 } },
      "history has to be an object with maxEvents, maxBytes, maxAge, topics, archive; received 'maxEvent'",
    ],
    ['a misspelling', { heartbeat: 1 }, "received 'heartbeat'"],
    [
      'bounds in the wrong order',
      { retry: { min: 2, max: 1 } },
      'retry has to be min no greater than max; received { min: 2, max: 1 }',
    ],
    ['what is no backplane', { backplane: {} }, 'backplane has to be a Backplane'],
    ['no object', 'options', 'options has to be an object'],
  ];
  it.each(cases)('%s', async (_, options, message) => {
    const starting = Test.createTestingModule({
      imports: [SseModule.forRoot(options as SseModuleOptions)],
    })
      .setLogger(bench.logs)
      .compile();
    const error: unknown = await starting.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(SseError);
    expect(error).toMatchObject({ code: 'BAD_OPTION' });
    expect((error as SseError).message).toContain(message);
  });
});

it('refuses a second forRoot() in one application', async () => {
  @Module({ imports: [SseModule.forRoot({ heartbeatInterval: 1_000 })] })
  class FeatureModule {}
  const starting = bench.start({ imports: [FeatureModule] });
  await expect(starting).rejects.toMatchObject({
    code: 'DUPLICATE_MODULE',
    message: expect.stringContaining('imported 2 times'),
  });
});

const OTHERS = {
  SseInspectorModule,
  SseMetricsModule,
  SsePresenceModule,
  SsePrometheusModule,
  SseRunsModule,
  SseTracingModule,
};

it.each(Object.entries(OTHERS))(
  'says what to write when %s is imported bare',
  async (name, module) => {
    await expect(bench.start({ imports: [module] })).rejects.toMatchObject({
      code: 'MODULE_WITHOUT_OPTIONS',
      message: expect.stringMatching(`imports: \\[SseModule.forRoot\\(\\), ${name}.forRoot\\(\\)]`),
    });
  },
);

it.each([
  ['SseMetricsModule', () => SseMetricsModule.forRoot()],
  ['SsePresenceModule', () => SsePresenceModule.forRoot({ topics: ['room.*'] })],
  ['SseRunsModule', () => SseRunsModule.forRoot()],
  ['SseTracingModule', () => SseTracingModule.forRoot()],
])('refuses a second forRoot() of %s', async (name, forRoot) => {
  @Module({ imports: [forRoot()] })
  class FeatureModule {}
  const imports = [forRoot(), FeatureModule];
  await expect(bench.start({ imports })).rejects.toMatchObject({
    code: 'DUPLICATE_MODULE',
    message: expect.stringContaining(`${name} is imported 2 times`),
  });
});

it.each([
  ['an unknown one', SseMetricsModule.forRoot({ provider: 1 } as never), "'provider'"],
  ['an unknown one', SsePrometheusModule.forRoot({ register: 1 } as never), "'register'"],
  ['an unknown one', SseTracingModule.forRoot({ tracer: 1 } as never), "'tracer'"],
  ['no provider', SseMetricsModule.forRoot({ meterProvider: 5 as never }), 'meterProvider has'],
  ['no registry', SsePrometheusModule.forRoot({ registry: 5 as never }), 'registry has to be'],
  ['no provider', SseTracingModule.forRoot({ tracerProvider: {} as never }), 'tracerProvider has'],
  ['no function', SseTracingModule.forRoot({ isEventStream: 1 as never }), 'isEventStream has'],
  ['no provider', SseInspectorModule.forRoot({ runs: SseRuns }), 'import SseRunsModule.forRoot()'],
])('refuses %s among the options of others: %#', async (_, module, message) => {
  await expect(bench.start({ imports: [module] })).rejects.toMatchObject({
    code: 'BAD_OPTION',
    message: expect.stringContaining(message),
  });
});

it('says what to write when it is imported without forRoot()', async () => {
  const failing = (imports: (Type | DynamicModule)[]) =>
    Test.createTestingModule({ imports, controllers: [NewsController] })
      .setLogger(bench.logs)
      .compile();
  const error = {
    code: 'MODULE_WITHOUT_OPTIONS',
    message: expect.stringContaining('SseModule.forRoot()'),
  };
  await expect(failing([SseModule])).rejects.toMatchObject(error);
  await expect(failing([SseModule, SseModule.forRoot()])).rejects.toMatchObject(error);
});

it('opens the backplane that a test puts in the place of the configured one, and not that', async () => {
  class Configured extends MemoryBackplane {
    override open(): Promise<void> {
      throw new Error('the real backplane was opened');
    }
  }
  const instead = new MemoryBackplane();
  const module = await Test.createTestingModule({
    imports: [SseModule.forRoot({ backplane: new Configured() })],
    controllers: [NewsController],
  })
    .overrideProvider(Backplane)
    .useValue(instead)
    .setLogger(bench.logs)
    .compile();
  const app = module.createNestApplication();
  const client = await bench.connect(app, '/news');
  await app.get<EventBus>(EventBus).publish('news', { data: 'without it' });
  expect((await client.next()).data).toBe('without it');
  expect(app.get(Backplane)).toBe(instead);
  expect(instead.health.isConnected).toBe(true);
  await app.close();
  expect(instead.health.isConnected).toBe(false);
});

it.each([
  { token: EventBus, advice: 'an object. The module itself works with it. Spy on the real one' },
  { token: Backplane, advice: 'an object. Use a new MemoryBackplane()' },
])('says what to write where a test puts a mock in the place of $token.name', async (mocked) => {
  const builder = Test.createTestingModule({
    imports: [SseModule.forRoot()],
    controllers: [NewsController],
  })
    .overrideProvider(mocked.token)
    .useValue({ publish: () => {}, stream: () => {} });
  await expect(builder.setLogger(bench.logs).compile()).rejects.toMatchObject({
    code: 'BAD_OPTION',
    message: expect.stringContaining(mocked.advice),
  });
});

it('takes one forRoot() that several modules import as one', async () => {
  const sse = SseModule.forRoot();
  @Module({ imports: [sse] })
  class FeatureModule {}
  const app = await bench.start({ sse, imports: [FeatureModule], controllers: [NewsController] });
  expect((await bench.connect(app, '/news')).status).toBe(200);
});

it('exports the bus as SseEventBus too, for use beside that of @nestjs/cqrs', async () => {
  expect(SseEventBus).toBe(EventBus);
  @Injectable()
  class Both {
    constructor(
      readonly commands: CqrsEventBus,
      readonly events: SseEventBus,
    ) {}
  }
  const app = await bench.start({
    imports: [CqrsModule.forRoot()],
    providers: [Both],
    controllers: [NewsController],
  });
  const { commands, events } = app.get(Both);
  expect(commands).toBeInstanceOf(CqrsEventBus);
  const client = await bench.connect(app, '/news');
  const subscription = commands.subscribe((event) => {
    void events.publish('news', { data: event });
  });
  await commands.publish({ order: 7 });
  expect((await client.next()).json()).toEqual({ order: 7 });
  subscription.unsubscribe();
});

describe('two applications in one process that share a controller', () => {
  const controllers: Type[] = [SharedController];

  it.each([
    ['with the module first', [{}, false]],
    ['without the module first', [false, {}]],
  ] as const)('%s: each one behaves as if it were alone', async (_, order) => {
    const [first, second] = [
      await bench.start({ controllers, sse: order[0] }),
      await bench.start({ controllers, sse: order[1] }),
    ];
    const [withModule, without] = order[0] === false ? [second, first] : [first, second];
    const ours = await bench.connect(withModule, '/numbers');
    const nests = await bench.connect(without, '/numbers');
    expect((await ours.take(2)).map(({ lastEventId }) => lastEventId)).toEqual(['', '']);
    expect((await nests.take(2)).map(({ lastEventId }) => lastEventId)).toEqual(['1', '2']);
    await nests.closed;
    expect(nests.text).not.toContain('retry');
    expect(withModule.get(SseConnections).ended.complete).toBe(1);
  });

  it('leaves the headers of the one without the module to Nest', async () => {
    await bench.start({ controllers, sse: { openTimeout: 5_000 } });
    const without = await bench.start({ controllers, sse: false });
    const client = await bench.connect(without, '/late', { timeout: 120 });
    expect(client.status).toBe(200);
  });

  it('gives each one with the module a bus of its own', async () => {
    const [one, two] = [
      await bench.start({ controllers: [NewsController] }),
      await bench.start({ controllers: [NewsController] }),
    ];
    const clients = [await bench.connect(one, '/news'), await bench.connect(two, '/news')] as const;
    await one.get(EventBus).publish('news', { data: 'for one' });
    await two.get(EventBus).publish('news', { data: 'for two' });
    expect((await clients[0].next()).data).toBe('for one');
    expect((await clients[1].next()).data).toBe('for two');
  });
});

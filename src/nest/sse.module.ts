import { Server } from 'node:net';
import {
  type BeforeApplicationShutdown,
  type ConfigurableModuleAsyncOptions,
  ConfigurableModuleBuilder,
  type DynamicModule,
  Logger,
  Module,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { EventBus } from '../bus/event-bus.js';
import { Control } from '../control/control.js';
import { Connections } from '../delivery/connections.js';
import { SseConnections } from '../delivery/sse-connections.js';
import { received, SseError } from '../errors.js';
import { Backplane } from '../backplane/backplane.js';
import { RetentionRules } from '../log/retention.js';
import { Log } from '../log/log.js';
import { TurnScheduler } from '../log/turn-scheduler.js';
import { isOurHandler } from './http-context.js';
import { Identification } from './identification.js';
import { classTransformerConcealment } from './internals/class-transformer.js';
import { NestInternals } from './internals/nest-internals.js';
import { checkOnce } from '../modules.js';
import { type ResolvedOptions, resolveOptions, type SseModuleOptions } from './options.js';
import { SseGuard } from './sse.guard.js';
import { SseInterceptor } from './sse.interceptor.js';
import { Statistics } from './statistics.js';
import { SpareSockets } from './spare-sockets.js';

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<SseModuleOptions>()
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createSseOptions')
    .build();

const RESOLVED_OPTIONS = Symbol('SseModule options');

/** What `useClass` and `useExisting` of `SseModule.forRootAsync()` have to implement. */
export interface SseOptionsFactory {
  createSseOptions(): SseModuleOptions | Promise<SseModuleOptions>;
}

/**
 * Server-Sent Events for the whole application: gives the injectables `EventBus` and `SseConnections`,
 * and delivers what every `@Sse()` route emits. Import it once, with `forRoot()` or `forRootAsync()`.
 */
@Module({
  providers: [
    TurnScheduler,
    { provide: NestInternals, useFactory: () => NestInternals.ask() },
    {
      provide: RESOLVED_OPTIONS,
      inject: [{ token: MODULE_OPTIONS_TOKEN, optional: true }],
      useFactory: (options: SseModuleOptions | undefined) => {
        if (options === undefined) throw withoutOptions();
        return resolveOptions(options);
      },
    },
    {
      provide: Backplane,
      inject: [RESOLVED_OPTIONS],
      useFactory: ({ backplane }: ResolvedOptions) => {
        backplane.logger = new Logger(backplane.constructor.name);
        return backplane;
      },
    },
    {
      provide: Log,
      // Injected, so that a test can put another one in its place: overrideProvider(Backplane).
      inject: [RESOLVED_OPTIONS, TurnScheduler, Backplane],
      useFactory: async (
        { history }: ResolvedOptions,
        turn: TurnScheduler,
        backplane: Backplane,
      ) => {
        if (!(backplane instanceof Backplane)) throw replaced('Backplane', backplane, NO_BACKPLANE);
        const log = new Log(history, turn);
        await backplane.open(log, history);
        return log;
      },
    },
    {
      provide: EventBus,
      inject: [Log, TurnScheduler, Backplane, NestInternals, RESOLVED_OPTIONS],
      useFactory: async (
        log: Log,
        turn: TurnScheduler,
        backplane: Backplane,
        { chainOf, isAwaited }: NestInternals,
        { maxEventBytes, history, events: schemas }: ResolvedOptions,
      ) => {
        const rules = new RetentionRules(history.topics);
        const conceals = await classTransformerConcealment();
        const options = { maxEventBytes, rules, conceals, schemas, isAwaited };
        return new EventBus(log, turn, backplane, chainOf, options);
      },
    },
    {
      provide: Connections,
      inject: [RESOLVED_OPTIONS, TurnScheduler, Log, NestInternals, EventBus],
      useFactory: (
        options: ResolvedOptions,
        turn: TurnScheduler,
        log: Log,
        internals: NestInternals,
        bus: EventBus,
      ) => {
        if (!(bus instanceof EventBus)) throw replaced('EventBus', bus, NO_BUS);
        return new Connections(options, turn, log, internals, bus.frames);
      },
    },
    {
      provide: SseConnections,
      inject: [Connections, Control],
      useFactory: (connections: Connections, control: Control) =>
        new SseConnections(connections, control),
    },
    {
      provide: Control,
      inject: [EventBus, TurnScheduler, Connections, Backplane, RESOLVED_OPTIONS],
      useFactory: async (
        bus: EventBus,
        turn: TurnScheduler,
        connections: Connections,
        { isLocal }: Backplane,
        { limits, identify }: ResolvedOptions,
      ) => {
        const control = new Control(bus, turn, connections);
        if (limits !== undefined) await control.limit(limits, isLocal, identify !== undefined);
        return control;
      },
    },
    {
      provide: Statistics,
      inject: [EventBus, Connections, Log, Backplane, TurnScheduler, RESOLVED_OPTIONS],
      useFactory: (...parts: ConstructorParameters<typeof Statistics>) => new Statistics(...parts),
    },
    {
      provide: Identification,
      inject: [RESOLVED_OPTIONS],
      useFactory: ({ identify }: ResolvedOptions) => new Identification(identify),
    },
    SseGuard,
    SseInterceptor,
  ],
  exports: [EventBus, SseConnections, Backplane, Statistics],
})
export class SseModule
  extends ConfigurableModuleClass
  implements OnModuleInit, BeforeApplicationShutdown, OnApplicationShutdown
{
  #spareSockets: SpareSockets | undefined;

  constructor(
    private readonly connections: Connections,
    private readonly backplane: Backplane,
    private readonly log: Log,
    private readonly bus: EventBus,
    private readonly control: Control,
    private readonly host: HttpAdapterHost,
    modules: ModulesContainer,
    application: ApplicationConfig,
    { enhanceRoutes }: NestInternals,
    guard: SseGuard,
    interceptor: SseInterceptor,
  ) {
    super();
    if (enhanceRoutes === undefined) {
      // APP_INTERCEPTOR would come after those of modules that Nest scans first: they would see no events.
      application.addGlobalGuard(guard);
      application.addGlobalInterceptor(interceptor);
    } else {
      enhanceRoutes(application, { guard, interceptor, isFor: isOurHandler });
    }
    checkOnce(modules, SseModule, 'it is global, and two of them would be two logs');
  }

  /**
   * Imports the module with these options, or without any: then everything is in memory.
   *
   * @throws SseError `BAD_OPTION` when the application starts
   */
  static override forRoot(options: SseModuleOptions = {}): DynamicModule {
    return { ...super.forRoot(options), global: true };
  }

  /** Imports the module with options that other providers give: `useFactory`, `useClass` or `useExisting`. */
  static override forRootAsync(
    options: ConfigurableModuleAsyncOptions<SseModuleOptions, 'createSseOptions'>,
  ): DynamicModule {
    return { ...super.forRootAsync(options), global: true };
  }

  onModuleInit(): void {
    // None in an application context without HTTP.
    const adapter = this.host.httpAdapter as HttpAdapterHost['httpAdapter'] | undefined;
    const server: unknown = adapter?.getHttpServer();
    if (!(server instanceof Server)) return;
    this.#spareSockets = new SpareSockets(server);
    this.connections.sockets.watchSessionsOf(server);
  }

  /** Late: clients reconnect at once, and until here the other modules may publish their goodbyes. */
  async beforeApplicationShutdown(signal?: string): Promise<void> {
    const hurry = () => this.connections.hurry();
    // Nest ignores a second one, and it is Nest's listener that keeps it from ending the process.
    if (signal !== undefined) process.on(signal, hurry);
    try {
      await this.connections.drain(() => this.#catchUp());
    } finally {
      if (signal !== undefined) process.off(signal, hurry);
    }
    this.#spareSockets?.close();
  }

  async #catchUp(): Promise<void> {
    // Without clients nobody waits for what was published, and a broker that is away holds up nothing.
    if (this.connections.connections.size === 0) return;
    await this.bus.settled();
    await this.backplane.catchUp({ atOnce: true });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.control.close();
    this.bus.close();
    this.log.close();
    await this.backplane.close();
  }
}

function withoutOptions(): SseError {
  return new SseError(
    'MODULE_WITHOUT_OPTIONS',
    'SseModule is imported without options. Write `imports: [SseModule.forRoot()]`, once, in the root module; ' +
      'it is global, so other modules need not import it. forRootAsync() needs a factory that returns options',
  );
}

const NO_BACKPLANE = 'Use a new MemoryBackplane(), or one of your own that extends Backplane';
const NO_BUS =
  "The module itself works with it. Spy on the real one, jest.spyOn(app.get(EventBus), 'publish'), or " +
  'without SseModule provide recordingBus() of nestjs-event-stream/testing';

/** For what a test has put in the place of a provider that the module cannot do without. */
function replaced(name: string, value: never, advice: string): SseError {
  return new SseError(
    'BAD_OPTION',
    `In the place of ${name} there is something that is none: ${received(value)}. ${advice}`,
  );
}

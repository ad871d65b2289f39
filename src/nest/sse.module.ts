import {
  type BeforeApplicationShutdown,
  type ConfigurableModuleAsyncOptions,
  ConfigurableModuleBuilder,
  type DynamicModule,
  Logger,
  Module,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import { EventBus } from '../bus/event-bus.js';
import { Connections } from '../delivery/connections.js';
import { SseConnections } from '../delivery/sse-connections.js';
import { SseError } from '../errors.js';
import { Backplane } from '../backplane/backplane.js';
import { Log } from '../log/log.js';
import { TurnScheduler } from '../log/turn-scheduler.js';
import { nestLayers } from './internals/nest-layers.js';
import { type ResolvedOptions, resolveOptions, type SseModuleOptions } from './options.js';
import { SseGuard } from './sse.guard.js';
import { SseInterceptor } from './sse.interceptor.js';

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
    {
      provide: RESOLVED_OPTIONS,
      inject: [MODULE_OPTIONS_TOKEN],
      useFactory: (options: SseModuleOptions) => resolveOptions(options),
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
      inject: [RESOLVED_OPTIONS, TurnScheduler, Backplane],
      useFactory: async (
        { history }: ResolvedOptions,
        turn: TurnScheduler,
        backplane: Backplane,
      ) => {
        const log = new Log(history, turn);
        await backplane.open(log, history);
        return log;
      },
    },
    {
      provide: EventBus,
      inject: [Log, TurnScheduler, Backplane, RESOLVED_OPTIONS],
      useFactory: (
        log: Log,
        turn: TurnScheduler,
        backplane: Backplane,
        { events }: ResolvedOptions,
      ) => new EventBus(log, turn, backplane, events),
    },
    {
      provide: Connections,
      inject: [RESOLVED_OPTIONS, TurnScheduler],
      useFactory: async (options: ResolvedOptions, turn: TurnScheduler) =>
        new Connections(options, turn, await nestLayers()),
    },
    {
      provide: SseConnections,
      inject: [Connections],
      useFactory: (connections: Connections) => new SseConnections(connections),
    },
    SseGuard,
    SseInterceptor,
  ],
  exports: [EventBus, SseConnections, Backplane],
})
export class SseModule
  extends ConfigurableModuleClass
  implements BeforeApplicationShutdown, OnApplicationShutdown
{
  constructor(
    private readonly connections: Connections,
    private readonly backplane: Backplane,
    private readonly log: Log,
    modules: ModulesContainer,
    application: ApplicationConfig,
    guard: SseGuard,
    interceptor: SseInterceptor,
  ) {
    super();
    // APP_INTERCEPTOR would come after those of modules that Nest scans first: they would see no events.
    application.addGlobalGuard(guard);
    application.addGlobalInterceptor(interceptor);
    const imported = [...modules.values()].filter(({ metatype }) => metatype === SseModule);
    if (imported.length > 1) {
      throw new SseError(
        'DUPLICATE_MODULE',
        `SseModule is imported ${imported.length} times; import it once, in the root module: it is global, ` +
          'and two of them would be two logs',
      );
    }
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

  /** Late: clients reconnect at once, and until here the other modules may publish their goodbyes. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.connections.drain();
  }

  async onApplicationShutdown(): Promise<void> {
    this.log.close();
    await this.backplane.close();
  }
}

import {
  type ConfigurableModuleAsyncOptions,
  ConfigurableModuleBuilder,
  type DynamicModule,
  Inject,
  Module,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { checkOnce, withoutForRoot } from '../modules.js';
import { Statistics } from '../nest/statistics.js';
import { presenceOptions, type SsePresenceOptions } from './presence-options.js';
import { Reception } from './reception.js';
import { SsePresence } from './sse-presence.js';

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<SsePresenceOptions>()
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createSsePresenceOptions')
    .build();

/** What `useClass` and `useExisting` of `SsePresenceModule.forRootAsync()` have to implement. */
export interface SsePresenceOptionsFactory {
  createSsePresenceOptions(): SsePresenceOptions | Promise<SsePresenceOptions>;
}

/**
 * Who reads which topics, on all instances: gives the injectable `SsePresence`. Import it once, beside `SseModule`, whose
 * `identify` says whose a connection is.
 *
 * @example imports: [SseModule.forRoot({ identify }), SsePresenceModule.forRoot({ topics: ['room.**'] })]
 */
@Module({
  providers: [
    {
      provide: Reception,
      inject: [
        { token: Statistics, optional: true },
        { token: MODULE_OPTIONS_TOKEN, optional: true },
      ],
      useFactory: (found: Statistics | undefined, options: SsePresenceOptions | undefined) => {
        const statistics = Statistics.of(found, 'SsePresenceModule');
        if (options === undefined) throw withoutForRoot(SsePresenceModule);
        const { retry } = statistics.options;
        return new Reception(
          statistics,
          presenceOptions(options, retry === false ? 5_000 : retry.max),
        );
      },
    },
    {
      provide: SsePresence,
      inject: [Reception],
      useFactory: (reception: Reception) => new SsePresence(reception),
    },
  ],
  exports: [SsePresence],
})
export class SsePresenceModule extends ConfigurableModuleClass implements OnApplicationShutdown {
  constructor(
    @Inject(Reception) private readonly reception: Reception,
    @Inject(ModulesContainer) modules: ModulesContainer,
  ) {
    super();
    checkOnce(modules, SsePresenceModule, 'it is global, and topics are named in one place');
  }

  /**
   * Imports the module with these options.
   *
   * @throws SseError `BAD_OPTION`, `BAD_TOPIC` and `DUPLICATE_MODULE` when the application starts
   */
  static override forRoot(options: SsePresenceOptions): DynamicModule {
    return { ...super.forRoot(options), global: true };
  }

  /** Imports the module with options that other providers give: `useFactory`, `useClass` or `useExisting`. */
  static override forRootAsync(
    options: ConfigurableModuleAsyncOptions<SsePresenceOptions, 'createSsePresenceOptions'>,
  ): DynamicModule {
    return { ...super.forRootAsync(options), global: true };
  }

  onApplicationShutdown(): Promise<void> {
    return this.reception.close();
  }
}

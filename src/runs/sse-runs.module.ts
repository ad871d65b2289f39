import {
  type BeforeApplicationShutdown,
  type ConfigurableModuleAsyncOptions,
  ConfigurableModuleBuilder,
  type DynamicModule,
  Inject,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { EventBus } from '../bus/event-bus.js';
import { SseError } from '../errors.js';
import { checkOnce } from '../modules.js';
import { resolveRunsOptions, type SseRunsOptions } from './options.js';
import { SseRuns } from './sse-runs.js';

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<SseRunsOptions>()
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createSseRunsOptions')
    .build();

/** What the module starts and closes; a test may put something else in the place of `SseRuns`. */
const OWN_RUNS = Symbol('SseRuns');

/**
 * Runs: streams that begin, end, and can be joined, reloaded and stopped. Gives the injectable `SseRuns` to the whole
 * application. Import it once, beside `SseModule.forRoot()`.
 */
@Module({
  providers: [
    {
      provide: OWN_RUNS,
      inject: [
        { token: EventBus, optional: true },
        { token: MODULE_OPTIONS_TOKEN, optional: true },
      ],
      useFactory: (bus: EventBus | undefined, options: SseRunsOptions | undefined) => {
        if (bus === undefined) throw missing('SseModule');
        if (options === undefined) throw missing('SseRunsModule');
        return new SseRuns(bus, resolveRunsOptions(options));
      },
    },
    { provide: SseRuns, useExisting: OWN_RUNS },
  ],
  exports: [SseRuns],
})
export class SseRunsModule
  extends ConfigurableModuleClass
  implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  constructor(
    @Inject(OWN_RUNS) private readonly runs: SseRuns,
    @Inject(ModulesContainer) modules: ModulesContainer,
  ) {
    super();
    checkOnce(modules, SseRunsModule, 'it is global, and one would do what the other is told');
  }

  /** @throws SseError `BAD_OPTION`, or `DUPLICATE_MODULE`, when the application starts */
  static override forRoot(options: SseRunsOptions = {}): DynamicModule {
    return { ...super.forRoot(options), global: true };
  }

  /** Imports the module with options that other providers give: `useFactory`, `useClass` or `useExisting`. */
  static override forRootAsync(
    options: ConfigurableModuleAsyncOptions<SseRunsOptions, 'createSseRunsOptions'>,
  ): DynamicModule {
    return { ...super.forRootAsync(options), global: true };
  }

  onApplicationBootstrap(): void {
    this.runs.onStarted();
  }

  /** While clients are still connected: what runs emit until then reaches them. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.runs.drain();
  }

  onApplicationShutdown(): void {
    this.runs.close();
  }
}

function missing(module: string): SseError {
  return new SseError(
    'MODULE_WITHOUT_OPTIONS',
    'SseRunsModule cannot start. Write `imports: [SseModule.forRoot(), SseRunsModule.forRoot()]`, once, in the root ' +
      `module; there is no ${module}.forRoot() or forRootAsync()`,
  );
}

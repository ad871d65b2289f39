import {
  type CanActivate,
  type DynamicModule,
  Inject,
  type InjectionToken,
  Logger,
  Module,
  type ModuleMetadata,
  type OnApplicationShutdown,
  type OnModuleInit,
  Optional,
  type Type,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { messageOf, SseError } from '../errors.js';
import { GivenOptions } from '../options.js';
import { withoutForRoot } from '../modules.js';
import { Statistics } from '../nest/statistics.js';
import { Access } from './access.js';
import { controllerFor } from './inspector.controller.js';
import { Inspection } from './inspection.js';
import type { RunList } from './runs.js';

/** Options of `SseInspectorModule`. */
export interface SseInspectorOptions {
  /**
   * Where the page is, below the application's global prefix if it has one.
   *
   * @defaultValue `'/_events'`
   */
  readonly path?: string | undefined;
  /**
   * Who lets people in: a guard of Nest, or its class. Without one the inspector is off where `NODE_ENV` is
   * `production`, and elsewhere answers only on `localhost`.
   *
   * @defaultValue none
   */
  readonly guard?: CanActivate | Type<CanActivate> | undefined;
  /** Modules whose providers the guard is injected with. */
  readonly imports?: ModuleMetadata['imports'] | undefined;
  /**
   * Decorators of the controller: what your global guards know public routes by, for instance.
   *
   * @defaultValue `[]`
   */
  readonly decorators?: readonly ClassDecorator[] | undefined;
  /**
   * `SseRuns` of `nestjs-event-stream/runs`, to have runs shown as well.
   *
   * @defaultValue none
   */
  readonly runs?: InjectionToken<RunList> | undefined;
}

const SETTINGS = Symbol('SseInspectorModule settings');

/** What is left of the options when the application starts. */
interface Settings {
  readonly isOn: boolean;
  readonly isGuarded: boolean;
  readonly path: string;
  readonly runs: InjectionToken<RunList> | undefined;
}

/**
 * A page that shows what event streams do, for development and operators: connections, topics, the log as it grows,
 * why connections ended, instances. It can publish an event and close a connection.
 *
 * @example imports: [SseModule.forRoot(), SseInspectorModule.forRoot({ guard: AdminGuard })]
 */
@Module({})
export class SseInspectorModule implements OnModuleInit, OnApplicationShutdown {
  readonly #logger = new Logger('SseInspectorModule');

  constructor(
    @Optional() @Inject(SETTINGS) private readonly settings: Settings | undefined,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
    @Optional() @Inject(Inspection) private readonly inspection: Inspection | undefined,
  ) {}

  /** @throws SseError `BAD_OPTION` */
  static forRoot(options: SseInspectorOptions = {}): DynamicModule {
    const { guard, imports = [], decorators = [] } = options;
    const settings = settingsOf(options);
    const { isOn, isGuarded, path } = settings;
    const own = { provide: SETTINGS, useValue: settings };
    if (!isOn) return { module: SseInspectorModule, providers: [own] };
    return {
      module: SseInspectorModule,
      imports,
      controllers: [controllerFor({ path, guard, decorators })],
      providers: [
        own,
        { provide: Access, useValue: new Access(isGuarded) },
        {
          provide: Inspection,
          inject: [{ token: Statistics, optional: true }],
          useFactory: (found: Statistics | undefined) =>
            new Inspection(Statistics.of(found, 'SseInspectorModule')),
        },
      ],
    };
  }

  onModuleInit(): void {
    if (this.settings === undefined) throw withoutForRoot(SseInspectorModule);
    const { isOn, isGuarded, path, runs } = this.settings;
    if (!isOn) {
      this.#logger.warn(
        'The inspector is off: in production it needs a guard, SseInspectorModule.forRoot({ guard: AdminGuard })',
      );
      return;
    }
    if (!isGuarded) {
      this.#logger.log(
        `The inspector has no guard: it answers this machine only, at ${path}, and is off where NODE_ENV is production`,
      );
    }
    if (runs !== undefined) this.inspection?.showRuns(this.#find(runs));
  }

  #find(runs: InjectionToken<RunList>): RunList {
    try {
      return this.moduleRef.get(runs, { strict: false });
    } catch (cause) {
      const message = `SseInspectorModule: runs has to be a provider; import SseRunsModule.forRoot() as well. ${messageOf(cause)}`;
      throw new SseError('BAD_OPTION', message, { cause });
    }
  }

  onApplicationShutdown(): void {
    this.inspection?.close();
  }
}

function settingsOf(options: SseInspectorOptions): Settings {
  const given = new GivenOptions('SseInspectorModule', 'options', options, [
    ...['path', 'guard', 'imports', 'decorators', 'runs'],
  ]);
  const path = given.get('path') ?? '/_events';
  if (typeof path !== 'string' || !/^\/?[\w.~-]+(\/[\w.~-]+)*$/.test(path)) {
    throw given.bad('path', "a path such as '/_events', with no parameter and no slash at its end");
  }
  const isGuarded = given.get('guard') !== undefined;
  if (isGuarded && !isGuard(given.get('guard'))) {
    throw given.bad('guard', 'a guard of Nest, or its class');
  }
  const isOn = isGuarded || process.env['NODE_ENV'] !== 'production';
  return { isOn, isGuarded, path, runs: options.runs };
}

/** `null`, of a configuration that is not there, is not to let everybody in. */
function isGuard(value: unknown): boolean {
  if (typeof value === 'function') return true;
  return typeof value === 'object' && value !== null && 'canActivate' in value;
}

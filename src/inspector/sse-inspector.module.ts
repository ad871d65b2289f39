import {
  type CanActivate,
  type DynamicModule,
  Logger,
  Module,
  type ModuleMetadata,
  type OnApplicationShutdown,
  type OnModuleInit,
  Optional,
  type Type,
} from '@nestjs/common';
import { Inject } from '@nestjs/common';
import { GivenOptions } from '../options.js';
import { Statistics } from '../nest/statistics.js';
import { Access } from './access.js';
import { controllerAt } from './inspector.controller.js';
import { Inspection } from './inspection.js';

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
}

const IS_ON = Symbol('SseInspectorModule is on');

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
    @Inject(IS_ON) private readonly isOn: boolean,
    @Optional() @Inject(Inspection) private readonly inspection: Inspection | undefined,
  ) {}

  /** @throws SseError `BAD_OPTION` */
  static forRoot(options: SseInspectorOptions = {}): DynamicModule {
    const given = new GivenOptions('SseInspectorModule', 'options', options, [
      'path',
      'guard',
      'imports',
    ]);
    const path = given.get('path') ?? '/_events';
    if (typeof path !== 'string' || !/^\/?[\w.~-]+(\/[\w.~-]+)*$/.test(path)) {
      throw given.bad(
        'path',
        "a path such as '/_events', with no parameter and no slash at its end",
      );
    }
    const { guard, imports = [] } = options;
    const isOn = guard !== undefined || process.env['NODE_ENV'] !== 'production';
    const state = { provide: IS_ON, useValue: isOn };
    if (!isOn) return { module: SseInspectorModule, providers: [state] };
    return {
      module: SseInspectorModule,
      imports,
      controllers: [controllerAt(path, guard)],
      providers: [
        state,
        { provide: Access, useValue: new Access(guard !== undefined) },
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
    if (this.isOn) return;
    this.#logger.log(
      'The inspector is off: in production it needs a guard, SseInspectorModule.forRoot({ guard: AdminGuard })',
    );
  }

  onApplicationShutdown(): void {
    this.inspection?.close();
  }
}

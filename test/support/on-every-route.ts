import type { TestingModuleBuilder } from '@nestjs/testing';
import { NestInternals } from '../../src/nest/internals/nest-internals.js';

/** As in a Nest in which guard and interceptor cannot be put on some routes. */
export function onEveryRoute(builder: TestingModuleBuilder): TestingModuleBuilder {
  return builder.overrideProvider(NestInternals).useFactory({
    factory: async () => Object.assign(await NestInternals.ask(), { enhanceRoutes: undefined }),
  });
}

import { applyDecorators, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { checkRouteOptions, type SseRouteOptions } from './options.js';

const OPTIONS = Symbol('SseOptions');
const NATIVE = Symbol('NativeSse');

type Target = ReturnType<ExecutionContext['getHandler']>;

/**
 * Options for the connections of an `@Sse()` route, or of all routes of a controller. Those of a route win over those of its
 * controller, and these over those of the module.
 *
 * @throws SseError `BAD_OPTION`
 *
 * @example
 * ```ts
 * @Sse('prices')
 * @SseOptions({ heartbeatInterval: 5_000, maxLifetime: 3_600_000 })
 * prices() {
 *   return this.bus.stream('prices');
 * }
 * ```
 */
export function SseOptions(options: SseRouteOptions): MethodDecorator & ClassDecorator {
  checkRouteOptions(options);
  return applyDecorators(SetMetadata(OPTIONS, Object.freeze({ ...options })));
}

/**
 * Leaves an `@Sse()` route, or all those of a controller, to Nest: with Nest's ids 1, 2, 3 …, its headers and errors, and
 * without anything of this module. A bus stream is an ordinary live Observable there.
 */
export function NativeSse(): MethodDecorator & ClassDecorator {
  return applyDecorators(SetMetadata(NATIVE, true));
}

/** What was given to {@link SseOptions}, for a route and its controller together. */
export function routeOptionsOf(context: ExecutionContext): SseRouteOptions | undefined {
  const ofRoute = givenTo(context.getHandler());
  const ofController = givenTo(context.getClass());
  if (ofRoute === undefined || ofController === undefined) return ofRoute ?? ofController;
  return { ...ofController, ...ofRoute };
}

/** Whether {@link NativeSse} stands on a route's handler or its controller. */
export function isNative(handler: object, controller: object): boolean {
  return Reflect.hasMetadata(NATIVE, handler) || Reflect.hasMetadata(NATIVE, controller);
}

function givenTo(target: Target | ReturnType<ExecutionContext['getClass']>) {
  return Reflect.getMetadata(OPTIONS, target) as SseRouteOptions | undefined;
}

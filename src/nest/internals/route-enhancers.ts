import type { CanActivate, NestInterceptor } from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import { makeTrialRoute } from './trial-route.js';

/** A guard and an interceptor for some routes of an application, which run there before all others. */
export interface RouteEnhancers {
  readonly guard: CanActivate;
  readonly interceptor: NestInterceptor;
  /** Asked once for each route; for each request where the controller is made for it. */
  isFor(handler: object, controller: object): boolean;
}

/** Gives an application its route enhancers. To be called before its routes are made. */
export type EnhanceRoutes = (application: ApplicationConfig, enhancers: RouteEnhancers) => void;

/** What gathers the guards, or the interceptors, of a route that is being made. */
interface ContextCreator {
  create: (this: object, instance: object, handler: object, ...rest: unknown[]) => unknown[];
}

const TRIAL = Symbol('trial');
const byApplication = new WeakMap<object, RouteEnhancers>();
const extended = new WeakSet<ContextCreator>();

/** Undefined in a Nest that makes its routes in another way. */
export async function askForEnhanceRoutes(): Promise<EnhanceRoutes | undefined> {
  const isKnown = await extendCreators().then(isHeeded, () => false);
  return isKnown ? enhanceRoutes : undefined;
}

const enhanceRoutes: EnhanceRoutes = (application, enhancers) => {
  byApplication.set(application, enhancers);
};

async function extendCreators(): Promise<void> {
  const [{ GuardsContextCreator }, { InterceptorsContextCreator }] = await Promise.all([
    import('@nestjs/core/guards/guards-context-creator.js'),
    import('@nestjs/core/interceptors/interceptors-context-creator.js'),
  ]);
  extend(GuardsContextCreator, ({ guard }) => guard);
  extend(InterceptorsContextCreator, ({ interceptor }) => interceptor);
}

/** Once in a process; what applications without enhancers gather stays as it is. */
function extend(
  { prototype }: { readonly prototype: unknown },
  first: (enhancers: RouteEnhancers) => object,
): void {
  const creator = prototype as ContextCreator;
  if (extended.has(creator)) return;
  extended.add(creator);
  const { create } = creator;
  creator.create = function (instance, handler, ...rest) {
    const gathered = create.call(this, instance, handler, ...rest);
    const enhancers = byApplication.get(applicationOf(this));
    if (enhancers?.isFor(handler, instance.constructor) !== true) return gathered;
    return [first(enhancers), ...gathered];
  };
}

function applicationOf(creator: object): object {
  return (creator as { readonly config?: object }).config ?? creator;
}

/** Whether a route runs its enhancers before those of all routes, and nothing is asked of others. */
async function isHeeded(): Promise<boolean> {
  const ran: string[] = [];
  const [application, other] = [new ApplicationConfig(), new ApplicationConfig()];
  const ofAllRoutes = recordingEnhancers('every', ran);
  application.addGlobalGuard(ofAllRoutes.guard);
  application.addGlobalInterceptor(ofAllRoutes.interceptor);
  let asked = 0;
  enhanceRoutes(application, {
    ...recordingEnhancers('some', ran),
    // Tracing puts handlers of its own in the place of others, with their metadata.
    isFor: (handler) => Reflect.hasMetadata(TRIAL, handler) && ++asked > 0,
  });
  const handler = () => 'handled';
  Reflect.defineMetadata(TRIAL, true, handler);
  await makeTrialRoute(other, handler);
  await makeTrialRoute(application, () => 'another');
  if (asked > 0) return false;
  const request = await makeTrialRoute(application, handler);
  await request();
  return ran.join() === 'some guard,every guard,some interceptor,every interceptor';
}

/** What says in `ran` that it ran. */
function recordingEnhancers(owner: string, ran: string[]) {
  const guard: CanActivate = { canActivate: () => ran.push(`${owner} guard`) > 0 };
  const interceptor: NestInterceptor = {
    intercept: (_, next) => {
      ran.push(`${owner} interceptor`);
      return next.handle();
    },
  };
  return { guard, interceptor };
}

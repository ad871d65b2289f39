import { RequestMethod } from '@nestjs/common';
import type { ApplicationConfig } from '@nestjs/core';

/** What we need of Nest's `RouterExecutionContext`, which makes what a route does out of its handler. */
interface RouteMaker {
  create(
    instance: object,
    handler: () => unknown,
    methodName: string,
    module: string,
    method: RequestMethod,
  ): unknown;
  createHandleResponseFn(
    handler: () => unknown,
    isResponseHandled: boolean,
  ): (result: unknown, response: object, request: object) => Promise<unknown>;
}

interface Explorer {
  readonly executionContextCreator: RouteMaker;
}

/** A controller. */
class Trial {
  constructor(readonly handler: () => unknown) {}
}

/** Makes a route as Nest's router makes it. Nobody calls it: tracing would tell of that. */
export async function makeTrialRoute(
  application: ApplicationConfig,
  handler: () => unknown,
): Promise<void> {
  const maker = await newRouteMaker(application);
  maker.create(new Trial(handler), handler, 'handler', 'trial', RequestMethod.GET);
}

/** Has an ordinary route deal with what its handler returned, short of answering. */
export async function waitAsRoute(application: ApplicationConfig, result: unknown): Promise<void> {
  const maker = await newRouteMaker(application);
  await maker.createHandleResponseFn(() => {}, true)(result, {}, {});
}

async function newRouteMaker(application: ApplicationConfig): Promise<RouteMaker> {
  const { RouterExplorer } =
    (await import('@nestjs/core/router/router-explorer.js')) as unknown as {
      RouterExplorer: new (...parts: unknown[]) => Explorer;
    };
  const container = { getHttpAdapterRef: () => ({}), getModules: () => new Map() };
  const unused = {};
  return new RouterExplorer(
    ...[unused, container, unused, unused, unused, application, unused, unused],
  ).executionContextCreator;
}

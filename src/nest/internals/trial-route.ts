import { RequestMethod } from '@nestjs/common';
import type { ApplicationConfig } from '@nestjs/core';

/** Does what a request to the route does. */
export type TrialRoute = () => Promise<unknown>;

/** What we need of Nest's `RouterExecutionContext`, which makes what a route does out of its handler. */
interface RouteMaker {
  create(
    instance: object,
    handler: () => unknown,
    methodName: string,
    module: string,
    method: RequestMethod,
  ): (request: object, response: object, next: () => void) => Promise<unknown>;
  createHandleResponseFn(
    handler: () => unknown,
    isResponseHandled: boolean,
  ): (result: unknown, response: object, request: object) => Promise<unknown>;
}

interface Explorer {
  readonly executionContextCreator: RouteMaker;
}

/** Answers nobody. */
const ADAPTER = { status: () => {}, setHeader: () => {}, reply: () => {} };

/** A controller. */
class Trial {
  constructor(readonly handler: () => unknown) {}
}

/** Makes a route as Nest's router makes it. Tracing tells of each call. */
export async function makeTrialRoute(
  application: ApplicationConfig,
  handler: () => unknown,
): Promise<TrialRoute> {
  const maker = await newRouteMaker(application);
  const route = maker.create(new Trial(handler), handler, 'handler', 'trial', RequestMethod.GET);
  return () => route({}, {}, () => {});
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
  const container = { getHttpAdapterRef: () => ADAPTER, getModules: () => new Map() };
  const unused = {};
  return new RouterExplorer(
    ...[unused, container, unused, unused, unused, application, unused, unused],
  ).executionContextCreator;
}

import { RequestMethod } from '@nestjs/common';
import type { ApplicationConfig } from '@nestjs/core';

type Route = (request: object, response: object, next: () => void) => Promise<unknown>;

/** What we need of Nest's `RouterExplorer`. */
interface Explorer {
  readonly executionContextCreator: {
    create(
      instance: object,
      handler: () => unknown,
      methodName: string,
      module: string,
      method: RequestMethod,
    ): Route;
  };
}

/** Answers nobody. */
const ADAPTER = { status: () => {}, setHeader: () => {}, reply: () => {} };

/** A controller. */
class Trial {
  constructor(readonly handler: () => unknown) {}
}

/** Makes a route as Nest's router makes it, and calls it once, to see what Nest does. */
export async function callTrialRoute(
  application: ApplicationConfig,
  handler: () => unknown,
): Promise<void> {
  const { RouterExplorer } =
    (await import('@nestjs/core/router/router-explorer.js')) as unknown as {
      RouterExplorer: new (...parts: unknown[]) => Explorer;
    };
  const container = { getHttpAdapterRef: () => ADAPTER, getModules: () => new Map() };
  const unused = {};
  const explorer = new RouterExplorer(
    ...[unused, container, unused, unused, unused, application, unused, unused],
  );
  const creator = explorer.executionContextCreator;
  const route = creator.create(new Trial(handler), handler, 'handler', 'trial', RequestMethod.GET);
  await route({}, {}, () => {});
}

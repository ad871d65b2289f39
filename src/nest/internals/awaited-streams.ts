import { ApplicationConfig } from '@nestjs/core';
import { Observable } from 'rxjs';
import { chainOf } from './rxjs-chain.js';
import { waitAsRoute } from './trial-route.js';

/** Whether an ordinary route answers with the last value of what a subscriber is subscribed to, as it is. */
export type IsAwaited = (subscriber: object) => boolean;

/** The method of Nest that waits, and the calls between it and who is subscribed to, at most. */
const WAITS = 'transformToResult';
const MAX_CALLS = 50;

/** Always false in a Nest that waits in another way. */
export async function askForAwaited(): Promise<IsAwaited> {
  const layers = await layersOfResult().catch(() => undefined);
  return (subscriber) => lengthOf(subscriber) === layers && isCalledByRoute();
}

/** How many subscribers hand on the result of a handler, Nest's own, when no interceptor is there. */
async function layersOfResult(): Promise<number | undefined> {
  let layers: number | undefined;
  const result = new Observable((subscriber) => {
    if (isCalledByRoute()) layers = lengthOf(subscriber);
    subscriber.next('answer');
    subscriber.complete();
  });
  await waitAsRoute(new ApplicationConfig(), result);
  return layers;
}

function lengthOf(subscriber: object): number {
  return [...chainOf(subscriber)].length;
}

function isCalledByRoute(): boolean {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = MAX_CALLS;
  const { stack } = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  return stack?.includes(WAITS) === true;
}

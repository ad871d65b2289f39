import { types } from 'node:util';
import { lastValueFrom, Observable } from 'rxjs';
import type { HandlerChain } from '../../delivery/open-request.js';
import { chainOf, layersBetween } from './rxjs-chain.js';

/** What we need of Nest's `InterceptorsConsumer`. */
interface Consumer {
  intercept(
    interceptors: readonly object[],
    args: readonly unknown[],
    instance: object,
    callback: () => void,
    next: () => Promise<unknown>,
    type: string,
  ): Promise<Observable<unknown>>;
}

const METHODS = ['next', 'error', 'complete'] as const;

/** A subscriber as Nest makes it: what it inherits from, and what is called on it. */
interface Pattern extends Record<(typeof METHODS)[number], unknown> {
  readonly prototype: unknown;
}

/**
 * The subscribers that Nest itself puts between the Observable that a handler returns and an interceptor
 * with none after it. They only hand on, so whoever is given the first of them can go past them all; but
 * not past a subscriber that somebody has put there instead, or has changed.
 */
export class NestChain implements HandlerChain {
  readonly #patterns: readonly Pattern[];

  /** @param links the subscribers, as they were seen */
  constructor(links: readonly object[]) {
    this.#patterns = links.map(patternOf);
  }

  handsOnUnchanged(subscriber: object, receiver: object): boolean {
    if (layersBetween(subscriber, receiver) !== this.#patterns.length) return false;
    const links = chainOf(subscriber);
    return this.#patterns.every((pattern) => isLike(pattern, links.next().value));
  }
}

/** Undefined in a Nest that does not let itself be asked. */
export async function askNestChain(): Promise<NestChain | undefined> {
  const links = await askForLinks().catch(() => undefined);
  return links === undefined ? undefined : new NestChain(links);
}

async function askForLinks(): Promise<readonly object[] | undefined> {
  const { InterceptorsConsumer } =
    (await import('@nestjs/core/interceptors/interceptors-consumer.js')) as unknown as {
      InterceptorsConsumer: new () => Consumer;
    };
  let receiver: object | undefined;
  let links: readonly object[] | undefined;
  const interceptor = {
    intercept: (_: unknown, next: { handle(): Observable<unknown> }) =>
      new Observable((observer) => {
        receiver = observer;
        return next.handle().subscribe(observer);
      }),
  };
  const returned = new Observable<never>((subscriber) => {
    const layers = receiver && layersBetween(subscriber, receiver);
    if (layers !== undefined) links = [...chainOf(subscriber)].slice(0, layers);
    subscriber.complete();
  });
  const consumer = new InterceptorsConsumer();
  const handler = () => Promise.resolve(returned);
  const result = await consumer.intercept([interceptor], [], {}, () => {}, handler, 'http');
  await lastValueFrom(result, { defaultValue: undefined });
  return links;
}

function patternOf(link: object): Pattern {
  const { next, error, complete } = link as Record<string, unknown>;
  return { prototype: Object.getPrototypeOf(link), next, error, complete };
}

/** Whether it is a subscriber of the same make, and not one that stands before it, or was patched. */
function isLike(pattern: Pattern, link: unknown): boolean {
  if (typeof link !== 'object' || link === null || types.isProxy(link)) return false;
  const found = patternOf(link);
  return (
    found.prototype === pattern.prototype &&
    METHODS.every((method) => found[method] === pattern[method])
  );
}

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { GuardsConsumer } from '@nestjs/core/guards/guards-consumer.js';
import {
  asapScheduler,
  bufferTime,
  catchError,
  combineLatest,
  concat,
  concatMap,
  debounceTime,
  defer,
  delay,
  exhaustMap,
  expand,
  finalize,
  groupBy,
  iif,
  map,
  merge,
  mergeMap,
  NEVER,
  Observable,
  observeOn,
  of,
  race,
  repeat,
  retry,
  share,
  shareReplay,
  startWith,
  switchMap,
  takeUntil,
  throwError,
  timeout,
  using,
  windowTime,
  withLatestFrom,
  zip,
  type Observer,
} from 'rxjs';
import { askNestChain } from '../../src/nest/internals/nest-chain.js';
import { askForEnhanceRoutes } from '../../src/nest/internals/route-enhancers.js';
import { NestInternals } from '../../src/nest/internals/nest-internals.js';
import {
  ABORT_CONTROLLER,
  askNestStream,
  isKey,
  missingForSignals,
} from '../../src/nest/internals/nest-stream.js';
import { canFollow, layersBetween } from '../../src/nest/internals/rxjs-chain.js';
import { takenOf } from '../../src/nest/internals/socket-handle.js';
import { onExpress } from '../support/each-adapter.js';

const bench = onExpress();

type Change = (source: Observable<unknown>) => Observable<unknown>;

/** What is between an Observable and who is subscribed to what `change` makes of it. */
function layersThrough(change: Change): number | undefined {
  const receiver = NEVER.subscribe();
  let layers: number | undefined;
  const source = new Observable((subscriber) => {
    layers = layersBetween(subscriber, receiver);
  });
  // What subscribe() returns is a subscriber.
  change(source).subscribe(receiver as unknown as Observer<unknown>);
  receiver.unsubscribe();
  return layers;
}

describe('Between an Observable and who receives what it emits', () => {
  it.each([
    ['nothing is seen if nothing is there', 0, (source: Observable<unknown>) => source],
    ['an operator is seen', 1, (source: Observable<unknown>) => source.pipe(map(() => 1))],
    [
      'each of several operators is seen',
      2,
      (source: Observable<unknown>) =>
        source.pipe(
          map(() => 1),
          map(() => 2),
        ),
    ],
    [
      'a subscription by hand is no way that can be seen',
      undefined,
      (source: Observable<unknown>) =>
        new Observable((subscriber) => source.subscribe((value) => subscriber.next(value))),
    ],
  ] as const)('%s', (_, layers, change) => {
    expect(layersThrough(change)).toBe(layers);
  });

  it('there is nothing to count when the two have nothing to do with each other', () => {
    expect(layersBetween(NEVER.subscribe(), NEVER.subscribe())).toBeUndefined();
  });
});

describe('Of the inside of Nest and RxJS that is leaned on,', () => {
  it("Nest's SSE stream still has commitHeaders, writeMessage, unpipe and end", async () => {
    expect(await askNestStream()).toEqual([]);
  });

  it('Nest still has SSE_ABORT_CONTROLLER, with which it tells a handler that a request is over', () => {
    expect(isKey(ABORT_CONTROLLER)).toBe(true);
  });

  it('a Nest that hands out signals needs it; one that has none, before 11.2, lacks nothing', () => {
    const SseSignal = () => undefined;
    expect(missingForSignals({ SseSignal })).toEqual(['SSE_ABORT_CONTROLLER']);
    expect(missingForSignals({ SseSignal, SSE_ABORT_CONTROLLER: Symbol('signal') })).toEqual([]);
    expect(missingForSignals({})).toEqual([]);
  });

  it('interceptors are still chained by subscribers that hand on', async () => {
    expect(await askNestChain()).toBeDefined();
  });

  it('subscribers of RxJS still tell whom they hand on to', () => {
    expect(canFollow()).toBe(true);
  });

  it('the handle of a socket still tells what the kernel has taken', async () => {
    const taken: number[] = [];
    const server = createServer((_, response) => {
      response.write('x'.repeat(1_000), () => {
        taken.push(takenOf(response));
        response.write('x'.repeat(1_000), () => {
          taken.push(takenOf(response));
          response.end();
        });
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`).then((r) => r.text());
    server.close();
    const [first = 0, second = 0] = taken;
    expect(first).toBeGreaterThan(1_000);
    expect(second).toBeGreaterThan(first + 1_000);
  });

  it('all is known, and nothing said, when the application starts', async () => {
    const app = await bench.start({});
    expect(app.get(NestInternals)).toMatchObject({ holdsResponses: true });
    expect(app.get(NestInternals).chain).toBeDefined();
    expect(bench.logs.find('warn', '')).toEqual([]);
  });

  it('a Nest that asks for the enhancers of a route and does not run them is not one that is known', async () => {
    expect(await askForEnhanceRoutes()).toBeDefined();
    const consumer = jest.spyOn(GuardsConsumer.prototype, 'tryActivate').mockResolvedValue(true);
    expect(await askForEnhanceRoutes()).toBeUndefined();
    consumer.mockRestore();
    expect(await askForEnhanceRoutes()).toBeDefined();
  });

  it('what is not known is said once, with what follows from it', () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => {});
    new NestInternals({
      chain: undefined,
      isFollowed: false,
      missingInStream: ['writeMessage'],
      enhanceRoutes: undefined,
      isAwaited: () => false,
    });
    expect(warn.mock.calls).toEqual([
      [
        expect.stringMatching(
          /lacks writeMessage.*chained differently.*async context.*made differently/,
        ),
      ],
    ]);
    warn.mockRestore();
  });
});

describe('The chain of a stream leads to its connection', () => {
  const hidden: Change = (source) => new Observable((o) => source.subscribe((v) => o.next(v)));
  const open = of(0);
  const visible: Record<string, Change> = {
    map: (source) => source.pipe(map(() => 1)),
    switchMap: (source) => open.pipe(switchMap(() => source)),
    mergeMap: (source) => open.pipe(mergeMap(() => source)),
    concatMap: (source) => open.pipe(concatMap(() => source)),
    exhaustMap: (source) => open.pipe(exhaustMap(() => source)),
    expand: (source) => open.pipe(expand((n) => (n === 0 ? source : NEVER))),
    merge: (source) => merge(NEVER, source),
    concat: (source) => concat(open, source),
    race: (source) => race(NEVER, source),
    zip: (source) => zip(NEVER, source),
    combineLatest: (source) => combineLatest([NEVER, source]),
    withLatestFrom: (source) => NEVER.pipe(withLatestFrom(source)),
    startWith: (source) => source.pipe(startWith(0)),
    catchError: (source) => throwError(() => 0).pipe(catchError(() => source)),
    retry: (source) => source.pipe(retry()),
    repeat: (source) => source.pipe(repeat()),
    timeout: (source) => source.pipe(timeout({ each: 60_000 })),
    takeUntil: (source) => source.pipe(takeUntil(NEVER)),
    'the notifier of takeUntil': (source) => NEVER.pipe(takeUntil(source)),
    delay: (source) => source.pipe(delay(1)),
    bufferTime: (source) => source.pipe(bufferTime(60_000)),
    debounceTime: (source) => source.pipe(debounceTime(1)),
    observeOn: (source) => source.pipe(observeOn(asapScheduler)),
    groupBy: (source) => source.pipe(groupBy(() => 1)),
    windowTime: (source) => source.pipe(windowTime(60_000)),
    defer: (source) => defer(() => source),
    iif: (source) => iif(() => true, source, NEVER),
    using: (source) =>
      using(
        () => ({ unsubscribe() {} }),
        () => source,
      ),
    finalize: (source) => source.pipe(finalize(() => {})),
    'an Observable in another': (source) => new Observable((o) => source.subscribe(o)),
  };

  it.each(Object.entries(visible))('through %s', (_, change) => {
    expect(layersThrough(change)).toBeDefined();
  });

  it.each([
    ['share', (source: Observable<unknown>) => source.pipe(share())],
    ['shareReplay', (source: Observable<unknown>) => source.pipe(shareReplay(1))],
    ['a function', hidden],
  ] as const)('but not through %s', (_, change) => {
    expect(layersThrough(change)).toBeUndefined();
  });

  it('and is not followed in a circle', () => {
    const one = { destination: {} };
    one.destination = one;
    expect(layersBetween(one, {})).toBeUndefined();
  });
});

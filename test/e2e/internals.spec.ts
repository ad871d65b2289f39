import { describe, expect, it } from '@jest/globals';
import { map, NEVER, Observable, type Observer, type Subscription } from 'rxjs';
import { layersBetween } from '../../src/nest/internals/rxjs-chain.js';
import { askNestChain } from '../../src/nest/internals/nest-chain.js';

/** The subscriber that an Observable gets when what `change` makes of it is subscribed to by `receiver`. */
function subscriberOf(
  receiver: Subscription,
  change: (source: Observable<unknown>) => Observable<unknown>,
): object {
  let seen: object = {};
  const source = new Observable((subscriber) => {
    seen = subscriber;
  });
  // What subscribe() returns is a subscriber.
  change(source).subscribe(receiver as unknown as Observer<unknown>);
  return seen;
}

describe('Between an Observable and who receives what it emits', () => {
  const receiver = NEVER.subscribe();

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
    expect(layersBetween(subscriberOf(receiver, change), receiver)).toBe(layers);
  });

  it('there is nothing to count when the two have nothing to do with each other', () => {
    expect(layersBetween(NEVER.subscribe(), receiver)).toBeUndefined();
  });

  it('Nest says how many of its own there are', async () => {
    expect(await askNestChain()).toBeDefined();
  });
});

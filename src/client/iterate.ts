import type { AnyEvent, Feed } from './feed.js';

/** Events that wait to be taken; with more, the iteration fails after them. */
const MOST_WAITING = 10_000;

/** Events from the first `next()` on. `return()` and `throw()` do not wait for the next event. */
export function iterate(feed: Feed): AsyncGenerator<AnyEvent, void> {
  const waiting: AnyEvent[] = [];
  let wake: (() => void) | undefined;
  let hasLeft = false;
  let failure: Error | undefined;

  async function* events(): AsyncGenerator<AnyEvent, void> {
    const stop = feed.observe({
      next(event) {
        if (waiting.push(event) < MOST_WAITING) return;
        failure = Error('Too many events');
        stop();
      },
    });
    const unwatch = feed.watch(() => wake?.());
    try {
      while (!hasLeft) {
        let event;
        while ((event = waiting.shift())) yield event;
        const { state, error } = feed.snapshot;
        if (state === 'closed') failure ??= error;
        if (failure) throw failure;
        if (state === 'closed') return;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      stop();
      unwatch();
    }
  }

  const generator = events();
  for (const how of ['return', 'throw'] as const) {
    const leave = generator[how].bind(generator);
    generator[how] = (asked: unknown) => {
      hasLeft = true;
      wake?.();
      return leave(asked);
    };
  }
  return generator;
}

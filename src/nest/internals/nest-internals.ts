import { Logger } from '@nestjs/common';
import type { HandlerChain, NestPort } from '../../delivery/open-request.js';
import { askNestChain } from './nest-chain.js';
import { askNestStream } from './nest-stream.js';
import { canFollow, chainOf } from './rxjs-chain.js';
import { takenOf } from './socket-handle.js';

/** What the inside of this Nest and this RxJS lets us do, asked once, when the application starts. */
export class NestInternals implements NestPort {
  readonly takenOf = takenOf;

  /** @param missing what did not look as known, with what follows from it */
  constructor(
    /** Undefined if no way past RxJS is known. */
    readonly chain: HandlerChain | undefined,
    /** See {@link chainOf}; nothing but the subscriber itself if it cannot be followed. */
    readonly chainOf: (subscriber: object) => Iterable<object>,
    /** Whether the headers can be held back, and a response be taken over. */
    readonly holdsResponses: boolean,
    missing: readonly string[],
  ) {
    if (missing.length === 0) return;
    new Logger('SseModule').warn(
      `This version of Nest or RxJS is not known from the inside: ${missing.join('; ')}. ` +
        'Nothing is lost by that; please tell the authors of nestjs-event-stream.',
    );
  }

  static async ask(): Promise<NestInternals> {
    const [chain, missingInStream] = await Promise.all([askNestChain(), askNestStream()]);
    return NestInternals.of(chain, canFollow(), missingInStream);
  }

  /** What follows from the answers. */
  static of(
    chain: HandlerChain | undefined,
    isFollowed: boolean,
    missingInStream: readonly string[],
  ): NestInternals {
    const missing: string[] = [];
    if (missingInStream.includes('commitHeaders')) {
      new Logger('SseModule').warn(
        'Nest before 11.1.20 sends the headers of an @Sse() route before anything can hold them back: a ' +
          'handler, guard or pipe that fails may have been answered with 200, and an EventSource then comes ' +
          'back for ever. Update @nestjs/core to 11.1.20 or later.',
      );
    } else if (missingInStream.length > 0) {
      missing.push(
        `its SSE stream lacks ${missingInStream.join(', ')}, so that an asynchronous handler which ` +
          'fails may have been answered with 200, and Nest numbers the messages of interceptors further out',
      );
    }
    if (chain === undefined) {
      missing.push('interceptors are chained differently, so that all events pass through RxJS');
    }
    if (!isFollowed) {
      missing.push(
        'subscribers do not tell whom they hand on to, so that a stream belongs to the request that it ' +
          'was opened in, by async context',
      );
    }
    const follow = isFollowed ? chainOf : (subscriber: object) => [subscriber];
    return new NestInternals(chain, follow, missingInStream.length === 0, missing);
  }
}

import { Logger } from '@nestjs/common';
import type { HandlerChain, NestPort } from '../../delivery/open-request.js';
import { askForAwaited, type IsAwaited } from './awaited-streams.js';
import { askNestChain } from './nest-chain.js';
import { askNestStream } from './nest-stream.js';
import { askForEnhanceRoutes, type EnhanceRoutes } from './route-enhancers.js';
import { canFollow, chainOf } from './rxjs-chain.js';
import { takenOf } from './socket-handle.js';

/** What of the inside of Nest and RxJS looks as known. */
export interface NestAnswers {
  readonly chain: HandlerChain | undefined;
  readonly isFollowed: boolean;
  /** Names that are missing in its SSE stream, and beside it. */
  readonly missingInStream: readonly string[];
  readonly enhanceRoutes: EnhanceRoutes | undefined;
  readonly isAwaited: IsAwaited;
}

/** What the inside of this Nest and this RxJS lets us do, asked once, when the application starts. */
export class NestInternals implements NestPort {
  readonly takenOf = takenOf;
  /** Undefined if no way past RxJS is known. */
  readonly chain: HandlerChain | undefined;
  /** See {@link chainOf}; nothing but the subscriber itself if it cannot be followed. */
  readonly chainOf: (subscriber: object) => Iterable<object>;
  /** Whether the headers can be held back, and a response be taken over. */
  readonly holdsResponses: boolean;
  /** Undefined if guard and interceptor have to be on every route. */
  readonly enhanceRoutes: EnhanceRoutes | undefined;
  readonly isAwaited: IsAwaited;

  /** Says what follows from answers that are not as known. */
  constructor(answers: NestAnswers) {
    const { chain, isFollowed, missingInStream, enhanceRoutes, isAwaited } = answers;
    this.chain = chain;
    this.chainOf = isFollowed ? chainOf : (subscriber: object) => [subscriber];
    this.holdsResponses = missingInStream.length === 0;
    this.enhanceRoutes = enhanceRoutes;
    this.isAwaited = isAwaited;
    const missing = consequencesOf(answers);
    if (missing.length === 0) return;
    new Logger('SseModule').warn(
      `This version of Nest or RxJS is not known from the inside: ${missing.join('; ')}. ` +
        'Nothing is lost by that; please tell the authors of nestjs-event-stream.',
    );
  }

  static async ask(): Promise<NestInternals> {
    const [chain, missingInStream, enhanceRoutes, isAwaited] = await Promise.all([
      askNestChain(),
      askNestStream(),
      askForEnhanceRoutes(),
      askForAwaited(),
    ]);
    const isFollowed = canFollow();
    return new NestInternals({ chain, isFollowed, missingInStream, enhanceRoutes, isAwaited });
  }
}

function consequencesOf(answers: NestAnswers): readonly string[] {
  const { chain, isFollowed, missingInStream, enhanceRoutes } = answers;
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
  if (enhanceRoutes === undefined) {
    missing.push('routes are made differently, so that all routes pass its guard and interceptor');
  }
  return missing;
}

import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Connections } from '../delivery/connections.js';
import { answerHeadOf, isOurRoute, requestOf, responseOf } from './http-context.js';
import { HeaderGate } from './internals/header-gate.js';
import { NestInternals } from './internals/nest-internals.js';

/**
 * Lets everybody in. It is a guard because guards run before Nest pipes its stream into the response, and
 * the headers of an `@Sse()` route have to be held back from then on; and it is the first of them, so that what is
 * ordered while the others decide is known to come after.
 */
@Injectable()
export class SseGuard implements CanActivate {
  constructor(
    private readonly internals: NestInternals,
    private readonly connections: Connections,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    if (!isOurRoute(context)) return true;
    this.connections.arrivals.note(responseOf(context));
    if (!this.internals.holdsResponses) return true;
    // A HEAD response ends with its headers, in the same macrotask that commits them.
    if (requestOf(context).method !== 'HEAD') {
      HeaderGate.hold(responseOf(context), answerHeadOf(context));
    }
    return true;
  }
}

import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { HeaderGate } from '../delivery/header-gate.js';
import { isSseRoute, requestOf, responseOf } from './http-context.js';

/**
 * Lets everybody in. It is a guard because guards run before Nest pipes its stream into the response, and
 * the headers of an `@Sse()` route have to be held back from then on.
 */
@Injectable()
export class SseGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    // A HEAD response ends with its headers, in the same macrotask that commits them.
    if (isSseRoute(context) && requestOf(context).method !== 'HEAD') {
      HeaderGate.hold(responseOf(context));
    }
    return true;
  }
}

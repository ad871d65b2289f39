import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { currentConnection } from '../bus/bindings.js';
import { Connection } from '../delivery/connection.js';
import type { ConnectionInfo } from '../delivery/connection-info.js';
import type { Identity } from '../delivery/identity.js';
import { SseError } from '../errors.js';
import { responseOf } from './http-context.js';
import { HEAD_CONNECTION } from './head-connection.js';

/** The connection that an `@Sse()` handler is called for. */
export interface SseConnection {
  /** See `ConnectionInfo.id`; empty for a HEAD request, which has no stream. */
  readonly id: string;
  /** As it is now; undefined for a HEAD request. */
  readonly info: ConnectionInfo | undefined;
  /**
   * Adds to what `identify` said: an owner and an expiry replace those from before, tags come to the others.
   *
   * @throws SseError `BAD_OPTION`
   */
  identify(identity: Identity): void;
}

/**
 * Gives an `@Sse()` handler its connection.
 *
 * @example room(@Param('id') id: string, @SseConnection() connection: SseConnection) {
 *   connection.identify({ tags: [`room.${id}`] });
 *   return this.bus.stream(`room.${id}`);
 * }
 */
export const SseConnection = createParamDecorator((_: unknown, context: ExecutionContext) =>
  handleOf(context),
);

const NO_CONNECTION: SseConnection = Object.freeze({ id: '', info: undefined, identify() {} });

function handleOf(context: ExecutionContext): SseConnection {
  const connection = currentConnection();
  if (connection === HEAD_CONNECTION) return NO_CONNECTION;
  if (!(connection instanceof Connection) || connection.response !== responseOf(context)) {
    throw new SseError(
      'BAD_OPTION',
      '@SseConnection() is for parameters of @Sse() handlers, in an application that imports SseModule.forRoot()',
    );
  }
  return {
    get id() {
      return connection.id;
    },
    get info() {
      return connection.info;
    },
    identify: (identity) => connection.identify(identity, '@SseConnection().identify()'),
  };
}

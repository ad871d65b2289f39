import type { ExecutionContext } from '@nestjs/common';
import type { Connection } from '../delivery/connection.js';
import type { Identity } from '../delivery/identity.js';
import { isThenable } from '../errors.js';

/** Says who is at the other end of a connection; asked after the guards and before the handler. */
export type Identify = (
  context: ExecutionContext,
) => Identity | undefined | Promise<Identity | undefined>;

const SOURCE = 'SseModule: identify()';

/** Asks who is connected. What it throws answers the request, as what a guard throws does. */
export class Identification {
  readonly #identify: Identify | undefined;

  constructor(identify: Identify | undefined) {
    this.#identify = identify;
  }

  /** @param begin called at once, or when it is known who it is; not for whom the connection is over */
  admit(context: ExecutionContext, connection: Connection, begin: () => void): void {
    const identity = this.#ask(context, connection);
    if (!isThenable(identity)) {
      this.#end(connection, identity, begin);
      return;
    }
    identity.then(
      (known) => this.#end(connection, known, begin),
      (error: unknown) => connection.fail(error),
    );
  }

  /**
   * Asks of a request that opens nothing, for what may be thrown.
   *
   * @throws what `identify` throws, or rejects with
   */
  async ask(context: ExecutionContext): Promise<void> {
    await this.#identify?.(context);
  }

  #ask(context: ExecutionContext, connection: Connection): unknown {
    try {
      return this.#identify?.(context);
    } catch (error) {
      connection.fail(error);
      return undefined;
    }
  }

  #end(connection: Connection, identity: unknown, begin: () => void): void {
    try {
      if (identity !== undefined) connection.identify(identity, SOURCE);
    } catch (error) {
      connection.fail(error);
    }
    if (connection.admit()) begin();
  }
}

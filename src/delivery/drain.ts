import type { TurnScheduler } from '../log/turn-scheduler.js';
import type { Connection } from './connection.js';
import { Deadline } from './deadline.js';
import type { DeliveryOptions } from './options.js';
import { Waves } from './waves.js';

/** What is drained. */
export interface Drainable {
  readonly connections: ReadonlySet<Connection>;
  readonly turn: TurnScheduler;
  /** Resolves when there is no connection or request for one, and those that have ended are taken to the end. */
  whenEmpty(): Promise<void>;
  /**
   * Ends what has not been taken to the end.
   *
   * @param left milliseconds that are left
   */
  cutOff(left: number): Promise<void>;
}

/** The end of all connections, because the application ends. */
export class Drain {
  #done: Promise<void> | undefined;
  readonly #timeout: number;
  /** Undefined where all leave at once. */
  readonly #waves: Waves | undefined;

  constructor({ timeout, over }: DeliveryOptions['drain']) {
    this.#timeout = timeout;
    this.#waves = over === false ? undefined : new Waves(over);
  }

  get hasBegun(): boolean {
    return this.#done !== undefined;
  }

  /** The part of all connections that has been told to leave, from 0 to 1; undefined where they leave at once. */
  get progress(): number | undefined {
    return this.#waves?.progress;
  }

  /** @param caughtUp called once; resolves when what was published is in the log */
  begin(drained: Drainable, caughtUp: () => Promise<unknown>): Promise<void> {
    return (this.#done ??= this.#run(drained, caughtUp()));
  }

  /** Lets those leave at once whose turn has yet to come. */
  hurry(): void {
    this.#waves?.hurry();
  }

  async #run(drained: Drainable, caughtUp: Promise<unknown>): Promise<void> {
    const { connections, turn } = drained;
    const timeout = new Deadline(this.#timeout);
    await timeout.orSooner(caughtUp);
    // What is not read in the first round is what operators and shared streams hand on by themselves.
    await timeout.orSooner(turn.nextRound());
    await timeout.orSooner(turn.nextRound());
    if (this.#waves !== undefined) {
      timeout.pause();
      await Promise.race([this.#waves.run(connections), drained.whenEmpty()]);
      timeout.resume();
    }
    for (const connection of connections) connection.leave();
    await timeout.orSooner(drained.whenEmpty());
    for (const connection of connections) connection.end('drain');
    timeout.clear();
    await drained.cutOff(timeout.left);
  }
}

import { Backplane, type BackplaneHealth } from '../../src/backplane/backplane.js';
import { type LogSink } from '../../src/log/log-sink.js';

/** A backplane of several instances that catches up when the test says so; the test feeds the log itself. */
export class FarBackplane extends Backplane {
  /** How often it was asked to catch up. */
  asked = 0;
  readonly #pending: (() => void)[] = [];

  override get health(): BackplaneHealth {
    return { isConnected: true, lastReadAt: undefined, lagEvents: 0, lagMs: 0 };
  }

  override async open(sink: LogSink): Promise<void> {
    sink.reset('b', 0);
  }

  override publish(): Promise<string> {
    return Promise.reject(new Error('The test feeds the log itself'));
  }

  override catchUp(): Promise<void> {
    this.asked++;
    return new Promise((resolve) => this.#pending.push(resolve));
  }

  /** Everything has come that was ordered when it was asked. */
  haveCaughtUp(): void {
    for (const resolve of this.#pending.splice(0)) resolve();
  }

  override async close(): Promise<void> {}
}

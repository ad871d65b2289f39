import { formatCursor } from '../log/cursor.js';
import type { Availability } from './availability.js';
import { asSseError } from './failures.js';
import type { FileThread } from './file-thread.js';
import { requestOf, type PublishQueue } from './publish-queue.js';

/**
 * Writes what is published to the file and reads nothing, for a process that is no instance. What is published
 * in one turn, and while something is being written, is one transaction.
 */
export class OutsidePublisher {
  readonly #thread: FileThread;
  readonly #queue: PublishQueue;
  readonly #availability: Availability;
  #isRunning = false;

  constructor(thread: FileThread, queue: PublishQueue, availability: Availability) {
    this.#thread = thread;
    this.#queue = queue;
    this.#availability = availability;
  }

  wake(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    setImmediate(() => void this.#run());
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) await this.#publish();
    this.#isRunning = false;
  }

  async #publish(): Promise<void> {
    const jobs = this.#queue.take();
    try {
      const published = await this.#thread.ask('publish', requestOf(jobs));
      const { epoch, before, offsets } = published;
      this.#availability.onUp();
      this.#queue.settle(jobs, (index) =>
        formatCursor(epoch, offsets?.[index] ?? before + index + 1),
      );
    } catch (error) {
      this.#availability.onDown(asSseError(error));
      this.#queue.reject(jobs, asSseError(error));
    }
  }
}

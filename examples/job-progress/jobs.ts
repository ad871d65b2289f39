import { setTimeout } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';

/** Stands for work that takes a second. */
@Injectable()
export class Jobs {
  readonly #logger = new Logger(Jobs.name);

  start(id: string, report: (percent: number) => Promise<unknown>): void {
    this.#run(report).catch((error: unknown) => this.#logger.error(`Job ${id} failed`, error));
  }

  async #run(report: (percent: number) => Promise<unknown>): Promise<void> {
    for (let percent = 0; percent <= 100; percent += 10) {
      await report(percent);
      await setTimeout(100);
    }
  }
}

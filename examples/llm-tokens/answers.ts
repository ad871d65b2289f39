import { Injectable, Logger } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import { LanguageModel } from './language-model.js';

/** Answers that are written whether anybody listens or not. */
@Injectable()
export class Answers {
  readonly #logger = new Logger(Answers.name);
  readonly #begun = new Set<string>();

  constructor(
    private readonly bus: EventBus,
    private readonly model: LanguageModel,
  ) {}

  /** Does nothing for an answer that has begun. */
  begin(id: string, question: string): void {
    if (this.#begun.has(id)) return;
    this.#begun.add(id);
    this.#write(`answer.${id}`, question).catch((error: unknown) =>
      this.#logger.error(`Answer ${id} broke off`, error),
    );
  }

  async #write(topic: string, question: string): Promise<void> {
    for await (const token of this.model.tokens(question)) {
      await this.bus.publish(topic, { type: 'token', data: token });
    }
    await this.bus.publish(topic, { type: 'done', data: {} });
  }
}

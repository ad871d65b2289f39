import { setTimeout } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';

/** Stands for a model that takes its time. */
@Injectable()
export class LanguageModel {
  async *tokens(question: string, signal: AbortSignal): AsyncGenerator<string> {
    for (const token of ['You', ' asked:', ...question.split(/(?= )/)]) {
      await setTimeout(50, undefined, { signal });
      yield token;
    }
  }
}

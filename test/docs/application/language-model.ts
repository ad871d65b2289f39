import { Injectable } from '@nestjs/common';

@Injectable()
export class LanguageModel {
  async *tokens(question: string): AsyncGenerator<string> {
    yield* ['You', ' asked:\n', question];
  }
}

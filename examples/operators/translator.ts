import { Injectable } from '@nestjs/common';

@Injectable()
export class Translator {
  async translate(text: string): Promise<string> {
    return text.toUpperCase();
  }
}

import { setTimeout } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { UIMessage, UIMessageChunk } from 'ai';

/** Milliseconds that the model takes for a word. */
const PACE = Number(process.env['PACE'] ?? 40);

/** What the model answers. */
export function answerTo(question: string): string {
  const lines = Array.from({ length: 12 }, (_, index) => `Of that I know ${index + 1} things.`);
  return `You asked: ${question} ${lines.join(' ')}`;
}

/** Stands for a model that takes its time: `streamText(…).toUIMessageStream()` gives the same chunks. */
@Injectable()
export class LanguageModel {
  async *answer(
    messages: readonly UIMessage[],
    signal: AbortSignal,
  ): AsyncGenerator<UIMessageChunk> {
    const question = messages.at(-1)?.parts.map((part) => (part.type === 'text' ? part.text : ''));
    yield { type: 'start' };
    yield { type: 'text-start', id: 'answer' };
    for (const delta of answerTo(question?.join('') ?? '').split(/(?= )/)) {
      await setTimeout(PACE, undefined, { signal });
      yield { type: 'text-delta', id: 'answer', delta };
    }
    yield { type: 'text-end', id: 'answer' };
    yield { type: 'finish' };
  }
}

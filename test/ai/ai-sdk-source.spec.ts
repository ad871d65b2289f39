import { describe, expect, it } from '@jest/globals';
import {
  createUIMessageStreamResponse,
  jsonSchema,
  simulateReadableStream,
  stepCountIs,
  streamText,
  tool,
} from 'ai';
import type { UIMessageChunk } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import { SseRunsModule } from 'nestjs-event-stream/runs';
import { type Client, onExpress, urlOf } from '../support/each-adapter.js';
import { answers, ChatController } from './chat.controller.js';
import { Chat } from './client.js';

type Generated = Awaited<ReturnType<MockLanguageModelV3['doStream']>>['stream'];
type Part = Generated extends ReadableStream<infer Each> ? Each : never;

/** What a model says: it thinks, asks a tool, names a source, and answers in pieces that cut a character in two. */
function model(): MockLanguageModelV3 {
  const usage = {
    inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
    outputTokens: { total: 1, text: 1, reasoning: undefined },
  };
  const first: Part[] = [
    { type: 'stream-start', warnings: [] },
    { type: 'reasoning-start', id: 'r' },
    { type: 'reasoning-delta', id: 'r', delta: 'Let me\nsee' },
    { type: 'reasoning-end', id: 'r' },
    { type: 'tool-input-start', id: 'call', toolName: 'weather' },
    { type: 'tool-input-delta', id: 'call', delta: '{"city":"Zürich"}' },
    { type: 'tool-input-end', id: 'call' },
    {
      type: 'tool-call',
      toolCallId: 'call',
      toolName: 'weather',
      input: '{"city":"Zürich"}',
    },
    {
      type: 'finish',
      finishReason: { unified: 'tool-calls', raw: undefined },
      usage,
    },
  ];
  const second: Part[] = [
    { type: 'stream-start', warnings: [] },
    {
      type: 'source',
      sourceType: 'url',
      id: 's',
      url: 'https://example.com/?a=b&c',
    },
    { type: 'text-start', id: 't' },
    ...TEXTS.map((delta): Part => ({ type: 'text-delta', id: 't', delta })),
    { type: 'text-end', id: 't' },
    { type: 'finish', finishReason: { unified: 'stop', raw: undefined }, usage },
  ];
  let turn = 0;
  return new MockLanguageModelV3({
    doStream: () =>
      Promise.resolve({
        stream: simulateReadableStream({
          chunks: turn++ === 0 ? first : second,
          chunkDelayInMs: null,
          initialDelayInMs: null,
        }),
      }),
  });
}

const TEXTS = [
  'data: [DONE]\n\nevent: gap\r\nid: 1\r',
  '\u2028\0 ',
  '\ud83d',
  '\ude00',
  'é'.repeat(200_000),
];

function answer(): ReadableStream<UIMessageChunk> {
  const weather = tool({
    inputSchema: jsonSchema<{ city: string }>({
      type: 'object',
      properties: { city: { type: 'string' } },
    }),
    execute: ({ city }) => ({ city, sun: true, rain: undefined }),
  });
  return streamText({
    model: model(),
    prompt: 'Hi',
    tools: { weather },
    stopWhen: stepCountIs(3),
  }).toUIMessageStream({
    generateMessageId: () => 'message-1',
    sendSources: true,
    messageMetadata: ({ part }) =>
      part.type === 'start' ? { model: 'mock', price: undefined } : undefined,
  });
}

describe('an answer of streamText()', () => {
  const bench = onExpress();

  it('hands on what streamText() gives, byte for byte, also to who comes again', async () => {
    const app = await bench.start({
      imports: [SseRunsModule.forRoot()],
      controllers: [ChatController],
    });
    const theirs = await createUIMessageStreamResponse({ stream: answer() }).text();
    answers.set('a', answer());
    const sent = await bench.connect(app, '/chat', { method: 'POST', body: { id: 'a' } });
    await sent.closed;
    expect(bodyOf(sent)).toBe(theirs);
    const again = await bench.connect(app, '/chat/a/stream');
    await again.closed;
    expect(bodyOf(again)).toBe(theirs);
  });

  it('gives the AI SDK every part of it, whatever characters are in the texts', async () => {
    const app = await bench.start({
      imports: [SseRunsModule.forRoot()],
      controllers: [ChatController],
    });
    answers.set('a', answer());
    const chat = new Chat('a', urlOf(app));
    await chat.sendMessage({ text: 'Hi' });
    expect([chat.status, chat.answers]).toEqual(['ready', [TEXTS.join('')]]);
    const types = chat.messages.at(-1)?.parts.map(({ type }) => type);
    expect(types).toEqual(
      expect.arrayContaining(['reasoning', 'tool-weather', 'source-url', 'text']),
    );
    const before = structuredClone(chat.messages);
    await chat.resumeStream();
    expect(chat.messages).toEqual(before);
  });

  it('streams plain texts whatever whole characters are in them', async () => {
    const whole = TEXTS.filter((text) => text.isWellFormed());
    const app = await bench.start({
      imports: [SseRunsModule.forRoot()],
      controllers: [ChatController],
    });
    answers.set('a', ReadableStream.from([...whole, '']));
    const chat = new Chat('a', urlOf(app));
    await chat.sendMessage({ text: 'Hi' });
    expect([chat.status, chat.answers]).toEqual(['ready', [whole.join('')]]);
  });
});

function bodyOf({ text }: Client): string {
  return text.replace(/^\n/, '');
}

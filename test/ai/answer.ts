import type { Client } from '../support/each-adapter.js';

/** An answer in chunks, as `streamText().toUIMessageStream()` gives one; goes on when it may. */
export async function* chunks(go: Promise<void> = Promise.resolve()): AsyncGenerator<object> {
  yield { type: 'start', messageId: 'message-1' };
  yield { type: 'text-start', id: 'part' };
  yield { type: 'text-delta', id: 'part', delta: 'Hello' };
  await go;
  yield { type: 'text-delta', id: 'part', delta: ', world' };
  yield { type: 'text-end', id: 'part' };
  yield { type: 'finish' };
}

/** What is on the wire of it, as `ai-sdk`. */
export const WHOLE =
  'data: {"type":"start","messageId":"message-1"}\n\n' +
  'data: {"type":"text-start","id":"part"}\n\n' +
  'data: {"type":"text-delta","id":"part","delta":"Hello"}\n\n' +
  'data: {"type":"text-delta","id":"part","delta":", world"}\n\n' +
  'data: {"type":"text-end","id":"part"}\n\n' +
  'data: {"type":"finish"}\n\n' +
  'data: [DONE]\n\n';

export const delta = (text: string) => ({ type: 'response.output_text.delta', delta: text });

/** A response, as OpenAI's `responses.create()` streams it; goes on when it may. */
export async function* response(go: Promise<void> = Promise.resolve()): AsyncGenerator<object> {
  yield { type: 'response.created', response: { id: 'r' } };
  yield delta('a');
  await go;
  yield delta('b');
  yield { type: 'response.completed', response: { id: 'r' } };
}

/** What is on the wire of it, as `openai`. */
export const RESPONSE = [
  'event: response.created\ndata: {"type":"response.created","response":{"id":"r"},"sequence_number":0}',
  'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"a","sequence_number":1}',
  'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"b","sequence_number":2}',
  'event: response.completed\ndata: {"type":"response.completed","response":{"id":"r"},"sequence_number":3}',
];

/** Without the blank line that Nest begins every event stream with. */
export function bodyOf({ text }: Pick<Client, 'text'>): string {
  return text.replace(/^\n/, '');
}

export function framesIn({ text }: Pick<Client, 'text'>): string[] {
  return text.trim().split('\n\n');
}

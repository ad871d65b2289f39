import { EventSourceParserStream } from 'eventsource-parser/stream';

/** Yields the tokens of an answer; after a lost connection it goes on behind the last one. */
export async function* readAnswer(url: string, question: string): AsyncGenerator<string> {
  const body = JSON.stringify({ id: crypto.randomUUID(), question });
  let lastEventId = '';
  for (;;) {
    let wait = 500 + Math.random() * 1_000;
    try {
      const headers = { 'content-type': 'application/json', 'last-event-id': lastEventId };
      const response = await fetch(url, { method: 'POST', headers, body });
      const retryAfter = response.headers.get('retry-after');
      if (response.ok && response.body !== null) {
        const events = response.body
          .pipeThrough(new TextDecoderStream())
          .pipeThrough(new EventSourceParserStream());
        for await (const { id, event, data } of events) {
          lastEventId = id ?? lastEventId;
          if (event === 'token') yield data;
          else if (event === 'done') return;
        }
      } else if (retryAfter === null) return;
      else wait = Number(retryAfter) * 1_000;
    } catch {
      // The network failed: the same question goes on where it was.
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

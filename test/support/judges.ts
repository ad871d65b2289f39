import { EventSource } from 'eventsource';
import { createParser } from 'eventsource-parser';
import { EventSource as UndiciEventSource } from 'undici';

export interface Judged {
  readonly type: string;
  readonly data: string;
  readonly lastEventId: string;
}

/** An independent reader of `text/event-stream`: what it dispatched, in order. */
export interface Judge {
  readonly received: readonly Judged[];
  close(): void;
}

type Connect = (url: string, types: readonly string[]) => Judge;

function listen(source: EventSource | UndiciEventSource, types: readonly string[]): Judge {
  const received: Judged[] = [];
  for (const type of new Set(['message', ...types])) {
    const keep = ({ type, data, lastEventId }: Judged): void =>
      void received.push({ type, data, lastEventId });
    source.addEventListener(type, keep as (event: object) => void);
  }
  return { received, close: () => source.close() };
}

function parse(url: string): Judge {
  const received: Judged[] = [];
  let lastEventId = '';
  const parser = createParser({
    onEvent: ({ event = 'message', data, id }) => {
      lastEventId = id ?? lastEventId;
      received.push({ type: event, data, lastEventId });
    },
    onError: (error) => {
      received.push({ type: `parse error: ${error.message}`, data: '', lastEventId });
    },
  });
  const abort = new AbortController();
  const decoder = new TextDecoder();
  void fetch(url, { signal: abort.signal })
    .then(async ({ body }) => {
      for await (const bytes of body ?? [])
        parser.feed(decoder.decode(bytes as Uint8Array, { stream: true }));
    })
    .catch(() => {});
  return { received, close: () => abort.abort() };
}

/** The judges, by name. */
export const judges: readonly (readonly [string, Connect])[] = [
  ['eventsource-parser', parse],
  ['eventsource', (url, types) => listen(new EventSource(url), types)],
  ['undici’s EventSource', (url, types) => listen(new UndiciEventSource(url), types)],
];

// Checked by `npm run typecheck`; nothing runs.
import type { ServerEvents } from 'nestjs-event-stream/client';
import type { fromEvents } from 'nestjs-event-stream/client/rxjs';
import { uniteTopics } from 'nestjs-event-stream/client/topics';

interface ShopEvents {
  paid: { id: number; at: Date; cancel?: () => void };
  price: number;
  note: string;
}

declare const events: ServerEvents<ShopEvents>;
declare const from: typeof fromEvents;

events.on('paid', ({ data }) => {
  const at: string = data.at;
  // @ts-expect-error a Date was published, and its text arrives
  const date: Date = data.at;
  // @ts-expect-error JSON has no functions
  const cancel: unknown = data.cancel;
  return [at, date, cancel];
});
events.on('price', ({ data }) => data.toFixed());
events.on('note', ({ data }) => data.toUpperCase());
events.on('ready', ({ data }) => data.cursor.toUpperCase());
from(events, 'paid').subscribe(({ data }) => data.at.toUpperCase());
uniteTopics<ShopEvents>({
  parameter: 'topics',
  topicsOf: ({ type, data }) => (type === 'paid' ? data.at.toUpperCase() : undefined),
});
const { event } = events.getSnapshot();
if (event?.type === 'paid') event.data.at.toUpperCase();

export async function all(): Promise<void> {
  for await (const each of events) if (each.type === 'paid') each.data.at.toUpperCase();
}

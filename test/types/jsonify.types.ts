// Checked by `npm run typecheck`; nothing runs.
import type { EventBus, Jsonify, SseEvent } from 'nestjs-event-stream';

interface Order {
  at: Date;
  note?: string;
  parts: (Date | undefined)[];
  pair: [number, Date];
  cancel: () => void;
  nothing: undefined;
  anything: unknown;
  state: 'open' | 'paid' | undefined;
  nested: { readonly at: Date | null };
}

declare const orders: EventBus<{ order: Order; price: number; news: string }>;
declare const order: Jsonify<Order>;

export const at: string = order.at;
export const note: string | undefined = order.note;
export const parts: (string | null)[] = order.parts;
export const pair: [number, string] = order.pair;
export const anything: unknown = order.anything;
export const nested: string | null = order.nested.at;
export const state: 'open' | 'paid' | undefined = order.state;
export const keys: 'at' | 'note' | 'parts' | 'pair' | 'anything' | 'state' | 'nested' =
  {} as keyof Jsonify<Order>;
declare const untyped: Jsonify<string | object>;
export const asItIs: string | object = untyped;
export const price: number = {} as SseEvent<{ price: number }>['data'];
// @ts-expect-error it may be left out
export const always: 'open' | 'paid' = order.state;
// @ts-expect-error a Date was published, and a string arrives
export const date: Date = order.at;

orders.stream('orders').subscribe(({ type, data }) => {
  if (type === 'order') data.at.toUpperCase();
});
void orders.publish('orders', { type: 'price', data: 1 });

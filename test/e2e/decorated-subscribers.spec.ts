import { expect, it } from '@jest/globals';
import { Controller, type MessageEvent, Param, Sse } from '@nestjs/common';
import { Observable, type Subscriber } from 'rxjs';
import { EventBus } from 'nestjs-event-stream';
import { eachAdapter } from '../support/each-adapter.js';
import { until } from '../support/until.js';

type Decorate = (subscriber: Subscriber<MessageEvent>) => Subscriber<MessageEvent>;

function redacted(event: MessageEvent): MessageEvent {
  return { ...event, data: (event.data as string).replace('secret', '***') };
}

/** Ways to stand before a subscriber that leave it looking like itself. */
const DECORATIONS: Record<string, Decorate> = {
  derived: (subscriber) => {
    const derived = Object.create(subscriber) as Subscriber<MessageEvent>;
    derived.next = (event) => subscriber.next(redacted(event));
    return derived;
  },
  'derived, below next': (subscriber) => {
    const derived = Object.create(subscriber) as Subscriber<MessageEvent>;
    const value = (event: MessageEvent) => subscriber.next(redacted(event));
    return Object.defineProperty(derived, '_next', { value });
  },
  patched: (subscriber) => {
    const next = subscriber.next.bind(subscriber);
    subscriber.next = (event) => next(redacted(event));
    return subscriber;
  },
  'patched, out of sight': (subscriber) => {
    const next = subscriber.next.bind(subscriber);
    const value = (event: MessageEvent) => next(redacted(event));
    return Object.defineProperty(subscriber, 'next', { value });
  },
  proxied: (subscriber) =>
    new Proxy(subscriber, {
      get: (target, name) =>
        name === 'next'
          ? (event: MessageEvent) => target.next(redacted(event))
          : (Reflect.get(target, name) as unknown),
    }),
  'proxied, below next': (subscriber) =>
    new Proxy(subscriber, {
      get: (target, name) =>
        name === '_next'
          ? (event: MessageEvent) => target.next(redacted(event))
          : (Reflect.get(target, name) as unknown),
    }),
};

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('news/:way')
  news(@Param('way') way: string): Observable<MessageEvent> {
    return new Observable((subscriber) => {
      const decorate = DECORATIONS[way] ?? ((same) => same);
      return this.bus.stream('news').subscribe(decorate(subscriber));
    });
  }
}

eachAdapter((bench) => {
  it.each(Object.keys(DECORATIONS))(
    'lets no event past a subscriber that an Observable has put something before: %s',
    async (way) => {
      const app = await bench.start({ controllers: [Routes] });
      const bus = app.get(EventBus);
      const had = await bus.publish('news', { data: 'had' });
      await bus.publish('news', { data: 'a secret that was missed' });
      const path = `/news/${encodeURIComponent(way)}`;
      const client = await bench.connect(app, path, { lastEventId: had });
      await until('it reads', () => client.lastEventId !== '');
      expect((await client.next()).data).toBe('a *** that was missed');
      const id = await bus.publish('news', { data: 'a secret' });
      expect(await client.next()).toMatchObject({ data: 'a ***', lastEventId: id });
    },
  );
});
